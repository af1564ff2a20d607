/**
 * A transfer: trains the target with a sweep's best hyperparameters, copied unchanged, after
 * a check if it is much wider, and writes transfer.json and weights.safetensors. What the
 * target is and what is recorded of it is launch.ts's business, what its end comes to launch-end.ts's.
 */
import { dirname, join, resolve } from "node:path";
import { refuseChangedData } from "../data/manifest.ts";
import { cores } from "../engines/cores.ts";
import { option, UserError } from "../errors.ts";
import type { EngineOptions } from "../placement/engines.ts";
import { arithmeticOf, environmentOf } from "../placement/environment.ts";
import { checkMemory } from "../placement/memory.ts";
import { hasCheckpoints, removeLastCheckpoints, stemOf } from "../run/checkpoints.ts";
import { holdFolder } from "../run/hold.ts";
import { whileInPlace } from "../run/in-place.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { fieldsOf, writeRecord } from "../run/outputs.ts";
import { parseResults, type Results } from "../run/results.ts";
import { makeRunFolder, runFiles } from "../run/run-folder.ts";
import { sizesOf, type Plan } from "../spec/plan.ts";
import { reopenPlan } from "../spec/read.ts";
import { checkWidth } from "../spec/width.ts";
import { WorkerFailed, WorkerUnavailable } from "../workers/pool.ts";
import type { Interval } from "../workers/tasks.ts";
import { judgedEnd } from "./launch-end.ts";
import { launchTable, planLaunch, transferRecord, type Launch, type LaunchEnd, type TransferContent } from "./launch.ts";
import { heedEdges, heedObjections } from "./objections.ts";
import { prelaunch, uncheckedRatio } from "./prelaunch.ts";
import { holding, withEngines, type Setting } from "./setting.ts";
import { weightsMetadata } from "./weights-metadata.ts";
import { trainOne, type Bench } from "./train-one.ts";
import { Stopped } from "./stopping.ts";
import { systemErrorOf } from "./training.ts";

/** What is launched, where, and in spite of what. */
export interface TransferOptions extends Pick<EngineOptions, "engine"> {
  /** The target's, instead of the spec's. */
  readonly width?: number;
  /** The run folder; the one that the results lie in unless given. */
  readonly out?: string;
  readonly checkpoint: Interval;
  /** Launches although the evidence speaks against it. */
  readonly force?: boolean;
  /** Launches without the check that targets much wider than the proxy get. */
  readonly skipCheck?: boolean;
}

/** The longest results.json that is read. */
export { mostTextBytes as mostResultsBytes } from "../run/open-folder.ts";

/** A results.json that somebody has named. */
export interface ResultsFile {
  readonly text: string;
  readonly file: string;
}

/** What a transfer has come to. */
export interface FinishedTransfer extends LaunchEnd {
  readonly plan: Plan;
  readonly launch: Launch;
  /** The sweep's winner. */
  readonly best: NonNullable<Results["best"]>;
  /** The content of transfer.json. */
  readonly record: TransferContent;
  /** Where transfer.json is. */
  readonly path: string;
}

