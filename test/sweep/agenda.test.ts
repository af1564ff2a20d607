/** What a sweep trains next, played through without training: a loss is a function of the trial and its step. */
import { describe, expect, it, vi } from "vitest";
import { designers } from "../../src/search/designers.ts";
import { completeSpec, type CompleteSpec } from "../../src/spec/complete.ts";
import { specSchema } from "../../src/spec/schema.ts";
import { Agenda, isRaced, mostRaced, plannedWork, reached, rungReports } from "../../src/sweep/agenda.ts";
import { judge } from "../../src/sweep/select.ts";
import { RunState } from "../../src/run/state.ts";
import type { TrialResult } from "../../src/run/trial-result.ts";
import { runRecord } from "../support/run.ts";
import type { Trial } from "../../src/run/trial.ts";

const place = { offset: 0, bytes: 0 };
const specOf = (search: object, more: object = {}): CompleteSpec =>
  completeSpec(
    specSchema.parse({
      name: "x",
      data: { source: "moby-dick" },
      width: { proxy: 16, target: 32 },
      train: { steps: 90 },
      search: { parameters: { learning_rate: { distribution: "log_uniform", min: 1e-3, max: 1 } }, ...search },
      ...more,
    }),
  );
/** Worse the further from 0.03, and better with every step. */
const lossOf = ({ id, hyperparameters, seed }: Trial, step: number): number =>
  2 + Math.abs(Math.log10((hyperparameters.learning_rate ?? 1) / 0.03)) + 1 / step + 0.001 * seed + 1e-6 * id;

const resultOf = (trial: Trial, until: number, rungs: readonly number[], status?: TrialResult["status"]): TrialResult => ({
  id: trial.id,
  seed: trial.seed,
  hyperparameters: { ...trial.hyperparameters },
  status: status ?? (until < 90 ? "stopped" : "completed"),
  validation_loss: status === "diverged" || status === "failed" ? null : lossOf(trial, until),
  steps: status === "failed" ? 0 : until,
  curve:
    status === "failed"
      ? []
      : [...rungs, 90]
          .filter((step) => step < until || (step === until && status !== "diverged"))
          .map((step) => ({ step, training_loss: null, validation_loss: lossOf(trial, step) })),
});

interface Played {
  readonly state: RunState;
  readonly agenda: Agenda;
  /** What was trained, in order, `waves` at a time. */
  readonly waves: readonly (readonly string[])[];
}
/** Trains all that is due, the first `most` of it at a time, and asks again. */
function play(
  spec: CompleteSpec,
  most = Infinity,
  fate: (trial: Trial, until: number) => TrialResult["status"] | undefined = () => undefined,
  more: (trial: Trial) => number = () => 0,
): Played {
  const state = new RunState();
  state.apply({ ...runRecord, spec }, place);
  const agenda = new Agenda(spec);
  const waves: string[][] = [];
  const failed = new Set<string>();
  for (;;) {
    const due = agenda.due(state, ({ id, seed }) => failed.has(`${id}/${seed}`)).slice(0, most);
    if (due.length === 0) return { state, agenda, waves };
    waves.push(due.map(({ trial, until }) => `${trial.id}/${trial.seed}@${until}`));
    for (const { trial, until } of due) {
      const status = fate(trial, until);
      if (status === "failed") failed.add(`${trial.id}/${trial.seed}`);
      const result = resultOf(trial, until, spec.search.early_stopping?.rungs ?? [], status);
      const loss = result.validation_loss === null ? null : result.validation_loss + more(trial);
      state.apply({ record: "trial", trial: { ...result, validation_loss: loss } }, place);
    }
    if (waves.length > 1000) throw new Error("the agenda does not end");
  }
}
const stepsOf = ({ state }: Played): number => state.trials.reduce((sum, { steps }) => sum + steps, 0);

describe("without early stopping", () => {
  it("every trial is trained to its end, and then the best on fresh seeds", () => {
    const spec = specOf({ trials: 16 });
    const played = play(spec);
    expect(played.waves).toHaveLength(2);
    expect(played.waves[0]).toEqual(Array.from({ length: 16 }, (_, id) => `${id}/1@90`));
    const best = [...played.agenda.trials]
      .sort((a, b) => lossOf(a, 90) - lossOf(b, 90))
      .slice(0, 4)
      .map(({ id }) => id)
      .sort((a, b) => a - b);
    expect(played.waves[1]).toEqual(best.flatMap((id) => [2, 3, 4].map((seed) => `${id}/${seed}@90`)));
    expect(plannedWork(spec)).toEqual({ trainings: 28, trialSteps: stepsOf(played) });
  });
  it("`confirm: false` leaves it at that, and `top` and `seeds` are obeyed", () => {
    expect(play(specOf({ trials: 5, confirm: false })).waves).toHaveLength(1);
    expect(play(specOf({ trials: 5, confirm: { top: 2, seeds: 5 } })).waves[1]).toHaveLength(10);
    expect(specOf({ trials: 80 }).search.confirm).toEqual({ top: 10, seeds: 3, most_seeds: 6 });
    expect(specOf({ trials: 3 }).search.confirm).toEqual({ top: 3, seeds: 3, most_seeds: 6 });
  });
});

