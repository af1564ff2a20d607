/**
 * `mutransfer transfer`: trains the target with a sweep's best hyperparameters,
 * copied unchanged, after a check if it is much wider, and writes transfer.json and weights.safetensors.
 */
import { dirname, join, resolve } from "node:path";
import { refuseChangedData } from "../data/manifest.ts";
import { cores } from "../engines/cores.ts";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import type { Prelaunch } from "../evidence/records.ts";
import { jsonText } from "../report/json.ts";
import { dataNotes, renderNotes, setupNotes } from "../report/notes.ts";
import { valueOf } from "../report/numbers.ts";
import { renderSetup } from "../report/setup.ts";
import { renderLaunch, renderPrelaunch, renderTarget, type LaunchView } from "../report/target.ts";
import { parameterCount } from "../model/config.ts";
import { reopenPlan } from "../spec/read.ts";
import { depthsOf, type Plan } from "../spec/plan.ts";
import { partingOf, passesOf } from "../sweep/generalization.ts";
import { parseResults, type Results } from "../sweep/results.ts";
import type { OpenFolder } from "../sweep/open-folder.ts";
import { makeRunFolder, runFiles } from "../sweep/run-folder.ts";
import { jobStem, removeLastCheckpoints } from "../sweep/checkpoints.ts";
import { takeLock } from "../sweep/lock.ts";
import { WorkerFailed, WorkerUnavailable, type Interval } from "../sweep/worker-pool.ts";
import { launchTable, planLaunch, transferRecord, weightsMetadata } from "../transfer/transfer.ts";
import { environmentOf } from "./environment.ts";
import { Engines, type EngineOptions } from "./engine.ts";
import { cacheFolder } from "./cache.ts";
import { fieldsOf, readResultsFile } from "./files.ts";
import { whileInPlace } from "./in-place.ts";
import { Interrupted, untilSignal } from "./interrupt.ts";
import { checkMemory } from "./memory.ts";
import { prelaunch, uncheckedRatio } from "./prelaunch.ts";
import type { Terminal } from "./terminal.ts";
import { trainJob, type JobContext } from "./train-job.ts";
import { checkWidth } from "./width.ts";