/** Trains the target of a sweep's results to its end; throws Stopped, or a UserError. */
export async function transfer({ text, file }: ResultsFile, options: TransferOptions, setting: Setting): Promise<FinishedTransfer> {
  const results = parseResults(text, file);
  const { best, spec } = results;
  if (best === null)
    throw new UserError(
      results.trials.some(({ status }) => status === "untrained")
        ? {
            code: "no_winner",
            message: `${file}: nothing was learned in this sweep`,
            hint: "sweep other learning rates, or give more steps",
          }
        : { code: "no_winner", message: `${file}: no trial of this sweep completed`, hint: "run a sweep with lower learning rates" },
      "noSurvivor",
    );
  const force = options.force ?? false;
  heedEdges(best, force, setting);
  const runFolder = dirname(file);
  const plan = await planOf(results, runFolder, setting.host.cache);
  refuseChangedData(plan.dataset, results.environment.data_hash, file);
  const width = options.width ?? spec.width.target;
  checkWidth(spec, width, spec.width.proxy);

  return holding(holdFolder(makeRunFolder(options.out ?? runFolder)), ({ folder, lock }) =>
    withEngines(options, setting, async (engines) => {
      try {
        refuseOther(folder, results, width);
        const launch = planLaunch(plan, results, best, { ...sizesOf(spec).target, width }, cores());
        checkMemory(launch.training, "the target");
        setting.emit({ event: "launch_planned", launch, best, tensors: launchTable(plan, launch), proxyWidth: spec.width.proxy });
        const work = { plan, trials: [launch], of: "target" as const, size: launch.size };
        const { setup, pool } = await setting.stopping.until(() => whileInPlace(lock, () => engines.choose(work, folder)));
        engines.remember(work, folder, setup);
        setting.emit({ event: "setup_chosen", plan, setup });
        const environment = environmentOf(plan, setup, resolve(folder.path), setting.versions);
        const arithmetic = arithmeticOf(environment, setup);
        const bench: Bench = { folder, lock, pool, arithmetic, checkpoint: options.checkpoint, setting };
        const needsCheck = !options.skipCheck && width > uncheckedRatio * spec.width.proxy;
        const checked = needsCheck ? await prelaunch({ plan, results, best, width, bench }) : undefined;
        if (checked !== undefined) {
          setting.emit({ event: "prelaunch_finished", prelaunch: checked });
          heedObjections(checked, force, setting);
        }
        const stem = stemOf("target", width);
        const [trained] = await trainOne(`target of width ${width}`, launch.training, stem, bench, weightsMetadata(plan, launch));
        const end = judgedEnd({ plan, results, best, launch }, trained, checked);
        const record = transferRecord(plan, results, best, launch, end, environment);
        lock.check();
        writeRecord(folder, "transfer", record);
        removeLastCheckpoints(folder, stem);
        const path = join(folder.path, runFiles.transfer);
        const { outcome, verdict } = end;
        setting.emit({
          event: "transfer_finished",
          verdict: verdict.word,
          reasons: verdict.reasons,
          validationLoss: outcome.validationLoss,
          proxyValidationLoss: best.validation_loss,
          path,
        });
        return { plan, launch, best, ...end, record, path };
      } catch (error) {
        const isUntouched = error instanceof Stopped && !folder.has(runFiles.prelaunch) && !hasCheckpoints(folder);
        throw isUntouched ? new Stopped("nothing") : asTargetError(error);
      }
    }),
  );
}

function asTargetError(error: unknown): unknown {
  if (error instanceof WorkerUnavailable) return new UserError({ code: "engine_unavailable", message: error.message }, "engine");
  if (!(error instanceof WorkerFailed)) return error;
  const refused = systemErrorOf(error);
  if (refused !== undefined) return refused;
  return new UserError(
    { code: "target_failed", message: error.message, hint: "the same command goes on from its last checkpoint" },
    "noSurvivor",
  );
}

/** A finished target of another sweep or width is not overwritten. */
function refuseOther(folder: OpenFolder, results: Results, width: number): void {
  if (!folder.has(runFiles.transfer)) return;
  const { results_digest: digest, width: otherWidth } = fieldsOf(folder, runFiles.transfer);
  if (digest === results.digest && otherWidth === width) return;
  const holds =
    digest === results.digest && typeof otherWidth === "number"
      ? `holds the target of width ${otherWidth}`
      : typeof digest === "string"
        ? "holds the target of another sweep"
        : "is not a transfer.json";
  throw new UserError(
    {
      code: "other_transfer",
      message: `${join(folder.path, runFiles.transfer)} ${holds}`,
      hint: `give another folder with ${option("out")}, or move that file away`,
    },
    "disagreement",
  );
}

/** Opens the data where the sweep says it was, and says so when it is not there. */
async function planOf({ spec, environment }: Results, runFolder: string, cache: string): Promise<Plan> {
  const directory = resolve(runFolder, environment.data_directory);
  try {
    return await reopenPlan(spec, directory, cache);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = `results.json says that the data lies relative to ${directory}; if the run folder was moved, move it back or put the data there`;
    const lost = error.diagnostics.map((each) => (each.code === "no_files" ? { ...each, hint } : each));
    throw new UserError(lost, error.kind);
  }
}
