/** Notices within a second that a run's folder or journal is no longer in its place, or another's, although nothing is written for minutes. */
import { setTimeout } from "node:timers/promises";

const intervalMilliseconds = 1000;

/** Runs `work`; rejects with what `held.check` throws as soon as it does. */
export async function whileInPlace<T>(held: { readonly check: () => void }, work: () => Promise<T>): Promise<T> {
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
