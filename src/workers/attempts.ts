/**
 * The one retry loop: work that a worker does, tried again when the worker dies of it. What is
 * worth another attempt, and what is said of it, each caller decides; what an ending means for
 * the trainings concerned is theirs as well.
 */
import { WorkerFailed, WorkerStopped } from "./pool.ts";

/** How often a training is tried, the first time included, before it counts as failed. */
export const maxAttempts = 3;

/** How the attempts at something ended. */
export type Attempted<T> =
  | { readonly kind: "done"; readonly result: T }
  /** On request; what it had come to is kept. */
  | { readonly kind: "stopped" }
  /** The last attempt failed, and there is no other: there have been enough, none is worth it, or a stop was asked for. */
  | { readonly kind: "failed"; readonly error: WorkerFailed };

/** What is attempted, and what is to be done between two attempts. */
export interface Attempts<T> {
  /** One attempt. */
  readonly run: () => Promise<T>;
  /** How many there are at most, the first included. */
  readonly most: number;
  /** Throws when what the work is for is gone: whatever a worker says then, trying again is of no use. Called after each failure, first of all. */
  readonly check?: () => void;
  /** Whether another attempt may end otherwise. Without it, it may unless the operating system said why it does not. */
  readonly isWorthAnother?: (error: WorkerFailed) => boolean;
  /** Whether a stop was asked for, so that no other attempt begins; the first one begins whatever it says. */
  readonly isOver?: () => boolean;
  /** Told of each attempt but the first, as it begins: its number, and what the one before failed of. */
  readonly onRetry?: (attempt: number, reason: string) => void;
}

/** What a full disk or a limit has refused once, it refuses again; whatever else a worker dies of may have been chance. */
export const mayBeChance = ({ systemCode }: WorkerFailed): boolean => systemCode === undefined;

/** Tries until it is done or no attempt is left; rejects with every error that is neither a worker's failure nor a stop. */
export async function attempts<T>({ run, most, check, isWorthAnother = mayBeChance, isOver, onRetry }: Attempts<T>): Promise<Attempted<T>> {
  for (let number = 1; ; number++) {
    try {
      return { kind: "done", result: await run() };
    } catch (error) {
      if (error instanceof WorkerStopped) return { kind: "stopped" };
      check?.();
      if (!(error instanceof WorkerFailed)) throw error;
      if (number >= most || !isWorthAnother(error) || isOver?.()) return { kind: "failed", error };
      onRetry?.(number + 1, error.message);
    }
  }
}

/** The result; throws WorkerFailed or WorkerStopped when there is none. */
export function resultOf<T>(attempted: Attempted<T>): T {
  if (attempted.kind === "done") return attempted.result;
  throw attempted.kind === "failed" ? attempted.error : new WorkerStopped();
}
