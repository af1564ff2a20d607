/** Events as they happen. The loop ends when the study does, and throws what the study rejects with. */
import { sweep } from "mutransfer";
import { spec } from "./spec.ts";

const study = sweep(spec, { out: "runs/progress" });
for await (const event of study) {
  if (event.event === "sweep_started") console.log(`${event.trials} trainings of ${event.steps} steps`);
  if (event.event === "trial_finished") console.log(`trial ${event.trial.id}: ${event.trial.validation_loss?.toFixed(4) ?? "diverged"}`);
}
const { record } = await study;
console.log(`best learning rate: ${record.best?.hyperparameters.learning_rate}`);
