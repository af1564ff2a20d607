/**
 * Named places at which tests make the program fail as the world would: killed, out
 * of disk, struck by a signal. Nothing happens at them unless the command line has
 * been told so by an environment variable (faults.ts).
 */

/** In the order in which a run passes them. */
export const failpoints = [
  "lock.taken",
  "journal.before",
  "journal.half",
  "journal.written",
  "journal.synced",
  "checkpoint.before",
  "checkpoint.written",
  "checkpoint.renamed",
  "worker.step",
  "results.before",
  "results.written",
  "results.renamed",
  "weights.written",
] as const;
/** One of these places. */
export type Failpoint = (typeof failpoints)[number];

let strike: ((point: Failpoint) => void) | undefined;

/** Says what happens at failpoints from now on. */
export function onFailpoint(action: (point: Failpoint) => void): void {
  strike = action;
}

/** Marks a place; `strike` may throw, or not return. */
export function failpoint(point: Failpoint): void {
  strike?.(point);
}

/** Whether anything is to happen at failpoints: what is done in one piece is then done in two where that makes a difference. */
export const hasFailpoints = (): boolean => strike !== undefined;
