/** Whether a model can be trained on this machine at all, before anything is started, and what memory its worker takes. */
import { totalmem } from "node:os";
import { openBytes } from "../data/token-run.ts";
import type { Device } from "../engines/engine.ts";
import type { EngineEntry } from "../engines/registry.ts";
import { UserError, type Diagnostic } from "../errors.ts";
import { parameterCount } from "../model/counts.ts";
import { stateFloats } from "../model/step.ts";
import { bytesOf } from "../numbers.ts";
import { leastBytes } from "../program/program.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { completeHyperparameters, modelConfig, sizesOf, statedHyperparameters } from "../spec/plan.ts";
import { trainConfig } from "../spec/training.ts";
import { programOf, type Training } from "../training/train.ts";

/** What is wrong when `what` ("… needs") takes more bytes than there are. */
export function beyondMemory(bytes: number, what: string, hint: string): Diagnostic | undefined {
  const available = totalmem();
  if (bytes <= available) return undefined;
  return {
    code: "does_not_fit",
    message: `${what} at least ${bytesOf(bytes)} of memory, and this machine has ${bytesOf(available)}`,
    hint,
  };
}

/** Bytes of a model's weights and of what its optimizer keeps of each. */
export const stateBytes = ({ model, train }: Pick<Training, "model" | "train">): number => 4 * stateFloats(model, train);

/** Memory that a worker takes at its fullest. */
export interface WorkerMemory {
  /** What it takes of its device, which for a CPU is the host. */
  readonly deviceBytes: number;
  readonly hostBytes: number;
  readonly largestTensorBytes: number;
}

/**
 * What a worker holds of each weight besides the engine: starting states and checkpoints, three numbers each when they are
 * whole, of which several may wait for the garbage collector. Measured on Linux with a checkpoint after each step.
 */
const copiesBytes = 42;
/** A token and its target. */
const tokenBytes = 8;

/** Memory of a worker that trains this, keeping checkpoints: about the most, since when garbage is collected is not known. */
export async function workerMemory(
  { processBytes, footprint }: Pick<EngineEntry, "processBytes" | "footprint">,
  training: Training,
  kind: Device["kind"],
): Promise<WorkerMemory> {
  const { model, train, lanes, data } = training;
  const { bytes, largestTensorBytes } = await footprint(programOf(training), training.threads);
  const evaluated = tokenBytes * train.evaluationBatches * train.batch * model.context;
  const tokens = openBytes(data.train) + openBytes(data.validation) + evaluated;
  const own = processBytes + copiesBytes * lanes.length * parameterCount(model) + tokens;
  const [deviceBytes, hostBytes] = kind === "cpu" ? [own + bytes, own + bytes] : [processBytes + bytes, own];
  return { deviceBytes, hostBytes, largestTensorBytes };
}

type Shapes = Pick<Training, "model" | "train" | "lanes">;

/** What is wrong when weights, moments and gradients alone exceed the memory. */
export function memoryProblem(training: Shapes, what: string): Diagnostic | undefined {
  const hint = "lower the width, the number of layers or the vocabulary";
  return beyondMemory(leastBytes(programOf(training)), `${what} of width ${training.model.width} needs`, hint);
}

/** Throws a UserError when the training cannot fit. */
export function checkMemory(training: Shapes, what: string): void {
  const problem = memoryProblem(training, what);
  if (problem) throw new UserError(problem);
}

/** Throws a UserError when a proxy cannot fit, whatever its data are: with the fewest tokens that its vocabulary can have. */
export function checkProxy(spec: CompleteSpec, vocabSize: number): void {
  const model = modelConfig({ spec, dataset: { vocabSize } }, sizesOf(spec).proxy);
  const lanes = [{ seed: spec.seed, hyperparameters: completeHyperparameters(spec, statedHyperparameters(spec)) }];
  checkMemory({ model, train: trainConfig(spec), lanes }, "a proxy");
}
