/** An AbortSignal stops a study at a checkpoint; the same call goes on from there, and ends as if it had never been stopped. */
import { Stopped, sweep } from "mutransfer";
import { spec } from "./spec.ts";

const controller = new AbortController();
const study = sweep(spec, { out: "runs/stopped", jobs: 1, stack: 1, signal: controller.signal });
try {
  for await (const { event } of study) if (event === "trial_finished") controller.abort();
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
  console.log(`stopped; left to go on from: ${error.left}`);
}

const { record } = await sweep(spec, { out: "runs/stopped", jobs: 1, stack: 1 });
console.log(`finished: ${record.trials.length} trials`);
