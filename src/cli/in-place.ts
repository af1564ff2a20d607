/** Notices within a second that a run's folder or journal is no longer in its place, although nothing is written for minutes. */
import { setTimeout } from "node:timers/promises";
import type { OpenFolder } from "../sweep/open-folder.ts";

const intervalMilliseconds = 1000;

/** Runs `work`; rejects with what `held.check` throws (exit 6) as soon as it does. */
export async function whileInPlace<T>(held: Pick<OpenFolder, "check">, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const watch = async (): Promise<never> => {
    for (;;) {
      await setTimeout(intervalMilliseconds, undefined, { signal: over.signal });
      held.check();
    }
  };
  try {
    return await Promise.race([work(), watch()]);
  } finally {
    over.abort();
  }
}
