/**
 * Faults on demand, for tests of what a run survives: MUTRANSFER_FAULTS is a list of
 * `failpoint:n=action`, the n-th time that the process passes that point. Actions are
 * signals (KILL, SEGV, ABRT, STOP, INT), names of system errors (ENOSPC, EIO, EDQUOT, …),
 * or OOM, an allocation that cannot succeed. With MUTRANSFER_FAULTS_LOG each strikes once,
 * whatever processes there are, and is logged there. Nothing is done without the first variable.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { failpoints, onFailpoint, type Failpoint } from "./failpoints.ts";

interface Fault {
  readonly point: Failpoint;
  readonly count: number;
  readonly action: string;
}

const signals: ReadonlySet<string> = new Set(["KILL", "SEGV", "ABRT", "STOP", "INT", "TERM"]);

/** Has failpoints do from now on what the environment asks for; nothing when it asks for nothing. */
export function listenToFaults(): void {
  const { MUTRANSFER_FAULTS: wanted } = process.env;
  if (!wanted) return;
  const faults = wanted.split(",").flatMap((text): readonly Fault[] => {
    const [, name, count = "1", action = ""] = /^([\w.]+)(?::(\d+))?=(\w+)$/.exec(text) ?? [];
    const point = failpoints.find((each) => each === name);
    return point === undefined ? [] : [{ point, count: Number(count), action }];
  });
  const passed = new Map<Failpoint, number>();
  onFailpoint((point) => {
    const times = (passed.get(point) ?? 0) + 1;
    passed.set(point, times);
    for (const fault of faults) if (fault.point === point && fault.count === times && isNew(fault)) strike(fault.action);
  });
}

function isNew({ point, count, action }: Fault): boolean {
  const { MUTRANSFER_FAULTS_LOG: log } = process.env;
  if (!log) return true;
  const line = `${point}:${count}=${action}`;
  if (existsSync(log) && readFileSync(log, "utf8").split("\n").includes(line)) return false;
  appendFileSync(log, `${line}\n`);
  return true;
}

function strike(action: string): void {
  if (action === "OOM") throw new RangeError(`Array buffer allocation failed (${new ArrayBuffer(2 ** 53 - 1).byteLength})`);
  if (signals.has(action)) process.kill(process.pid, `SIG${action}`);
  else throw Object.assign(new Error(`${action}: injected`), { code: action });
}
