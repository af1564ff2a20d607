/** Runs the built command line as a user does: another process, no terminal; one that does not end is killed, and is a failure of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

export const bin = fileURLToPath(new URL("../../bin/mutransfer.js", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What was printed so far. */
  readonly stderr: () => string;
}

export interface Circumstances {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs it, such as `unshare`. */
  readonly within?: readonly string[];
  /** Less than a test may take, so that what hangs is the command and not its test. */
  readonly limitSeconds?: number;
}

export function start(args: readonly string[], { cwd, env, within = [], limitSeconds = 100 }: Circumstances): Running {
  const [command, ...rest] = [...within, process.execPath, bin, ...args];
  const child = spawn(command, rest, {
    cwd,
    env: { ...process.env, NO_COLOR: "", FORCE_COLOR: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const limit = setTimeout(() => {
    printed.stderr += `\nkilled: it had not ended after ${limitSeconds} s\n`;
    child.kill("SIGKILL");
  }, limitSeconds * 1000);
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].setEncoding("utf8").on("data", (text: string) => (printed[name] += text));
  const finished = new Promise<Finished>((resolve) =>
    child.on("close", (code) => {
      clearTimeout(limit);
      resolve({ code, ...printed });
    }),
  );
  return { child, finished, stderr: () => printed.stderr };
}

export const run = (args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Finished> =>
  start(args, { cwd, env }).finished;

/** Waits until a condition holds, checking often. */
export async function until(condition: () => boolean, milliseconds = 30_000): Promise<void> {
  for (const started = Date.now(); !condition();) {
    if (Date.now() - started > milliseconds) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
