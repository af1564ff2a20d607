/** Whether a model can be trained on this machine at all, before anything is started. */
import { totalmem } from "node:os";
import { UserError, type Diagnostic } from "../errors.ts";
import { parameterCount, type ModelConfig } from "../model/config.ts";
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

/** Bytes of a model's weights and of AdamW's two moments of each. */
export const stateBytes = (model: ModelConfig): number => 3 * 4 * parameterCount(model);

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
