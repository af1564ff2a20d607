import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { self } from "../../src/cli/files.ts";
import { UserError } from "../../src/errors.ts";
import { isDead, readHolder, takeLock, type Holder } from "../../src/sweep/lock.ts";
import { temporaryFolder } from "../support/folder.ts";

const root = temporaryFolder();
let count = 0;
const freshFolder = (): string => {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return folder;
};
const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError && error.exitCode === 4) return error.message;
    throw error;
  }
  return "";
};

describe("a run folder's lock", () => {
  it("is one process's until it gives it back", () => {
    const folder = freshFolder();
    const lock = takeLock(folder, self);
    expect(refusal(() => takeLock(folder, self))).toContain(`process ${process.pid} on ${hostname()}`);
    lock.release();
    takeLock(folder, self).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("of a process that was killed goes to the next", () => {
    const folder = freshFolder();
    const { pid } = spawnSync("true");
    const lock = takeLock(folder, { ...self, pid });
    expect(readHolder(folder)?.pid).toBe(pid);
    takeLock(folder, self).release();
    lock.release(); // the dead one's: no longer there to be given back
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });

  it("of a stopped process is never taken", async () => {
    const folder = freshFolder();
    const child = spawn("sleep", ["30"]);
    const pid = child.pid as number;
    takeLock(folder, { ...self, pid });
    process.kill(pid, "SIGSTOP");
    expect(refusal(() => takeLock(folder, self))).toContain(`process ${pid}`);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    takeLock(folder, self).release();
  });

  it("outlives neither a restart nor the process whose number was used again; on another machine it is not judged", () => {
    const folder = freshFolder();
    takeLock(folder, self);
    const holder = readHolder(folder) as Holder;
    expect(isDead(holder, self.isAlive)).toBe(false);
    expect(isDead({ ...holder, boot: "another" }, self.isAlive)).toBe(true);
    expect(isDead({ ...holder, started: "1" }, self.isAlive)).toBe(true);
    expect(isDead({ ...holder, host: "elsewhere", boot: "another", pid: 1 }, self.isAlive)).toBe(false);
    writeFileSync(join(folder, "lock"), JSON.stringify({ ...holder, host: "elsewhere" }));
    expect(refusal(() => takeLock(folder, self))).toContain("on elsewhere");
  });

  it("that does not say whose it is, is not taken", () => {
    const folder = freshFolder();
    writeFileSync(join(folder, "lock"), "{");
    expect(refusal(() => takeLock(folder, self))).toContain("does not say who holds it");
    expect(readFileSync(join(folder, "lock"), "utf8")).toBe("{");
  });

  it("also goes on when a process died in the middle of taking it over", () => {
    const folder = freshFolder();
    const { pid } = spawnSync("true");
    takeLock(folder, { ...self, pid });
    writeFileSync(join(folder, "lock.takeover"), readFileSync(join(folder, "lock")));
    takeLock(folder, self).release();
    expect(readdirSync(folder)).toEqual([]);
  });
});
