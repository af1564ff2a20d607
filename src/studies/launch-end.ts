/**
 * What a target's training comes to, from its outcome, the sweep's results and the check before it. How a target is judged
 * is evidence/target.ts's business, and what is written of it launch.ts's.
 */
import type { Prelaunch } from "../evidence/records.ts";
import { judgeTarget } from "../evidence/target.ts";
import type { Results } from "../run/results.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { partingOf, passesOf } from "../sweep/generalization.ts";
import type { Outcome } from "../training/outcome.ts";
import { judged, untrainedLoss } from "../training/yardstick.ts";
import type { Launch, LaunchEnd } from "./launch.ts";
import { noiseOf } from "./prelaunch.ts";

/** Judges how a target has ended; `checked` is what the check before it has found, if there was one. */
export function judgedEnd(
  { plan, results, best, launch }: { plan: Plan; results: Results; best: NonNullable<Results["best"]>; launch: Launch },
  trained: Outcome,
  checked: Prelaunch | undefined,
): LaunchEnd {
  const { spec, dataset } = plan;
  const { analysis } = results;
  const { optimum } = analysis;
  const outcome = judged(trained, dataset.vocabSize);
  const { validationLoss, curve } = outcome;
  const parting = partingOf([{ trainingLoss: curve.at(-1)?.trainingLoss ?? null, validationLoss }]);
  const passes = passesOf(spec, dataset.train.count);
  const { proxy } = sizesOf(spec);
  const confirmed = best.standard_error === null ? undefined : results.confirmation.find(({ trial }) => trial === best.trial);
  const verdict = judgeTarget({
    outcome,
    isLarger: launch.size.width > proxy.width || launch.size.layers > proxy.layers,
    proxyLoss: best.validation_loss,
    proxySeeds: confirmed?.losses.length ?? 1,
    noise: noiseOf(results),
    parametrization: spec.parametrization,
    passes,
    hasParted: parting !== undefined,
    rate: { word: analysis.rate ?? "learning rate", value: best.hyperparameters[analysis.rate ?? "learning_rate"] ?? NaN },
    // Where the curve had not turned, the interval's end is no bound.
    highestRate: optimum == null || optimum.open === "upper" ? null : optimum.high,
    between: checked?.between,
  });
  return {
    outcome,
    finalNats: curve.at(-1)?.validationLoss ?? null,
    untrainedNats: untrainedLoss(outcome, dataset.vocabSize),
    verdict,
    prediction: checked?.prediction ?? null,
    generalization: { passes, parting },
  };
}
