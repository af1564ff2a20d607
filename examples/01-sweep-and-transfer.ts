/** The two commands as two calls: tune proxies, then train the target with the winner's hyperparameters. */
import { sweep, transfer } from "mutransfer";
import { spec } from "./spec.ts";

const { record, path } = await sweep(spec, { out: "runs/example" });
console.log(`winner: trial ${record.best?.trial}, ${record.best?.validation_loss.toFixed(4)} nats`);

// At this size an edge of the range may well win; `force` launches all the same.
const target = await transfer(path, { force: true });
console.log(`target of width ${target.record.width}: ${target.record.validation_loss?.toFixed(4)} nats, ${target.record.verdict}`);