export interface TransferCommand extends Pick<EngineOptions, "engine"> {
  readonly best: string;
  readonly width?: number;
  readonly out?: string;
  readonly checkpoint: Interval;
  readonly force?: boolean;
  readonly skipCheck?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function transfer(options: TransferCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const say = (text: string): void => (options.quiet || text === "" ? undefined : terminal.err(`${text}\n`));
  say(terminal.errStyle.dim(`reading ${options.best}`));
  const results = parseResults(readResultsFile(options.best), options.best);
  const { best, spec } = results;
  if (best === null)
    throw new UserError(
      { code: "no_winner", message: `${options.best}: no trial of this sweep completed`, hint: "run a sweep with lower learning rates" },
      exitCodes.noSurvivor,
    );
  if (!options.force) refuseEdge(best);
  const runFolder = dirname(options.best);
  const plan = await planOf(results, runFolder);
  refuseChangedData(plan.dataset, results.environment.data_hash, options.best);
  const width = options.width ?? spec.width.target;
  checkWidth(spec, width, spec.width.proxy);

  const folder = makeRunFolder(options.out ?? runFolder);
  const path = join(folder.path, runFiles.transfer);
  const lock = takeLock(folder);
  const engines = new Engines(options, { say: (text) => say(terminal.errStyle.dim(text)), now: () => terminal.now() });
  try {
    refuseOther(folder, results, width);
    const launch = planLaunch(plan, results, best, width, cores());
    checkMemory(launch.job, "the target");
    const view: LaunchView = {
      proxyWidth: spec.width.proxy,
      width,
      layers: launch.job.model.layers,
      parameters: parameterCount(launch.job.model),
      hyperparameters: [best.hyperparameters, launch.hyperparameters],
      tensors: launchTable(plan, launch),
    };
    if (!options.json) terminal.out(`${renderLaunch(view, terminal.outStyle)}\n\n`);
    const work = { plan, trials: [launch], width, layers: depthsOf(plan.spec).target };
    const { setup, pool } = await untilSignal(() => whileInPlace(lock, () => engines.choose(work, folder)));
    engines.remember(work, folder, setup);
    say(renderSetup(setup, false, terminal.errStyle));
    say(renderNotes(setupNotes(spec, setup), terminal.errStyle));
    const environment = environmentOf(plan, setup, resolve(folder.path), version);
    const context: JobContext = {
      folder,
      lock,
      pool,
      arithmetic: `${environment.engine}, ${setup.device.kind}`,
      interval: options.checkpoint,
      terminal,
      quiet: options.quiet ?? false,
    };
    const needsCheck = !options.skipCheck && width > uncheckedRatio * spec.width.proxy;
    const checked = needsCheck ? await prelaunch(plan, results, best, width, context) : undefined;
    if (checked !== undefined) {
      say(renderPrelaunch(checked));
      refuseObjections(checked, options.force ?? false, say);
    }
    const stem = jobStem("target", width);
    const [outcome] = await trainJob(`target of width ${width}`, launch.job, stem, context, weightsMetadata(plan, launch));
    const prediction = checked?.prediction ?? null;
    const record = transferRecord(plan, results, best, launch, outcome, environment, prediction?.validation_loss ?? null);
    lock.check();
    folder.write(runFiles.transfer, [jsonText(record)], "results");
    removeLastCheckpoints(folder, stem);
    const { validationLoss: lossNats, steps } = outcome;
    if (options.json) terminal.out(jsonText(record));
    else terminal.out(`${renderTarget(view, { lossNats, steps, proxyNats: best.validation_loss, prediction, path }, terminal.outStyle)}\n`);
    const parting = partingOf([{ trainingLoss: outcome.curve.at(-1)?.trainingLoss ?? null, validationLoss: lossNats }]);
    say(renderNotes(dataNotes({ passes: passesOf(spec, plan.dataset.train.count), parting }, "the target"), terminal.errStyle));
    return outcome.status === "completed" ? exitCodes.ok : exitCodes.noSurvivor;
  } catch (error) {
    if (error instanceof Interrupted) {
      say("interrupted: the target was not finished; the same command goes on from its last checkpoint");
      return error.exitCode;
    }
    throw asTargetError(error);
  } finally {
    engines.close();
    lock.release();
    folder.close();
  }
}

/** What the pre-launch check has found stops the launch, unless that is what is wanted. */
function refuseObjections({ objections }: Prelaunch, force: boolean, say: (text: string) => void): void {
  if (objections.length === 0) return;
  if (force) return say(`launched all the same: ${objections.join("; ")}`);
  throw new UserError(
    {
      code: "prelaunch_failed",
      message: `not launched: ${objections.join("; ")}`,
      hint: "sweep again with wider proxies or another range; --force launches all the same",
    },
    exitCodes.noSurvivor,
  );
}

/** A learning rate at the edge of what was tried is no optimum. */
function refuseEdge({ edges, hyperparameters }: NonNullable<Results["best"]>): void {
  const edge = edges.find(({ hyperparameter }) => hyperparameter === "learning_rate");
  if (edge === undefined) return;
  const { side, bound, extend_to: extendTo } = edge;
  throw new UserError(
    {
      code: "optimum_at_edge",
      message: `the winner's learning rate ${valueOf(hyperparameters["learning_rate"])} lies at the ${side} edge of its range (${bound}): the optimum may be beyond it`,
      hint: `sweep again with ${side === "lower" ? "min" : "max"}: ${valueOf(extendTo)}, or give --force to launch all the same`,
    },
    exitCodes.noSurvivor,
  );
}

function asTargetError(error: unknown): unknown {
  if (error instanceof WorkerUnavailable) return new UserError({ code: "engine_unavailable", message: error.message }, exitCodes.engine);
  if (!(error instanceof WorkerFailed)) return error;
  if (error.systemCode !== undefined) return Object.assign(new Error(error.message), { code: error.systemCode });
  return new UserError(
    { code: "target_failed", message: error.message, hint: "the same command goes on from its last checkpoint" },
    exitCodes.noSurvivor,
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
      hint: "give another folder with --out, or move that file away",
    },
    exitCodes.disagreement,
  );
}

/** Opens the data where the sweep says it was, and says so when it is not there. */
async function planOf({ spec, environment }: Results, runFolder: string): Promise<Plan> {
  const directory = resolve(runFolder, environment.data_directory);
  try {
    return await reopenPlan(spec, directory, cacheFolder());
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = `results.json says that the data lies relative to ${directory}; if the run folder was moved, move it back or put the data there`;
    const lost = error.diagnostics.map((each) => (each.code === "no_files" ? { ...each, hint } : each));
    throw new UserError(lost, error.exitCode);
  }
}
