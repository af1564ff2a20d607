/**
 * `mutransfer transfer`: trains the target with a sweep's best hyperparameters,
 * copied unchanged, and writes transfer.json and weights.safetensors.
 */
import { availableParallelism } from "node:os";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { jsonText } from "../report/json.ts";
import { renderNotes, setupNotes } from "../report/notes.ts";
import { countOf, lossOf, valueOf } from "../report/numbers.ts";
import { SweepProgress } from "../report/progress.ts";
import { renderSetup } from "../report/setup.ts";
import { textTable } from "../report/ranking.ts";
import { renderTensors } from "../report/tensors.ts";
import { parameterCount } from "../model/config.ts";
import { reopenPlan } from "../spec/read.ts";
import type { Plan } from "../spec/plan.ts";
import { parseResults, type Results } from "../sweep/results.ts";
import { makeRunDirectory, writeAtomically } from "../sweep/run-dir.ts";
import { WorkerFailed, WorkerUnavailable, type WorkerPool } from "../sweep/worker-pool.ts";
import type { Outcome } from "../training/outcome.ts";
import { launchTable, planLaunch, transferRecord, weightsMetadata, type Launch } from "../transfer/transfer.ts";
import { environmentOf } from "./environment.ts";
import { Engines, type EngineOptions } from "./engine.ts";
import { cacheFolder, fieldsOf, readNamedFile } from "./files.ts";
import { Interrupted, untilSignal } from "./interrupt.ts";
import { checkMemory } from "./memory.ts";
import type { Terminal } from "./terminal.ts";
import { checkWidth } from "./width.ts";

