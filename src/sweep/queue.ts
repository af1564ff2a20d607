/**
 * The stacks of a sweep that wait to be trained, in their order, and the trials that are in hand,
 * so that none is in training twice. What is due is the agenda's business.
 */
import type { CheckpointedStack } from "../run/checkpoints.ts";
import type { RunState } from "../run/state.ts";
import { memberKey } from "../run/trial.ts";
import type { Due } from "./agenda.ts";
import { packDue, type Stack } from "./packing.ts";

/** Stacks in the order in which they are to be trained, and whose trials are in hand. */
export class StackQueue {
  private readonly state: RunState;
  private readonly stackSize: number;
  /** Stacks that had checkpoints when the sweep began: they go on as they were. */
  private readonly begun: readonly CheckpointedStack[];
  private waiting: Stack[] = [];
  /** Members of the stacks that were taken, by their keys. */
  private readonly inHand = new Set<string>();

  constructor(state: RunState, stackSize: number, begun: readonly CheckpointedStack[]) {
    this.state = state;
    this.stackSize = stackSize;
    this.begun = begun;
  }

  /** How many stacks wait. */
  get length(): number {
    return this.waiting.length;
  }

  /** Whether no trial is in hand. */
  get isIdle(): boolean {
    return this.inHand.size === 0;
  }

  /** Has what is due wait instead of what waited, but for what is in hand; what is named first is trained first. */
  refill(due: readonly Due[]): void {
    const free = due.filter(({ trial }) => !this.inHand.has(memberKey(trial)));
    this.waiting = packDue(free, this.state, this.stackSize, this.begun);
  }

  /** The next stack, whose trials are in hand until it is put down; undefined when none waits. */
  take(): Stack | undefined {
    const stack = this.waiting.shift();
    for (const member of stack?.members ?? []) this.inHand.add(memberKey(member));
    return stack;
  }

  /** Its trials may wait again: for their next rung, or because they failed. */
  putDown({ members }: Stack): void {
    for (const member of members) this.inHand.delete(memberKey(member));
  }
}
