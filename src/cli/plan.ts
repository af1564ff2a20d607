/**
 * `mutransfer plan` and `sweep --dry-run`: what a sweep and its target will cost.
 * A few steps are timed; nothing is trained or written.
 */
import { availableParallelism } from "node:os";
import { EngineUnavailable, type EngineName } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { flopsPerStep, parameterCount } from "../model/config.ts";
import { dumpProgram } from "../program/dump.ts";
import { memoryBytes } from "../program/program.ts";
import { jsonText } from "../report/json.ts";
import { renderPlan, type Forecast, type PlanSummary } from "../report/plan.ts";
import type { Plan } from "../spec/plan.ts";
import { packTrials, planTrials, stackJob } from "../sweep/trials.ts";
import { measureStep } from "../training/probe.ts";
import { programOf, type StackJob } from "../training/train.ts";
import { chooseEngine } from "./engine.ts";
import { engineHost, openPlan } from "./files.ts";
import { checkMemory, memoryProblem } from "./memory.ts";
import type { Terminal } from "./terminal.ts";

/** A process that has loaded the engine and trains nothing yet; measured on Linux x64. */
const workerBytes = 100 * 2 ** 20;
/** Steps expected to take longer are not timed but scaled from the proxy's by FLOPs. */
const probeSeconds = 3;
/** A forward pass as a share of a training step. */
const forwardShare = 1 / 3;

export interface PlanCommand {
  readonly json?: boolean;
  readonly program?: boolean;
  readonly jobs?: number;
  readonly stack?: number;
  readonly engine?: EngineName;
}

export async function plan(file: string, options: PlanCommand, terminal: Terminal): Promise<ExitCode> {
  return printPlan(await openPlan(file), options, terminal);
}

export async function printPlan(opened: Plan, options: PlanCommand, terminal: Terminal): Promise<ExitCode> {
  const trials = planTrials(opened);
  const name = await chooseEngine(options.engine, (text) => terminal.err(`${text}\n`));
  const stackSize = options.stack ?? engines[name].fastestStack;
  const stacks = packTrials(trials, stackSize);
  const proxyJob = stackJob(opened, stacks[0] ?? [], opened.spec.width.proxy, 1);
  if (options.program) {
    terminal.out(`${dumpProgram(programOf(proxyJob))}\n`);
    return exitCodes.ok;
  }
  const summary = await summarize(
    opened,
    proxyJob,
    { trials: trials.length, stacks: stacks.length, stackSize },
    { ...options, engine: name },
    terminal,
  );
  terminal.out(options.json ? jsonText(summary) : `${renderPlan(summary, terminal.outStyle)}\n`);
  return exitCodes.ok;
}

async function summarize(
  opened: Plan,
  proxyJob: StackJob,
  counts: Pick<PlanSummary, "trials" | "stacks" | "stackSize">,
  options: PlanCommand & { readonly engine: EngineName },
  terminal: Terminal,
): Promise<PlanSummary> {
  const { spec } = opened;
  const { width, train } = spec;
  const { engine: name } = options;
  const cores = availableParallelism();
  const jobs = Math.min(options.jobs ?? cores, counts.stacks);
  const engine = await engines[name].open(engineHost()).catch((error: unknown) => {
    throw error instanceof EngineUnavailable
      ? new UserError({ code: "engine_unavailable", message: error.message }, exitCodes.engine)
      : error;
  });
  const forecast = async (job: StackJob, models: number, secondsPerStep: () => Promise<number>, parallel: number): Promise<Forecast> => {
    const evaluations = (Math.ceil(train.steps / train.evaluate.every) + 1) * train.evaluate.batches;
    const stepsWorth = train.steps + evaluations * forwardShare;
    return {
      width: job.model.width,
      models,
      parameters: parameterCount(job.model),
      flops: models * train.steps * flopsPerStep(job.model, train.batch),
      memoryBytes: workerBytes + memoryBytes(programOf(job)),
      seconds: Math.ceil(models / job.lanes.length / parallel) * stepsWorth * (await secondsPerStep()),
    };
  };
  const now = (): number => terminal.now();
  checkMemory(proxyJob, "a proxy");
  const proxyStep = await measureStep(engine, proxyJob, now);
  const targetJob = stackJob(
    opened,
    [{ seed: spec.seed, hyperparameters: planTrials(opened)[0]?.hyperparameters ?? {} }],
    width.target,
    cores,
  );
  const unfit = memoryProblem(targetJob, "the target");
  if (unfit) terminal.err(`note: ${unfit.message}: its time is scaled from the proxy's\n`);
  const scaledStep =
    (proxyStep * flopsPerStep(targetJob.model, train.batch)) / (flopsPerStep(proxyJob.model, train.batch) * proxyJob.lanes.length);
  return {
    name: spec.name,
    method: spec.search.method,
    ...counts,
    jobs,
    steps: train.steps,
    tokensPerStep: train.batch * spec.model.context,
    engine: `${engines[name].version()}, ${engines[name].device}`,
    proxies: await forecast(proxyJob, counts.trials, () => Promise.resolve(proxyStep), jobs),
    target: await forecast(
      targetJob,
      1,
      () => (unfit || scaledStep > probeSeconds ? Promise.resolve(scaledStep) : measureStep(engine, targetJob, now)),
      1,
    ),
  };
}
