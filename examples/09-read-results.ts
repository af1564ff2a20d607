/** Reads a results.json, checked: a file that was edited is refused. */
import { readResults, sweep } from "mutransfer";
import { spec } from "./spec.ts";

const { path } = await sweep(spec, { out: "runs/read" });
const { trials, analysis, cost } = readResults(path);
for (const { id, status, hyperparameters, validation_loss } of trials)
  console.log(`trial ${id} ${status}: learning rate ${hyperparameters.learning_rate}, ${validation_loss} nats`);
console.log(`best learning rate: ${analysis.optimum === null ? "not determined" : `${analysis.optimum.low} to ${analysis.optimum.high}`}`);
console.log(`cost: ${(100 * cost.ratio).toFixed(0)} % of the target's training`);
