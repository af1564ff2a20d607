/** Which processes a command has left: they are told by a variable that all of them inherit. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const variable = "MUTRANSFER_TEST_MARK";

/** Variables for a command, and the processes that have them: a zombie is none. */
export function marked(): { readonly env: Readonly<Record<string, string>>; readonly alive: () => readonly number[] } {
  const mark = randomUUID();
  const hasMark = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`${variable}=${mark}`);
    } catch {
      return false; // it has just ended, or is somebody else's
    }
  };
  return {
    env: { [variable]: mark },
    alive: () =>
      readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name) && hasMark(name))
        .map(Number),
  };
}