export interface TransferCommand extends Pick<EngineOptions, "engine"> {
  readonly best: string;
  readonly width?: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function transfer(options: TransferCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const say = (text: string): void => (options.quiet || text === "" ? undefined : terminal.err(`${text}\n`));
  say(terminal.errStyle.dim(`reading ${options.best}`));
  const results = parseResults(readNamedFile(options.best, "the results.json of a sweep"), options.best);
  const { best, spec } = results;
  if (best === null)
    throw new UserError(
      { code: "no_winner", message: `${options.best}: no trial of this sweep completed`, hint: "run a sweep with lower learning rates" },
      exitCodes.noSurvivor,
    );
  const runFolder = dirname(options.best);
  const plan = await planOf(results, runFolder);
  if (plan.dataset.hash !== results.environment.data_hash) {
    throw new UserError(
      { code: "data_changed", message: "the data is not the data this sweep was trained on", hint: "restore it, or run the sweep again" },
      exitCodes.disagreement,
    );
  }
  const width = options.width ?? spec.width.target;
  checkWidth(spec, width, spec.width.proxy);

  const folder = options.out ?? runFolder;
  makeRunDirectory(folder);
  const path = join(folder, "transfer.json");
  refuseOther(path, results, width);
  const launch = planLaunch(plan, results, best, width, availableParallelism());
  checkMemory(launch.job, "the target");
  if (!options.json) terminal.out(`${renderLaunch(plan, best, launch, terminal)}\n\n`);
  const engines = new Engines(options, { say: (text) => say(terminal.errStyle.dim(text)), now: () => terminal.now() });
  try {
    const work = { plan, trials: [launch], width };
    const { setup, pool } = await untilSignal(() => engines.choose(work, folder));
    engines.remember(work, folder, setup);
    say(renderSetup(setup, false, terminal.errStyle));
    say(renderNotes(setupNotes(spec, setup), terminal.errStyle));
    const outcome = await train(pool, plan, launch, join(folder, "weights.safetensors"), options, terminal);
    const record = transferRecord(plan, results, best, launch, outcome, environmentOf(plan, setup, resolve(folder), version));
    writeAtomically(path, [jsonText(record)]);
    if (options.json) terminal.out(jsonText(record));
    else terminal.out(`${renderOutcome(best.validation_loss, spec.width.proxy, launch, outcome, path, terminal)}\n`);
    return outcome.status === "completed" ? exitCodes.ok : exitCodes.noSurvivor;
  } catch (error) {
    if (error instanceof WorkerUnavailable) throw new UserError({ code: "engine_unavailable", message: error.message }, exitCodes.engine);
    if (error instanceof WorkerFailed && error.systemCode !== undefined)
      throw Object.assign(new Error(error.message), { code: error.systemCode });
    if (error instanceof WorkerFailed)
      throw new UserError(
        { code: "target_failed", message: error.message, hint: "the same command starts it again" },
        exitCodes.noSurvivor,
      );
    if (!(error instanceof Interrupted)) throw error;
    say("interrupted: the target was not finished; the same command starts it again");
    return error.exitCode;
  } finally {
    engines.close();
  }
}

/** A finished target of another sweep or width is not overwritten. */
function refuseOther(path: string, results: Results, width: number): void {
  if (!existsSync(path)) return;
  const { results_digest: digest, width: otherWidth } = fieldsOf(path);
  if (digest === results.digest && otherWidth === width) return;
  const holds =
    digest === results.digest && typeof otherWidth === "number"
      ? `holds the target of width ${otherWidth}`
      : typeof digest === "string"
        ? "holds the target of another sweep"
        : "is not a transfer.json";
  throw new UserError(
    { code: "other_transfer", message: `${path} ${holds}`, hint: "give another folder with --out, or move that file away" },
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
    throw new UserError(error.diagnostics.map((each) => ({ ...each, hint })));
  }
}

async function train(
  pool: WorkerPool,
  plan: Plan,
  launch: Launch,
  weightsPath: string,
  options: TransferCommand,
  terminal: Terminal,
): Promise<Outcome> {
  const progress = new SweepProgress(terminal.now());
  const { steps } = plan.spec.train;
  progress.apply(
    { event: "sweep_started", name: `target of width ${launch.width}`, trials: 1, resumed: 0, stacks: 1, jobs: 1, steps },
    terminal.errStyle,
  );
  if (!options.quiet) terminal.live(progress);
  try {
    const task = { kind: "train" as const, job: launch.job, weights: { path: weightsPath, metadata: weightsMetadata(plan, launch) } };
    const { outcomes } = await untilSignal(() =>
      pool.run(task, (each) => void progress.apply({ event: "stack_progress", stack: 0, trials: [0], ...each }, terminal.errStyle)),
    );
    return outcomes[0];
  } finally {
    terminal.rest();
  }
}

function renderLaunch(plan: Plan, best: NonNullable<Results["best"]>, launch: Launch, { outStyle }: Terminal): string {
  const rows = Object.entries(best.hyperparameters).map(([name, value]) => [name, valueOf(value), valueOf(launch.hyperparameters[name])]);
  return [
    textTable(
      ["hyperparameter", `proxy, width ${plan.spec.width.proxy}`, `target, width ${launch.width}`],
      rows,
      [false, true, true],
      outStyle,
    ),
    "",
    renderTensors(launchTable(plan, launch), plan.spec.model.layers, outStyle),
  ].join("\n");
}

function renderOutcome(
  proxyLoss: number,
  proxyWidth: number,
  launch: Launch,
  outcome: Outcome,
  path: string,
  { outStyle }: Terminal,
): string {
  if (outcome.validationLoss === null)
    return outStyle.red(`the target of width ${launch.width} diverged at step ${outcome.steps}; its curve is in ${path}`);
  const gain = proxyLoss - outcome.validationLoss;
  const compared =
    launch.width === proxyWidth
      ? ""
      : `, ${lossOf(Math.abs(gain))} ${gain >= 0 ? "below" : outStyle.red("above")} the proxy's ${lossOf(proxyLoss)}`;
  return `${outStyle.bold(`target: width ${launch.width}`)}, ${countOf(parameterCount(launch.job.model))} parameters, validation loss ${outStyle.bold(lossOf(outcome.validationLoss))} nats${compared}\nwrote ${path} and weights.safetensors`;
}
