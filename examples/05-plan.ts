/** What a sweep and its target cost, before they cost anything. */
import { plan } from "mutransfer";
import { spec } from "./spec.ts";

const { proxies, target, setup } = await plan(spec);
console.log(`${proxies.models} proxies of ${proxies.parameters} parameters, one target of ${target.parameters}`);
console.log(`tuning costs ${Math.round((100 * proxies.flops) / target.flops)} % of the target's training`);
console.log(`about ${Math.ceil(proxies.seconds + target.seconds)} s with ${setup.engine}`);