describe("racing", () => {
  const spec = specOf({ trials: 8, confirm: { top: 4, seeds: 3, most_seeds: 6 } });
  const ids = play(spec)
    .agenda.confirmations(play(spec).state)
    .map(({ id }) => id);
  const [first, second, third] = [...new Set(ids)];
  /** How much worse the second is than the first by seed: noise over three and over four, and no more over five. */
  const apart: readonly number[] = [0.01, -0.011, 0.01, 0.005, 0.012];
  /** Two trials that are as good as each other but for that, and others that are worse. */
  const alike = (trial: Trial): number => {
    const level = 3 - lossOf(trial, 90) + 0.1 * trial.seed;
    if (trial.seed === 1) return 0;
    if (trial.id === first) return level;
    if (trial.id === second) return level + (apart[trial.seed - 2] ?? 0);
    return level + (trial.id === third ? 1 : 2);
  };

  it("adds a seed at a time for those that cannot be told from the best, all the same one, until they can", () => {
    const { waves, state, agenda } = play(spec, Infinity, undefined, alike);
    // The seeds 2, 3 and 4 are everybody's; 5 does not tell the two apart, and 6 does.
    expect(waves.slice(2)).toEqual([
      [`${first}/5@90`, `${second}/5@90`],
      [`${first}/6@90`, `${second}/6@90`],
    ]);
    const { race, winner, confirmed } = judge(state.trials, spec);
    expect(race).toEqual({ raced: [first, second], seeds: 5, tied: [first] });
    expect(winner?.trial.id).toBe(first);
    expect(confirmed.map(({ seeds }) => seeds.length)).toEqual([5, 5, 3, 3]);
    expect(agenda.confirmations(state).filter(isRaced(spec))).toHaveLength(4);
    expect(plannedWork(spec).trainings).toBe(20);
    expect(reached(spec, state)).toEqual({ trainings: 24, raced: 4, undecided: 0, isDone: true });
  });
  it.each<[string, number, object]>([
    ["up to the most seeds", 8, { top: 4, seeds: 2 }],
    ["as many as are asked for", 12, { top: 3, seeds: 1, most_seeds: 5 }],
    ["none of one trial", 0, { top: 1, seeds: 2 }],
    ["none without further seeds", 0, { top: 4, seeds: 2, most_seeds: 2 }],
  ])("adds no more than is planned with, which is what it adds to trials that are all alike: %s", (_, most, confirm) => {
    const alikeSpec = specOf({ trials: 8, confirm });
    const raced = play(alikeSpec, Infinity, undefined, (trial) => 3 - lossOf(trial, 90)).state.trials.filter(isRaced(alikeSpec));
    const { rounds, perRound } = mostRaced(alikeSpec);
    expect([rounds * perRound, raced.length]).toEqual([most, most]);
  });
  it("has the same plan however many are trained at a time, and after any part of the journal", () => {
    const whole = play(spec, Infinity, undefined, alike);
    const order = (played: Played): readonly string[] => played.waves.flat().sort();
    for (const most of [1, 3]) expect(order(play(spec, most, undefined, alike))).toEqual(order(whole));
    const { trials } = whole.state;
    for (let kept = 0; kept <= trials.length; kept++) {
      const part = new RunState();
      part.apply({ ...runRecord, spec }, place);
      const known = new Map<string, number | null>();
      for (const { id, seed, validationLoss } of trials) known.set(`${id}/${seed}`, validationLoss);
      // As the journal has them: first runs, everybody's seeds, and then those that were added.
      const inOrder = whole.waves.flat().map((each) => each.replace("@90", ""));
      for (const key of inOrder.slice(0, kept)) {
        const [id, seed] = key.split("/").map(Number);
        const hyperparameters = whole.state.pointOf(id) ?? {};
        part.apply(
          { record: "trial", trial: { ...resultOf({ id, seed, hyperparameters }, 90, []), validation_loss: known.get(key) ?? null } },
          place,
        );
      }
      const due = new Agenda(spec).due(part, () => false).map(({ trial }) => `${trial.id}/${trial.seed}`);
      expect(due).toEqual(kept === inOrder.length ? [] : expect.arrayContaining([inOrder[kept]]));
    }
  });
  it("waits until all have ended that were asked for: who is left in the end may be another", () => {
    const last = ids.at(-1) ?? 0;
    const better = (trial: Trial): number => alike(trial) - (trial.id === last && trial.seed !== 1 ? 10 : 0);
    for (const most of [1, 7, Infinity]) expect(play(spec, most, undefined, better).waves.flat()).toHaveLength(20);
  });
  it("ends at the most seeds, and adds none where there are no more, or under rules 1", () => {
    const tied = (trial: Trial): number => alike(trial) - (trial.id === second && trial.seed === 6 ? 0.02 : 0);
    expect(play(spec, Infinity, undefined, tied).waves.slice(2).flat()).toHaveLength(6);
    const most = (confirm: object, rules: object = {}): readonly unknown[] =>
      play(specOf({ trials: 8, confirm }, rules), Infinity, undefined, tied).waves.slice(2);
    expect(most({ top: 4, seeds: 3, most_seeds: 3 })).toEqual([]);
    expect(most({ top: 4, seeds: 3 }, { rules: 1 })).toEqual([]);
    expect(most({ top: 4, seeds: 1, most_seeds: 1 })).toEqual([]);
  });
  it("goes on without those that diverge or learn nothing on a seed", () => {
    const { state, waves } = play(spec, Infinity, ({ id, seed }) => (id === first && seed === 5 ? "untrained" : undefined), alike);
    expect(judge(state.trials, spec).winner?.trial.id).toBe(second);
    expect(waves.slice(2).flat()).toEqual([`${first}/5@90`, `${second}/5@90`]);
  });
  it("confirms no trial that learned nothing, and shows a learning method what it lost", () => {
    const { agenda, state } = play(spec, Infinity, ({ id }) => (id === first ? "untrained" : undefined));
    expect(agenda.confirmations(state).map(({ id }) => id)).not.toContain(first);
  });
});

