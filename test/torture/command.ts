/** Runs the built command line for the crash harness, with a fault for company, and notes what it acknowledged. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { RandomStream } from "../../src/rng.ts";
import type { Fault } from "./faults.ts";

const bin = fileURLToPath(new URL("../../../bin/mutransfer.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  /** Trials that were announced as finished, with their seeds. */
  readonly acknowledged: readonly string[];
  /** Whether the fault found it running. */
  readonly struck: boolean;
  /** Whether processes of its group were still there two seconds later. */
  readonly orphans: boolean;
}

export interface Setting {
  readonly cwd: string;
  readonly folder: string;
  readonly data: string;
}

/** Starts a command in a process group of its own, strikes it, and waits for its end. */
export async function runCommand(args: readonly string[], setting: Setting, fault?: Fault, random?: RandomStream): Promise<Ended> {
  const environment = fault?.environment && random ? fault.environment(random) : {};
  const quoted = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(" ");
  const line = `${fault?.limit ?? "true"}; exec ${fault?.within ?? ""} ${quoted}`;
  const child = spawn("sh", ["-c", line], {
    cwd: setting.cwd,
    detached: true,
    env: { ...process.env, NO_COLOR: "1", MUTRANSFER_FAULTS: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].setEncoding("utf8").on("data", (part: string) => (text[name] += part));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal })),
  );
  let struck = false;
  if (fault?.strike && random) {
    const beside = (other = args, otherFault?: Fault): Promise<Ended> => runCommand(other, setting, otherFault, random);
    struck = await fault.strike({ pid: child.pid as number, folder: setting.folder, data: setting.data, ended, beside }, random);
  }
  const { code, signal } = await ended;
  const orphans = await outlives(child.pid as number);
  return { code, signal, stderr: text.stderr, acknowledged: acknowledgedIn(text.stdout), struck, orphans };
}

/** Whether a process group has members two seconds after its leader has ended. */
async function outlives(group: number): Promise<boolean> {
  for (let wait = 0; wait < 200; wait++) {
    try {
      process.kill(-group, 0);
    } catch {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  process.kill(-group, "SIGKILL");
  return true;
}

/** Complete lines only: a killed process may leave half of one. */
function acknowledgedIn(stdout: string): readonly string[] {
  return stdout
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => {
      if (!line.startsWith('{"event":"trial_finished"')) return [];
      const { id, seed } = (JSON.parse(line) as { trial: { id: number; seed: number } }).trial;
      return [`${id}/${seed}`];
    });
}
