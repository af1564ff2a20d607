/**
 * Which of the trials that are due train together: those that a checkpoint holds together, and
 * else trials that go from the same step to the same step. When they do is scheduler.ts's business.
 */
import type { CheckpointedStack } from "../run/checkpoints.ts";
import type { RunState } from "../run/state.ts";
import { memberKey, type Member, type Trial } from "../run/trial.ts";
import type { Due } from "./agenda.ts";

/** Trials that train together, from the same step to the same step. */
export interface Stack {
  readonly members: readonly Trial[];
  /** The step that they are to be trained to. */
  readonly until: number;
}

/** Consecutive trials, `size` to a stack. */
export function packTrials<T>(trials: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(trials.length / size) }, (_, index) => trials.slice(index * size, (index + 1) * size));
}

/** Stacks with a checkpoint as they were, then the rest in stacks of `size`, each from one step to one step. */
export function packDue(due: readonly Due[], state: RunState, size: number, begun: readonly CheckpointedStack[]): Stack[] {
  const left = new Map(due.map((each) => [memberKey(each.trial), each]));
  const stepOf = (trial: Member): number => state.of(trial)?.steps ?? 0;
  const stacks: Stack[] = [];
  for (const { members, step } of begun) {
    const found = members.map((member) => left.get(memberKey(member)));
    const [first] = found;
    if (first === undefined || !found.every((each) => each?.until === first.until && step > stepOf(each.trial))) continue;
    for (const member of members) left.delete(memberKey(member));
    stacks.push({ members: found.flatMap((each) => each?.trial ?? []), until: first.until });
  }
  const alike = new Map<string, Due[]>();
  for (const each of left.values()) {
    const key = `${stepOf(each.trial)} ${each.until}`;
    alike.set(key, [...(alike.get(key) ?? []), each]);
  }
  for (const group of alike.values())
    for (const members of packTrials(group, size)) stacks.push({ members: members.map(({ trial }) => trial), until: members[0].until });
  return stacks;
}