it("confirmations have the values that conditions gave their trials", () => {
  const parameters = {
    learning_rate: { distribution: "log_uniform", min: 1e-3, max: 1 },
    embedding_std: { values: [1, 2] },
    output_multiplier: { values: [4, 8], when: { embedding_std: [2] }, otherwise: 1 },
    init_std: { same_as: "output_multiplier" },
  };
  const { agenda, state } = play(specOf({ trials: 16, confirm: { top: 16, seeds: 1, most_seeds: 1 }, parameters }));
  const again = agenda.confirmations(state);
  expect(new Set(agenda.trials.map(({ hyperparameters: { output_multiplier: value } }) => value))).toEqual(new Set([1, 4, 8]));
  expect(again).toHaveLength(16);
  for (const { id, hyperparameters } of again) {
    expect(hyperparameters).toEqual(agenda.trials[id].hyperparameters);
    expect(hyperparameters.output_multiplier === 1).toBe(hyperparameters.embedding_std === 1);
    expect(hyperparameters.init_std).toBe(hyperparameters.output_multiplier);
  }
});

describe("early stopping", () => {
  const thirds = { reduction: 3, first: 10 };
  const halving = specOf({ trials: 18, early_stopping: thirds, confirm: false });
  const asha = specOf({ trials: 18, early_stopping: { ...thirds, method: "asha" }, confirm: false });

  it("has rungs that grow by the reduction", () => {
    const rungs = (early_stopping: object): readonly number[] | undefined =>
      specOf({ trials: 9, early_stopping }).search.early_stopping?.rungs;
    expect(rungs({})).toEqual([11, 22, 44]);
    expect(rungs(thirds)).toEqual([10, 30]);

    expect(rungs({ first: 5, reduction: 4 })).toEqual([5, 20]);
    expect(rungs({ first: 90 })).toEqual([]);
    expect(rungs({ first: 500 })).toEqual([]);
  });
  it("by halving trains all to the first rung, the best third to the next, and the best third of those to the end", () => {
    const played = play(halving);
    const best = [...played.agenda.trials].sort((a, b) => lossOf(a, 90) - lossOf(b, 90)).map(({ id }) => id);
    expect(played.waves.map((wave) => wave.length)).toEqual([18, 6, 2]);
    expect(new Set(played.waves[1])).toEqual(new Set(best.slice(0, 6).map((id) => `${id}/1@30`)));
    expect(new Set(played.waves[2])).toEqual(new Set(best.slice(0, 2).map((id) => `${id}/1@90`)));
    expect(plannedWork(halving)).toEqual({ trainings: 18, trialSteps: stepsOf(played) });
  });
  it("knows which of those at a rung are stopped for good", () => {
    const undecidedAfter = (spec: CompleteSpec, waves: number): number => {
      const state = new RunState();
      state.apply({ ...runRecord, spec }, place);
      const agenda = new Agenda(spec);
      for (let wave = 0; wave < waves; wave++)
        for (const { trial, until } of agenda.due(state, () => false).slice(0, 9))
          state.apply({ record: "trial", trial: resultOf(trial, until, spec.search.early_stopping?.rungs ?? []) }, place);
      return reached(spec, state).undecided;
    };
    // Nine and nine to the first rung, six from there, of which two go on, to the end.
    expect([1, 2, 3, 4].map((waves) => undecidedAfter(halving, waves))).toEqual([9, 6, 2, 0]);
    expect(undecidedAfter(asha, 1)).toBe(9);
    expect(undecidedAfter(asha, 100)).toBe(0);
  });
  it("by halving decides the same however many are trained at a time", () => {
    for (const most of [1, 4, 7]) expect(play(halving, most).state.trials.length).toBe(18);
    const ends = (most: number): unknown =>
      [...play(halving, most).state.trials].map(({ id, steps }) => [id, steps]).sort((a, b) => a[0] - b[0]);
    expect(ends(1)).toEqual(ends(Infinity));
  });
  it("by asha goes on as soon as some have reached a rung, the furthest first, and ends with at least one complete", () => {
    const { waves, state } = play(asha, 1);
    const order = waves.flat().map((each) => Number(each.split("@")[1]));
    expect(order.indexOf(30)).toBeLessThan(order.lastIndexOf(10));
    expect(state.trials.filter(({ status }) => status === "completed").length).toBeGreaterThan(0);
    expect(
      play(specOf({ trials: 2, early_stopping: { ...thirds, method: "asha" }, confirm: false }), 1)
        .state.trials.map(({ steps }) => steps)
        .sort(),
    ).toEqual([10, 90]);
  });
  it("takes those that diverge for the worst of their rung and goes on with as many", () => {
    const { waves, state } = play(halving, Infinity, ({ id }) => (id % 2 === 0 ? "diverged" : undefined));
    expect(waves.map((wave) => wave.length)).toEqual([18, 6, 2]);
    expect(state.trials.filter(({ status }) => status === "completed")).toHaveLength(2);
  });
  it("ends when every trial diverges, and when every trial fails", () => {
    expect(play(halving, Infinity, () => "diverged").waves).toHaveLength(1);
    expect(play(halving, Infinity, () => "failed").waves).toHaveLength(1);
  });
  it("tells where the winner stood at each rung", () => {
    const { state, agenda } = play(halving);
    const [winner] = [...agenda.trials].sort((a, b) => lossOf(a, 90) - lossOf(b, 90));
    expect(rungReports(halving, state.trials, winner.id)).toEqual([
      { steps: 10, trials: 18, kept: 6, place: 1 },
      { steps: 30, trials: 6, kept: 2, place: 1 },
    ]);
  });
});

