/**
 * What a finished sweep comes to: the head of its results.json, made from a plan and how its
 * trials ended. Holds no clock times: the same sweep gives the same bytes. The file's format is
 * run/results.ts's business.
 */
import { flopsPerStep } from "../model/config.ts";
import type { Environment } from "../run/environment.ts";
import { resultsVersion, transferredOf, type Results, type ResultsHead } from "../run/results.ts";
import type { TrialSummary } from "../run/state.ts";
import { isSound } from "../run/trial-result.ts";
import { edgesOf, bestLog2Rate, importances } from "../search/analysis.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { modelConfig, sizesOf, type Plan } from "../spec/plan.ts";
import { lowest } from "../statistics.ts";
import { rungReports } from "./agenda.ts";
import { chooseWinner, rankTrials, type Winner } from "./select.ts";

/** Training FLOPs of all proxies as far as they got, of the target, and their ratio. */
function costOf(plan: Plan, trials: readonly TrialSummary[]): Results["cost"] {
  const { train } = plan.spec;
  const { proxy, target } = sizesOf(plan.spec);
  const steps = trials.reduce((sum, trial) => sum + trial.steps, 0);
  const proxyFlops = steps * flopsPerStep(modelConfig(plan, proxy), train.batch);
  const targetFlops = train.steps * flopsPerStep(modelConfig(plan, target), train.batch);
  return { proxy_flops: proxyFlops, target_flops: targetFlops, ratio: proxyFlops / targetFlops };
}

/** What a finished sweep comes to. */
export function makeHead(plan: Plan, trials: readonly TrialSummary[], environment: Environment): ResultsHead {
  const { spec } = plan;
  const winner = chooseWinner(trials, spec.seed);
  return {
    version: resultsVersion,
    name: spec.name,
    spec,
    spec_hash: plan.specHash,
    best: winner === undefined ? null : bestOf(spec, winner),
    confirmation: (winner?.confirmed ?? []).map(({ id, firstLoss, meanLoss, seeds, validationLosses }) => ({
      trial: id,
      first_loss: firstLoss,
      mean_loss: meanLoss,
      losses: seeds.map((seed, index) => ({ seed, validation_loss: validationLosses[index] })),
    })),
    analysis: analysisOf(spec, trials, winner),
    cost: costOf(plan, trials),
    environment,
  };
}

/** The winner as results.json has it. */
export function bestOf(spec: CompleteSpec, { trial, validationLoss, standardError }: Winner<TrialSummary>): NonNullable<Results["best"]> {
  return {
    trial: trial.id,
    seed: trial.seed,
    hyperparameters: transferredOf(trial.hyperparameters),
    validation_loss: validationLoss,
    standard_error: standardError,
    edges: edgesOf(spec.search.parameters, trial.hyperparameters).map(({ name, side, bound, extendTo }) => ({
      hyperparameter: name,
      side,
      bound,
      extend_to: extendTo,
    })),
  };
}

function analysisOf(spec: CompleteSpec, trials: readonly TrialSummary[], winner: Winner<TrialSummary> | undefined): Results["analysis"] {
  const { parameters } = spec.search;
  const first = trials.filter(({ seed, status }) => seed === spec.seed && status !== "failed");
  const completed = first.filter(({ status }) => status === "completed");
  const losses = completed.map(({ validationLoss }) => validationLoss as number).sort((a, b) => a - b);
  const optimum = bestLog2Rate(
    parameters,
    completed.map(({ hyperparameters: point, validationLoss }) => ({ point, loss: validationLoss })),
    spec.seed,
  );
  // Losses of trials that were stopped at different steps cannot be compared, their places can.
  const places = rankTrials(first).map((trial, place) => ({ point: trial.hyperparameters, loss: isSound(trial) ? place : null }));
  const diverged = first.filter(({ status }) => status === "diverged").map((trial) => trial.hyperparameters.learning_rate ?? NaN);
  const [luckiest] = (winner?.confirmed ?? [])
    .filter(({ firstLoss }) => firstLoss !== null)
    .sort((a, b) => (a.firstLoss ?? 0) - (b.firstLoss ?? 0));
  const made = first.reduce((sum, { steps }) => sum + steps, 0);
  const rate = (log2: number): number => Number((2 ** log2).toPrecision(4));
  return {
    median_loss: losses.length <= first.length / 2 ? null : losses[Math.floor(losses.length / 2)],
    winners_curse: luckiest?.meanLoss == null ? null : luckiest.meanLoss - (luckiest.firstLoss ?? 0),
    optimum: optimum === undefined ? null : { learning_rate: rate(optimum.value), low: rate(optimum.low), high: rate(optimum.high) },
    lowest_diverged_learning_rate: diverged.length === 0 ? null : lowest(diverged),
    importance: importances(parameters, places, spec.seed).map(({ name, value, low, high }) => ({
      hyperparameter: name,
      share: value,
      low,
      high,
    })),
    rungs: winner === undefined ? [] : [...rungReports(spec, trials, winner.trial.id)],
    steps: {
      made,
      spared: first.filter(({ status }) => status === "stopped").reduce((sum, { steps }) => sum + spec.train.steps - steps, 0),
    },
  };
}
