/** Notices within a second that a run's folder or journal is no longer in its place, although nothing is written for minutes. */
import type { OpenFolder } from "../sweep/open-folder.ts";

const intervalMilliseconds = 1000;

/** Runs `work`; rejects with what `held.check` throws (exit 6) as soon as it does. */
export async function whileInPlace<T>(held: Pick<OpenFolder, "check">, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const gone = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      try {
        held.check();
      } catch (error) {
        reject(error as Error);
      }
    }, intervalMilliseconds);
  });
  try {
    return await Promise.race([work(), gone]);
  } finally {
    clearInterval(timer);
  }
}