describe("a method that learns", () => {
  const spec = specOf({ trials: 10, batch: 4, confirm: false });
  const learning: CompleteSpec = { ...spec, search: { ...spec.search, method: "tpe", batch: 4 } };

  it("is asked for a batch when the one before has ended", () => {
    expect(play(learning).waves.map((wave) => wave.length)).toEqual([4, 4, 2]);
    expect(plannedWork(learning)).toEqual({ trainings: 10, trialSteps: 900 });
  });
  it("suggests the same after any part of the journal, and keeps to what was tried", () => {
    const { agenda, state } = play(learning);
    const fresh = new Agenda(learning);
    expect(fresh.due(state, () => false)).toEqual([]);
    expect(fresh.trials).toEqual(agenda.trials);
    const part = new RunState();
    part.apply({ ...runRecord, spec: learning }, place);
    for (const trial of agenda.trials.slice(0, 6)) part.apply({ record: "trial", trial: resultOf(trial, 90, []) }, place);
    const continued = new Agenda(learning);
    expect(continued.due(part, () => false).map(({ trial }) => trial)).toEqual(agenda.trials.slice(6, 8));
    part.apply({ record: "again", trials: [1] }, place);
    expect(new Agenda(learning).due(part, () => false).map(({ trial }) => trial)).toEqual([agenda.trials[1]]);
  });
  it("is not asked again for what the journal holds whole", () => {
    const { agenda, state } = play(learning);
    const designer = designers.tpe.make({ space: learning.search.parameters, seed: learning.seed, trials: 10 });
    const suggest = vi.spyOn(designer, "suggest");
    vi.spyOn(designers.tpe, "make").mockReturnValueOnce(designer);
    const fresh = new Agenda(learning);
    expect(fresh.due(state, () => false)).toEqual([]);
    expect(fresh.trials).toEqual(agenda.trials);
    expect(suggest).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});
