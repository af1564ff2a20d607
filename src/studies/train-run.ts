/**
 * Trains what a run still lacks, with the engine that it was begun with or the fastest here,
 * until its agenda has nothing due. Leaves results to others.
 */
import { resolve } from "node:path";
import { option, UserError } from "../errors.ts";
import type { Setup } from "../placement/arrangements.ts";
import type { Engines } from "../placement/engines.ts";
import { arithmeticOf, environmentOf } from "../placement/environment.ts";
import { checkMemory } from "../placement/memory.ts";
import type { Work } from "../placement/timing.ts";
import { cleanCheckpoints } from "../run/checkpoints.ts";
import { whileInPlace } from "../run/in-place.ts";
import { journalVersion } from "../run/records.ts";
import type { Run } from "../run/run.ts";
import type { TrialResult } from "../run/trial-result.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { trainingOf } from "../spec/training.ts";
import { openingTrials, type Agenda } from "../sweep/agenda.ts";
import { runSweep } from "../sweep/scheduler.ts";
import { TooManyFailures } from "../sweep/stack-runner.ts";
import { WorkerFailed, WorkerUnavailable } from "../workers/pool.ts";
import type { Interval } from "../workers/tasks.ts";
import type { Setting } from "./setting.ts";
import { Stopped } from "./stopping.ts";
import { whileTold } from "./told.ts";
import { systemErrorOf, whileTraining } from "./training.ts";

/** A run, and what it goes on with. */
export interface RunStudy {
  readonly run: Run;
  readonly plan: Plan;
  readonly engines: Engines;
  readonly checkpoint: Interval;
  readonly setting: Setting;
}

/** Trains whatever the agenda has due, and leaves no checkpoints; throws Stopped when it was stopped before. */
export async function trainRun(study: RunStudy, agenda: Agenda): Promise<void> {
  const { run, setting } = study;
  setting.emit({ event: "run_opened", notes: run.notes });
  cleanCheckpoints(run.folder, (trial) => (run.state.of(trial)?.status ?? "stopped") === "stopped");
  try {
    if (agenda.due(run.state, () => false).length > 0) await trainDue(study, agenda);
  } catch (error) {
    if (error instanceof Stopped) throw run.state.run === undefined ? new Stopped("nothing") : error;
    throw asUserError(error);
  }
  cleanCheckpoints(run.folder, () => false);
}

async function trainDue({ run, plan, engines, checkpoint, setting }: RunStudy, agenda: Agenda): Promise<void> {
  const { emit: say, stopping } = setting;
  const trials = openingTrials(plan.spec);
  const { proxy: size } = sizesOf(plan.spec);
  checkMemory(trainingOf(plan, trials.slice(0, 1), size, 1), "a proxy");
  const work: Work = { plan, trials, of: "proxies", size };
  const { run: begun } = run.state;
  if (begun !== undefined) engines.prefer(begun.engine);
  const { setup, pool } = await stopping.until(() => whileInPlace(run, () => engines.choose(work, run.folder)));
  const arithmetic = beginWith(run, plan, setup, setting);
  engines.remember(work, run.folder, setup);
  say({ event: "setup_chosen", plan, setup });
  const train = (told: Pick<Setting, "emit" | "stopping">): Promise<void> =>
    whileTraining(pool, told, (stop) =>
      whileInPlace(run, async () => {
        const isOver = await runSweep(plan, agenda, setup.arrangement, {
          ...{ folder: run.folder, state: run.state, pool, arithmetic, interval: checkpoint },
          emit: (event) => {
            if (event.event === "stack_halved")
              engines.remember(work, run.folder, { ...setup, arrangement: { ...setup.arrangement, stackSize: event.size } });
            told.emit(event);
          },
          acknowledge: (results: readonly TrialResult[]) => run.acknowledge(results),
          stopping: () => stop.asked,
        });
        if (!isOver && stop.asked) throw new Stopped("everything");
      }),
    );
  await whileTold({ folder: run.folder, check: () => run.check() }, setting, train);
}

/** Begins the run, or checks that it goes on with the arithmetic it was begun with; returns that. */
function beginWith(run: Run, plan: Plan, setup: Setup, { versions }: Setting): string {
  const environment = environmentOf(plan, setup, resolve(run.folder.path), versions);
  const arithmetic = arithmeticOf(environment, setup);
  const { run: begun } = run.state;
  if (begun === undefined) {
    const { name } = plan.spec;
    run.begin({ name, spec: plan.spec, spec_hash: plan.specHash, engine: setup.engine, arithmetic, environment }, journalVersion);
  } else if (begun.arithmetic !== arithmetic) {
    throw new UserError(
      {
        code: "run_of_another_engine",
        message: `${run.folder.path} holds a run on ${begun.arithmetic}, and this is ${arithmetic}: their results differ by rounding`,
        hint:
          begun.engine === setup.engine
            ? `go on with the version that it was begun with, or give another folder with ${option("out")}`
            : `go on with ${option("engine")} ${begun.engine}, or give another folder with ${option("out")}`,
      },
      "disagreement",
    );
  }
  return arithmetic;
}

function asUserError(error: unknown): unknown {
  if (error instanceof WorkerUnavailable)
    return new UserError({ code: "engine_unavailable", message: error.message, hint: `${option("engine")} names another one` }, "engine");
  if (error instanceof TooManyFailures)
    return new UserError(
      { code: "too_many_failures", message: `stopped: ${error.message}`, hint: "the reasons are above; the same command tries them again" },
      "noSurvivor",
    );
  return error instanceof WorkerFailed ? (systemErrorOf(error) ?? error) : error;
}
