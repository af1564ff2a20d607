/** Whether a model can be trained on this machine at all, before anything is started. */
import { totalmem } from "node:os";
import { UserError, type Diagnostic } from "../errors.ts";
import { leastBytes } from "../program/program.ts";
import { bytesOf } from "../report/numbers.ts";
import { baseHps, modelConfig, statedHyperparameters } from "../spec/plan.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import { trainConfig } from "../sweep/trials.ts";
import { programOf, type StackJob } from "../training/train.ts";

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

type Sizes = Pick<StackJob, "model" | "train" | "lanes">;

/** What is wrong when the job's weights, moments and gradients alone exceed the memory. */
export function memoryProblem(job: Sizes, what: string): Diagnostic | undefined {
  const hint = "lower the width, the batch, the context or the vocabulary";
  return beyondMemory(leastBytes(programOf(job)), `${what} of width ${job.model.width} needs`, hint);
}

/** Throws a UserError when the job cannot fit. */
export function checkMemory(job: Sizes, what: string): void {
  const problem = memoryProblem(job, what);
  if (problem) throw new UserError(problem);
}

/** Throws a UserError when a proxy cannot fit, whatever its data are: with the fewest tokens that its vocabulary can have. */
export function checkProxy(spec: CompleteSpec, vocabSize: number): void {
  const model = modelConfig({ spec, dataset: { vocabSize } }, spec.width.proxy);
  const lanes = [{ seed: spec.seed, hps: baseHps(spec, statedHyperparameters(spec)) }];
  checkMemory({ model, train: trainConfig(spec), lanes }, "a proxy");
}
