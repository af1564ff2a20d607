/**
 * What a finished sweep comes to: the head of its results.json, made from a plan and how its
 * trials ended. Holds no clock times: the same sweep gives the same bytes. The file's format is
 * run/results.ts's business.
 */
import { flopsPerStep } from "../model/counts.ts";
import type { Hyperparameters, RateName } from "../parametrization/roles.ts";
import type { Environment } from "../run/environment.ts";
import { resultsVersion, transferredOf, type Results, type ResultsHead } from "../run/results.ts";
import type { TrialSummary } from "../run/state.ts";
import { isSound } from "../run/trial-result.ts";
import { bestLog2Rate, importances } from "../search/analysis.ts";
import { edgeGains, edgesOf, type Edge } from "../search/edges.ts";
import { ranked } from "../search/learner.ts";
import type { RateInterval } from "../search/optimum.ts";
import { rulesOf, type CompleteSpec } from "../spec/complete.ts";
import { modelConfig, sizesOf, type Plan } from "../spec/plan.ts";
import { rateSources, searchedRate } from "../spec/rates.ts";
import { lowestAllowed } from "../spec/references.ts";
import { assumedDeviationNats, lowest } from "../statistics.ts";
import { learningMarginNats } from "../training/yardstick.ts";
import { rungReports } from "./agenda.ts";
import type { Confirmed, Race } from "./confirmed.ts";
import { seedDeviation } from "./deviation.ts";
import { judge, rankTrials, type Verdict } from "./select.ts";

/** Training FLOPs of all proxies as far as they got, of the target, and their ratio. */
function costOf(plan: Plan, trials: readonly TrialSummary[]): Results["cost"] {
  const { train } = plan.spec;
  const { proxy, target } = sizesOf(plan.spec);
  const steps = trials.reduce((sum, trial) => sum + trial.steps, 0);
  const proxyFlops = steps * flopsPerStep(modelConfig(plan, proxy), train.batch);
  const targetFlops = train.steps * flopsPerStep(modelConfig(plan, target), train.batch);
  return { proxy_flops: proxyFlops, target_flops: targetFlops, ratio: proxyFlops / targetFlops };
}

/** What a finished sweep comes to; `frequencyNats` is what knowing the tokens' frequencies costs, null when that is not known. */
export function makeHead(
  plan: Plan,
  trials: readonly TrialSummary[],
  environment: Environment,
  frequencyNats: number | null = null,
): ResultsHead {
  const { spec } = plan;
  const verdict = judge(trials, spec);
  const { confirmed, race } = verdict;
  const analysis = analysisOf(spec, trials, verdict);
  return {
    version: resultsVersion,
    name: spec.name,
    spec,
    spec_hash: plan.specHash,
    best: bestOf(spec, verdict, trials, analysis.importance),
    confirmation: confirmed.map(({ id, firstLoss, meanLoss, seeds, validationLosses }) => ({
      trial: id,
      first_loss: firstLoss,
      mean_loss: meanLoss,
      losses: seeds.map((seed, index) => ({ seed, validation_loss: validationLosses[index] })),
    })),
    ...(rulesOf(spec) > 1 && { race: raceOf(race) }),
    analysis: {
      ...analysis,
      yardsticks: {
        uniform: Math.log(plan.dataset.vocabSize),
        frequencies: frequencyNats,
        margin: learningMarginNats(plan.dataset.vocabSize),
      },
    },
    cost: costOf(plan, trials),
    environment,
  };
}

const raceOf = (race: Race | undefined): Results["race"] =>
  race === undefined ? null : { trials: [...race.raced], seeds: race.seeds, tied: [...race.tied] };

/** The winner as results.json has it, null where there is none; without importances it is not known how much its edges' hyperparameters mattered. */
export function bestOf(
  spec: CompleteSpec,
  { winner, confirmed }: Verdict<TrialSummary>,
  trials: readonly TrialSummary[],
  importance: Results["analysis"]["importance"] = [],
): Results["best"] {
  if (winner === undefined) return null;
  const { trial, validationLoss, standardError } = winner;
  return {
    trial: trial.id,
    seed: trial.seed,
    hyperparameters: transferredOf(trial.hyperparameters),
    validation_loss: validationLoss,
    standard_error: standardError,
    edges: edgesOfWinner(spec, trial, confirmed, trials).map(({ name, side, bound, extendTo, matters }) => ({
      hyperparameter: name,
      side,
      bound,
      extend_to: extendTo,
      share: importance.find(({ hyperparameter }) => hyperparameter === name)?.share ?? null,
      matters,
    })),
  };
}

