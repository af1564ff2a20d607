/** Whether a model can be trained on this machine at all, before anything is started. */
import { totalmem } from "node:os";
import { UserError, type Diagnostic } from "../errors.ts";
import { leastBytes } from "../program/program.ts";
import { bytesOf } from "../report/numbers.ts";
import { programOf, type StackJob } from "../training/train.ts";

/** What is wrong when the job's weights, moments and gradients alone exceed the memory. */
export function memoryProblem(job: StackJob, what: string): Diagnostic | undefined {
  const least = leastBytes(programOf(job));
  if (least <= totalmem()) return undefined;
  return {
    code: "does_not_fit",
    message: `${what} of width ${job.model.width} needs at least ${bytesOf(least)} of memory, and this machine has ${bytesOf(totalmem())}`,
    hint: "lower the width, the batch, the context or the vocabulary",
  };
}

/** Throws a UserError when the job cannot fit. */
export function checkMemory(job: StackJob, what: string): void {
  const problem = memoryProblem(job, what);
  if (problem) throw new UserError(problem);
}
