/**
 * How a study is asked to stop, and what it says when it has: by signals on the command
 * line, by a program that uses this one as a library. Who asks is not known here.
 */

/** Whether a stop has been asked for during some work. */
export interface Stop {
  readonly asked: boolean;
}

/** A way to ask a study to stop. */
export interface Stopping {
  /**
   * Does some work. When a stop is asked for, `gently` is called and the work is expected to end soon;
   * without it, and when a stop is asked for again, rejects with Stopped at once. A stop that was asked for
   * between two works, or that a work was done before it could heed, is asked for at the beginning of the next.
   */
  until<T>(work: (stop: Stop) => Promise<T>, gently?: () => void): Promise<T>;
}

/** A stop that somebody asks for, by a signal or from a program. */
export class StopSwitch implements Stopping {
  /** Tells the work at hand; nobody between two works. */
  private heed: (() => void) | undefined;
  /** Whether a stop was asked for between two works, or too late for the one before. */
  private missed = false;

  /** Asks for a stop; false when one is waiting already for a work to heed it. */
  ask(): boolean {
    if (this.heed === undefined && this.missed) return false;
    if (this.heed === undefined) this.missed = true;
    else this.heed();
    return true;
  }

  async until<T>(work: (stop: Stop) => Promise<T>, gently?: () => void): Promise<T> {
    const stop = { asked: false };
    const stoppedAtOnce = new Promise<never>((_, reject) => {
      this.heed = () => {
        const isFirst = !stop.asked;
        stop.asked = true;
        if (isFirst && gently !== undefined) gently();
        else reject(new Stopped());
      };
    });
    try {
      const working = work(stop);
      const wasMissed = this.missed;
      this.missed = false;
      if (wasMissed) this.ask();
      const done = await Promise.race([working, stoppedAtOnce]);
      // It came too late for this work, and the study may have more to do.
      this.missed = stop.asked;
      return done;
    } finally {
      this.heed = undefined;
    }
  }
}

/** What there is to go on from: nothing, because nothing was begun; something, the last checkpoints; or everything up to the stop. */
export type Left = "nothing" | "something" | "everything";

/** The study was stopped before its end, as it was asked to be. */
export class Stopped extends Error {
  readonly code = "stopped";
  readonly left: Left;

  constructor(left: Left = "something") {
    super("stopped");
    this.name = "AbortError"; // what programs ask for after they have aborted
    this.left = left;
  }
}

/** Does some work that leaves nothing to go on from: it is stopped at once, and then rejects with Stopped("nothing"). */
export async function stoppable<T>({ stopping }: { readonly stopping: Stopping }, work: () => Promise<T>): Promise<T> {
  try {
    return await stopping.until(work);
  } catch (error) {
    throw error instanceof Stopped ? new Stopped("nothing") : error;
  }
}
