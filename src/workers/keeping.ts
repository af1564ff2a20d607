/**
 * A stack's checkpoints while a worker trains it: where it begins, when it is kept, and
 * under which keys. Where they are kept is the store's business.
 */
import { shapeOf } from "../program/program.ts";
import { encodeCheckpoint, joinCheckpoints, partCheckpoint } from "../training/checkpoint.ts";
import { programOf, type Checkpoint, type Keeping, type Training } from "../training/train.ts";
import type { Store } from "./store.ts";
import type { Keep, KeptAs, News } from "./tasks.ts";

/** What a worker's actions know of the process that they run in. */
export interface OwnProcess {
  /** Seconds on a monotonic clock. */
  readonly now: () => number;
  /** Reports news of the task at hand. */
  readonly tell: (news: News) => void;
  /** Whether the task at hand is to be kept and stopped. */
  readonly stopping: () => boolean;
  /** Does not return when the parent is gone: it has left the store to another. */
  readonly outliveNobody: () => void;
}

/** Begins from what is kept under the stack's keys, and says so. */
export function keepingOf(
  training: Training,
  { stem, identity, labels, interval, lanes }: Keep,
  store: Store,
  { now, tell, stopping, outliveNobody }: OwnProcess,
): Keeping {
  const from = newest(store, training, { stem, identity, lanes }, (note) => tell({ note }));
  if (from !== undefined) tell({ resumedAt: from.state.step });
  let keptAt = now();
  const { steps = Infinity, seconds = Infinity } = interval;
  const write = (checkpoint: Checkpoint, of: Training, as: KeptAs): void => {
    outliveNobody();
    const program = programOf(of);
    const pieces = encodeCheckpoint(checkpoint, as.identity, as.labels, (ref) => shapeOf(program, ref));
    store.save(as.stem, checkpoint.state.step, pieces);
  };
  return {
    from,
    nextStep: (step) => (Math.floor(step / steps) + 1) * steps,
    afterCall: (step) => (stopping() ? "save and stop" : step % steps === 0 || now() - keptAt >= seconds ? "save" : "go on"),
    save: (checkpoint) => {
      write(checkpoint, training, { stem, identity, labels });
      keptAt = now();
    },
    part: (checkpoint) => {
      partCheckpoint(checkpoint, training).forEach((part, lane) => write(part, laneOf(training, lane), lanes[lane]));
    },
  };
}

/** The stack's own newest checkpoint, or where each of its lanes was left in another stack. */
function newest(
  store: Store,
  training: Training,
  { lanes, ...own }: Pick<Keep, "stem" | "identity" | "lanes">,
  note: (text: string) => void,
): Checkpoint | undefined {
  const whole = store.newest(own, training, note);
  if (whole !== undefined || training.lanes.length === 1) return whole;
  const parts = lanes.map((each, lane) => store.newest(each, laneOf(training, lane), note));
  return parts.every((part) => part !== undefined) ? joinCheckpoints(parts, training) : undefined;
}

const laneOf = (training: Training, lane: number): Training => ({ ...training, lanes: [training.lanes[lane]] });
