/**
 * THE training loop, for stacks of proxies and for the target alike: compile, run
 * K steps a call, evaluate, notice divergence. Reports progress; writes nothing.
 */
import { readBatches, readWindows, trainingStarts, validationStarts, type BatchShape, type TokenBatches } from "../data/batches.ts";
import { openTokens, type TokenRun } from "../data/token-run.ts";
import type { CompileOptions, Executable, Precision, State } from "../engines/engine.ts";
import { failpoint } from "../failpoints.ts";
import type { ModelConfig } from "../model/config.ts";
import { trainingStep, type OptimizerConfig } from "../model/step.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import type { Program } from "../program/program.ts";
import { scheduleFactor, type Schedule } from "../program/schedule.ts";
import { initialState, type Lane } from "./initialize.ts";
import { LaneRecord, type CurvePoint, type LaneSnapshot, type Outcome } from "./outcome.ts";

/** How every lane of a stack is trained, but for its hyperparameters. */
export interface TrainConfig extends OptimizerConfig {
  readonly steps: number;
  readonly batch: number;
  readonly schedule: Schedule;
  readonly precision: Precision;
  readonly evaluateEvery: number;
  /** Further steps after which validation loss is measured, in ascending order. */
  readonly evaluateAt: readonly number[];
  readonly evaluationBatches: number;
}

/** Everything that decides a stack's outcome; plain data, so that it can be sent to another process. */
export interface Training {
  readonly model: ModelConfig;
  readonly scaling: Scaling;
  readonly train: TrainConfig;
  readonly lanes: readonly Lane[];
  /** Decides the batches. */
  readonly dataSeed: number;
  readonly data: { readonly train: TokenRun; readonly validation: TokenRun };
  readonly threads: number;
}

/** How far a stack has come. */
export interface StackProgress {
  readonly step: number;
  /** Latest validation loss per lane, in nats. */
  readonly validationLosses: readonly (number | null)[];
  /** What has been evaluated and was not reported yet: at first everything, also what lies before a checkpoint. */
  readonly evaluations: readonly LaneEvaluation[];
}

/** What one lane lost after a step, in nats per token; null when diverged. */
export interface LaneEvaluation extends Pick<CurvePoint, "step" | "validationLoss"> {
  readonly lane: number;
}

/** Who is told of a stack's progress, and has a clock. */
export interface Observer {
  onProgress(progress: StackProgress): void;
  /** Seconds on a monotonic clock, to keep calls short enough for a live display. */
  now(): number;
}

/** Length of one call to the engine that the loop aims at: short enough for a live display, long enough to cost nothing. */
const callSeconds = 0.4;

/** The step a training trains with. */
export function programOf({ model, train, lanes }: Pick<Training, "model" | "train" | "lanes">): Program {
  return trainingStep(model, {
    ...train,
    trials: lanes.length,
    weightDecay: lanes.some(({ hyperparameters }) => hyperparameters.weight_decay > 0),
  });
}

/** Makes a program executable; the caller decides how long to keep it. */
export type Compile = (program: Program, options: CompileOptions) => Promise<Executable>;

/** A stack in the middle of its training. */
export interface Checkpoint {
  readonly state: State;
  /** In lane order. */
  readonly lanes: readonly LaneSnapshot[];
}

/** When and how a stack in training is kept, so that another process can go on with it. */
export interface Keeping {
  /** Where to begin, instead of at the first step. */
  readonly from?: Checkpoint | undefined;
  /** A step after which it is time to save whatever the clock says; Infinity for none. */
  nextStep(step: number): number;
  /** Asked after each call. */
  afterCall(step: number): "go on" | "save" | "save and stop";
  save(checkpoint: Checkpoint): void;
  /** Keeps each lane for itself, when training ends before its last step. */
  part(checkpoint: Checkpoint): void;
}

/** What training a stack has come to. */
export interface Trained {
  /** In lane order; undefined when it was stopped before its end. */
  readonly outcomes: readonly Outcome[] | undefined;
  readonly state: State;
  /** Time spent inside the engine; the rest of a worker's time is this program's own cost. */
  readonly engineSeconds: number;
}