/**
 * The winner's edges, and which stand against it: those of learning rates, and any that the winner owes more to than one seed
 * changes in 19 of 20 cases. bench/replay/edges.ts has how often that is right.
 */
function edgesOfWinner(
  spec: CompleteSpec,
  trial: TrialSummary,
  confirmed: readonly Confirmed[],
  trials: readonly TrialSummary[],
): readonly (Edge & { readonly matters: boolean })[] {
  const {
    search: { parameters },
    seed,
  } = spec;
  const edges = edgesOf(parameters, trial.hyperparameters, lowestAllowed);
  const rates = rateSources(spec);
  const others = edges.filter(({ name }) => !rates.includes(name));
  if (others.length === 0) return edges.map((edge) => ({ ...edge, matters: true }));
  const first = trials
    .filter((each) => each.seed === seed && each.status !== "failed")
    .map(({ hyperparameters: point, validationLoss, steps }) => ({ point, validationLoss, steps }));
  const gains = edgeGains(parameters, ranked(first), trial.hyperparameters, others);
  const bound = 2 * (seedDeviation(confirmed) ?? assumedDeviationNats);
  return edges.map((edge) => ({ ...edge, matters: rates.includes(edge.name) || gains[others.indexOf(edge)] > bound }));
}

/** The best learning rate under the winner's conditions, from all trainings that say how far a rate gets: first runs and fresh seeds alike. */
function optimumOf(
  { search, seed }: CompleteSpec,
  trials: readonly TrialSummary[],
  winner: Hyperparameters,
  rate: RateName,
): RateInterval | undefined {
  const telling = trials.filter(({ status }) => status !== "stopped" && status !== "failed");
  const samples = telling.map(({ hyperparameters: point, validationLoss: loss }) => ({ point, loss }));
  return bestLog2Rate(search.parameters, samples, winner, seed, rate);
}

function analysisOf(
  spec: CompleteSpec,
  trials: readonly TrialSummary[],
  { winner, confirmed }: Verdict<TrialSummary>,
): Results["analysis"] {
  const { parameters } = spec.search;
  const first = trials.filter(({ seed, status }) => seed === spec.seed && status !== "failed");
  const completed = first.filter(({ status }) => status === "completed");
  const losses = completed.map(({ validationLoss }) => validationLoss as number).sort((a, b) => a - b);
  const name = searchedRate(spec) ?? "learning_rate";
  const optimum = winner === undefined ? undefined : optimumOf(spec, trials, winner.trial.hyperparameters, name);
  // Losses of trials that were stopped at different steps cannot be compared, their places can.
  const places = rankTrials(first).map((trial, place) => ({ point: trial.hyperparameters, loss: isSound(trial) ? place : null }));
  const diverged = first.filter(({ status }) => status === "diverged").map((trial) => trial.hyperparameters[name] ?? NaN);
  const [luckiest] = confirmed.filter(({ firstLoss }) => firstLoss !== null).sort((a, b) => (a.firstLoss ?? 0) - (b.firstLoss ?? 0));
  const made = first.reduce((sum, { steps }) => sum + steps, 0);
  const rate = (log2: number): number => Number((2 ** log2).toPrecision(4));
  return {
    median_loss: losses.length <= first.length / 2 ? null : losses[Math.floor(losses.length / 2)],
    winners_curse: luckiest?.meanLoss == null ? null : luckiest.meanLoss - (luckiest.firstLoss ?? 0),
    ...(name === "muon_learning_rate" && { rate: name }),
    optimum:
      optimum === undefined
        ? null
        : {
            learning_rate: rate(optimum.value),
            low: rate(optimum.low),
            high: rate(optimum.high),
            open: optimum.open,
          },
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
