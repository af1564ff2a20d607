/**
 * THE training loop, for stacks of proxies and for the target alike: compile, run
 * K steps a call, evaluate, notice divergence. Reports progress; writes nothing.
 */
import { readBatches, trainingStarts, validationStarts, type BatchShape, type TokenBatches } from "../data/batches.ts";
import { openTokens, type TokenFile } from "../data/token-file.ts";
import type { Executable, State } from "../engines/engine.ts";
import type { ModelConfig } from "../model/config.ts";
import { trainingStep } from "../model/transformer.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import type { Program } from "../program/program.ts";
import { scheduleFactor, type Schedule } from "../program/schedule.ts";
import { initialState, type Lane } from "./initialize.ts";

export interface TrainConfig {
  readonly steps: number;
  readonly batch: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly schedule: Schedule;
  readonly evaluateEvery: number;
  readonly evaluationBatches: number;
}

/** Everything that decides a stack's outcome; plain data, so that it can be sent to another process. */
export interface StackJob {
  readonly model: ModelConfig;
  readonly scaling: Scaling;
  readonly train: TrainConfig;
  readonly lanes: readonly Lane[];
  /** Decides the batches. */
  readonly dataSeed: number;
  readonly data: { readonly train: TokenFile; readonly validation: TokenFile };
  readonly threads: number;
}

/** One evaluation of one trial; losses in nats per token, null when diverged. */
export interface CurvePoint {
  readonly step: number;
  readonly validationLoss: number | null;
  /** Mean training loss since the previous evaluation; null at step 0. */
  readonly trainingLoss: number | null;
}

export interface Outcome {
  readonly status: "completed" | "diverged";
  /** Loss of the last evaluation, in nats per token; null when diverged. */
  readonly validationLoss: number | null;
  readonly curve: readonly CurvePoint[];
  /** Steps made: fewer than planned when every trial of the stack diverged. */
  readonly steps: number;
}

export interface Progress {
  readonly step: number;
  /** Latest validation loss per lane, in nats. */
  readonly validationLosses: readonly (number | null)[];
}

export interface Observer {
  onProgress(progress: Progress): void;
  /** Seconds on a monotonic clock, to keep calls short enough for a live display. */
  now(): number;
}

/** Length of one call to the engine that the loop aims at: short enough for a live display, long enough to cost nothing. */
const callSeconds = 0.4;

/** A loss beyond this is blown up although it is still a number: a sane model's first loss is at most a few hundred nats. */
const blownUpNats = 1e4;

/** The loss, or null when it is not finite or blown up. */
const sound = (lossNats: number): number | null => (Math.abs(lossNats) < blownUpNats ? lossNats : null);

/** The step a job trains with. */
export function programOf({ model, train, lanes }: Pick<StackJob, "model" | "train" | "lanes">): Program {
  return trainingStep(model, {
    trials: lanes.length,
    batch: train.batch,
    beta1: train.beta1,
    beta2: train.beta2,
    weightDecay: lanes.some(({ hps }) => hps.weight_decay > 0),
  });
}

/** Makes a program executable; the caller decides how long to keep it. */
export type Compile = (program: Program, threads: number) => Promise<Executable>;

/** Trains one stack to its end and returns each lane's outcome, in lane order, with the final state. */
export async function trainStack(
  compile: Compile,
  job: StackJob,
  observer: Observer,
): Promise<{ outcomes: readonly Outcome[]; state: State }> {
  const { train, lanes } = job;
  const program = programOf(job);
  const executable = await compile(program, job.threads);
  const data = openData(job);
  try {
    executable.load(initialState(job.model, job.scaling, lanes, program.scalars));
    const records = lanes.map(() => ({ curve: [] as CurvePoint[], lossSum: 0, lossCount: 0, diverged: false }));
    let step = 0;
    let chunk = 1;
    const evaluate = async (): Promise<void> => {
      const losses = await meanLosses(executable, data.validation, lanes.length);
      records.forEach((record, lane) => {
        const validationLoss = sound(losses[lane]);
        record.diverged ||= validationLoss === null;
        record.curve.push({ step, validationLoss, trainingLoss: step === 0 ? null : sound(record.lossSum / record.lossCount) });
        record.lossSum = record.lossCount = 0;
      });
    };
    const report = (): void =>
      observer.onProgress({ step, validationLosses: records.map(({ curve }) => curve.at(-1)?.validationLoss ?? null) });

    await evaluate();
    while (step < train.steps && !records.every(({ diverged }) => diverged)) {
      const nextEvaluation = Math.min(train.steps, (Math.floor(step / train.evaluateEvery) + 1) * train.evaluateEvery);
      const count = Math.min(chunk, nextEvaluation - step);
      const started = observer.now();
      const factors = Float32Array.from({ length: count }, (_, index) => scheduleFactor(train.schedule, step + index + 1, train.steps));
      const losses = await executable.train({ ...data.training(step, count), factors });
      const perStep = (observer.now() - started) / count;
      chunk = Math.max(1, Math.min(4 * chunk, Math.floor(callSeconds / perStep)));
      step += count;
      losses.forEach((loss, index) => {
        const record = records[index % lanes.length];
        record.lossSum += loss;
        record.lossCount++;
        record.diverged ||= sound(loss) === null;
      });
      if (step === nextEvaluation || records.every(({ diverged }) => diverged)) await evaluate();
      report();
    }
    return { outcomes: records.map(({ curve, diverged }) => outcomeOf(curve, diverged, step)), state: executable.read() };
  } finally {
    data.close();
  }
}

function outcomeOf(curve: readonly CurvePoint[], diverged: boolean, steps: number): Outcome {
  const last = curve.at(-1)?.validationLoss ?? null;
  return diverged || last === null
    ? { status: "diverged", validationLoss: null, curve, steps }
    : { status: "completed", validationLoss: last, curve, steps };
}

interface OpenData {
  readonly validation: TokenBatches;
  training(done: number, count: number): TokenBatches;
  close(): void;
}

function openData({ data, dataSeed, train, model }: StackJob): OpenData {
  const shape: BatchShape = { batch: train.batch, context: model.context };
  const reader = openTokens(data.train);
  const held = openTokens(data.validation);
  const validation = readBatches(held, validationStarts(train.evaluationBatches, data.validation.count, shape), shape);
  held.close();
  return {
    validation,
    training: (done, count) => {
      const starts = Array.from({ length: count }, (_, index) =>
        trainingStarts(dataSeed, done + index + 1, data.train.count, shape),
      ).flat();
      return readBatches(reader, starts, shape);
    },
    close: () => reader.close(),
  };
}

/** Mean loss per lane over all evaluation batches. */
async function meanLosses(executable: Executable, batches: TokenBatches, lanes: number): Promise<Float64Array> {
  const losses = await executable.evaluate(batches);
  const sums = new Float64Array(lanes);
  losses.forEach((loss, index) => (sums[index % lanes] = sums[index % lanes] + loss / batches.count));
  return sums;
}
