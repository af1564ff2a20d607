/**
 * A coordinate check: trains small models of several widths (or depths) for a few steps and
 * says whether activations and their updates keep their size, as the parametrization promises.
 * Here are its models and where they are trained; what the numbers say is evidence's business.
 */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { coordCheck, type CheckPlan } from "../evidence/coord-check.ts";
import type { CoordCheck } from "../evidence/records.ts";
import type { Engines, EngineOptions } from "../placement/engines.ts";
import { writeRecord } from "../run/outputs.ts";
import { makeRunFolder, runFiles, runPath } from "../run/run-folder.ts";
import type { Plan } from "../spec/plan.ts";
import { memoryProblem, planCheck, type CheckOptions } from "./check-plan.ts";
import { holding, withEngines, type Setting } from "./setting.ts";
import { stoppable } from "./stopping.ts";

export type { Verdict } from "../evidence/records.ts";

/** The same, and where it is trained and kept. */
export interface CoordCheckOptions extends CheckOptions, Pick<EngineOptions, "engine"> {
  /** The run folder; runs/<name> unless given. */
  readonly out?: string;
}

/** Checks a plan's coordinates, and writes coord-check.json; throws Stopped, or a UserError. */
export async function checkCoordinates(
  plan: Plan,
  options: CoordCheckOptions,
  setting: Setting,
): Promise<{ readonly record: CoordCheck; readonly path: string }> {
  const { checkPlan, notes } = planCheck(plan, options);
  const tooLarge = memoryProblem(checkPlan);
  if (tooLarge !== undefined) throw new UserError(tooLarge);
  for (const note of notes) setting.emit({ event: "note", note });
  return withEngines(options, setting, async (engines) => {
    const record = await stoppable(setting, () => readAndJudge(checkPlan, engines, setting, "coord-check"));
    const path = await holding(makeRunFolder(runPath(plan.spec.name, options.out)), (folder) => {
      writeRecord(folder, "coordCheck", record);
      return join(folder.path, runFiles.coordCheck);
    });
    return { record, path };
  });
}

/**
 * The check with its default sizes, seeds and steps, of a plan that is about to be launched, on engines that are the caller's;
 * inconclusive where it does not fit. Its reasons name no options, since a launch has none for the check.
 * `heed` is called before each size, and throws when there shall be no more.
 */
export async function checkPlanCoordinates(
  plan: Plan,
  engines: Engines,
  setting: Setting,
  heed: () => void,
): Promise<Pick<CoordCheck, "verdict" | "reason">> {
  const { checkPlan } = planCheck(plan, { axis: "width", seeds: 5, steps: 10 });
  const tooLarge = memoryProblem(checkPlan);
  if (tooLarge !== undefined) return { verdict: "INCONCLUSIVE", reason: tooLarge.message };
  return readAndJudge({ ...checkPlan, withoutAdvice: true }, engines, setting, "prelaunch", heed);
}

/** Trains the models of every size on the first engine that can, and judges what was read of them. */
async function readAndJudge(
  checkPlan: CheckPlan,
  engines: Engines,
  { emit }: Setting,
  within: "coord-check" | "prelaunch",
  heed: () => void = () => undefined,
): Promise<CoordCheck> {
  const { version, device, pool } = await engines.first("float32");
  if (within === "coord-check") emit({ event: "engine_chosen", version, device });
  return coordCheck(
    (subject, conditions, exercise) =>
      pool.run({ kind: "readings", subject, conditions, exercise }, (news) => "note" in news && emit({ event: "note", note: news.note })),
    checkPlan,
    {
      size: (size) => {
        heed();
        emit({ event: "size_started", axis: checkPlan.axis, size, within });
      },
      doubt: (note) => emit({ event: "note", note }),
    },
  );
}
