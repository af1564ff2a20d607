/** Whether a model can be trained on this machine at all, before anything is started. */
import { totalmem } from "node:os";
import { UserError, type Diagnostic } from "../errors.ts";
import { leastBytes } from "../program/program.ts";
import { bytesOf } from "../report/numbers.ts";
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

/** What is wrong when the job's weights, moments and gradients alone exceed the memory. */
export function memoryProblem(job: StackJob, what: string): Diagnostic | undefined {
  const hint = "lower the width, the batch, the context or the vocabulary";
  return beyondMemory(leastBytes(programOf(job)), `${what} of width ${job.model.width} needs`, hint);
}

/** Throws a UserError when the job cannot fit. */
export function checkMemory(job: StackJob, what: string): void {
  const problem = memoryProblem(job, what);
  if (problem) throw new UserError(problem);
}