/** Trains one stack to its end, to step `until`, or until it is told to stop. */
export async function trainStack(
  compile: Compile,
  training: Training,
  observer: Observer,
  keeping?: Keeping,
  until = training.train.steps,
): Promise<Trained> {
  const { train, lanes } = training;
  const program = programOf(training);
  const executable = await compile(program, { threads: training.threads, precision: train.precision });
  const data = openData(training);
  try {
    const from = keeping?.from;
    executable.load(from?.state ?? initialState(training.model, training.scaling, lanes, program));
    const records = lanes.map((_, lane) => new LaneRecord(from?.lanes[lane]));
    let engineSeconds = 0;
    const timed = async <T>(work: () => Promise<T>): Promise<T> => {
      const started = observer.now();
      const result = await work();
      engineSeconds += observer.now() - started;
      return result;
    };
    const evaluate = async (step: number): Promise<void> => {
      const losses = await timed(() => meanLosses(executable, data.validation, lanes.length));
      records.forEach((record, lane) => record.evaluated(step, losses[lane]));
    };
    const report = (): void => {
      const evaluations = records.flatMap((record, lane) =>
        record.unreported().map(({ step: at, validationLoss }) => ({ lane, step: at, validationLoss })),
      );
      observer.onProgress({ step, validationLosses: records.map(({ latest }) => latest), evaluations });
    };
    let step = from?.state.step ?? 0;
    let chunk = 1;
    if (from === undefined) await evaluate(step);
    report(); // the first call may take long
    while (step < until && !records.every(({ diverged }) => diverged)) {
      const nextEvaluation = Math.min(until, nextEvaluationOf(train, step));
      const left = Math.min(nextEvaluation, keeping?.nextStep(step) ?? Infinity) - step;
      const count = Math.ceil(left / Math.ceil(left / chunk)); // calls of about equal length
      const factors = Float32Array.from({ length: count }, (_, index) => scheduleFactor(train.schedule, step + index + 1, train.steps));
      const batches = data.training(step, count);
      const before = engineSeconds;
      const losses = await timed(() => executable.train({ ...batches, factors }));
      const perStep = (engineSeconds - before) / count;
      chunk = Math.max(1, Math.min(4 * chunk, Math.floor(callSeconds / perStep)));
      losses.forEach((loss, index) => records[index % lanes.length].trained(step + Math.floor(index / lanes.length) + 1, loss));
      step += count;
      failpoint("worker.step");
      if (step === nextEvaluation) await evaluate(step);
      report();
      const due = step < until ? keeping?.afterCall(step) : undefined;
      if (due === undefined || due === "go on") continue;
      const state = await executable.read();
      keeping?.save({ state, lanes: records.map(({ snapshot }) => snapshot) });
      if (due === "save and stop") return { outcomes: undefined, state, engineSeconds };
    }
    const state = await executable.read();
    if (until < train.steps) keeping?.part({ state, lanes: records.map(({ snapshot }) => snapshot) });
    return { outcomes: records.map((record) => record.outcome(step, train.steps)), state, engineSeconds };
  } finally {
    data.close();
  }
}

/** The first step after `step` at which validation loss is measured. */
const nextEvaluationOf = ({ evaluateEvery, evaluateAt }: TrainConfig, step: number): number =>
  Math.min((Math.floor(step / evaluateEvery) + 1) * evaluateEvery, evaluateAt.find((each) => each > step) ?? Infinity);

interface OpenData {
  readonly validation: TokenBatches;
  training(done: number, count: number): TokenBatches;
  close(): void;
}

function openData({ data, dataSeed, train, model }: Training): OpenData {
  const shape: BatchShape = { batch: train.batch, context: model.context };
  const validation = readWindows(data.validation, validationStarts(train.evaluationBatches, data.validation.count, shape), shape);
  const reader = openTokens(data.train);
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
