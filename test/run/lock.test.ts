import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import type { Kernel } from "../../src/run/kernel.ts";
import { readHolder, takeLock, type Holder } from "../../src/run/lock.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { until } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

const root = temporaryFolder();
let count = 0;
const freshFolder = (): OpenFolder => OpenFolder.make(join(root, String(count++)));
const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError && error.kind === "locked") return error.message;
    throw error;
  }
  return "";
};

const built = (name: string): string => fileURLToPath(new URL(`../../dist/src/run/${name}.js`, import.meta.url));
/** Takes the lock of a folder and keeps it, or ends with 4. */
const script = join(root, "hold.mjs");
writeFileSync(
  script,
  `import { takeLock } from ${JSON.stringify(built("lock"))};
import { OpenFolder } from ${JSON.stringify(built("open-folder"))};
let lock;
try { lock = takeLock(OpenFolder.make(process.argv[2])); } catch (error) { console.log(error.message); process.exit(error.kind === "locked" ? 4 : 70); }
if (process.argv[3] === "release") process.stdin.once("data", () => (lock.release(), process.exit()));
if (process.argv[3] === "keep") setInterval(() => undefined, 1000);
`,
);
const holders: ChildProcess[] = [];
const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
};
afterEach(() => Promise.all(holders.splice(0).map(end)));
/** A process that has the folder's lock, started by a command in front of it. */
async function holderOf(folder: OpenFolder, ...before: readonly string[]): Promise<ChildProcess> {
  const [command, ...rest] = [...before, process.execPath, script, folder.path, "keep"];
  const child = spawn(command, rest, { stdio: "ignore" });
  holders.push(child);
  await until(() => readHolder(folder)?.running === true);
  return child;
}
/** What the attempt of another process gives. */
function attempt(folder: OpenFolder, ...before: readonly string[]): { readonly code: number | null; readonly said: string } {
  const [command, ...rest] = [...before, process.execPath, script, folder.path];
  const { status, stdout } = spawnSync(command, rest, { encoding: "utf8" });
  return { code: status, said: stdout };
}

describe("a run folder's lock", () => {
  it("is one process's until it gives it back", () => {
    const folder = freshFolder();
    const lock = takeLock(folder);
    expect(attempt(folder)).toEqual({ code: 4, said: expect.stringContaining(`process ${process.pid} on ${hostname()}`) as string });
    expect(refusal(() => takeLock(folder))).toContain(`process ${process.pid}`);
    lock.release();
    takeLock(folder).release();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it("of a process that was killed goes to the next at once, whatever it says of itself", async () => {
    const folder = freshFolder();
    const holder = await holderOf(folder);
    expect(refusal(() => takeLock(folder))).toContain(`process ${holder.pid}`);
    await end(holder);
    expect(readHolder(folder)).toMatchObject({ pid: holder.pid, running: false });
    writeFileSync(join(folder.path, "lock"), JSON.stringify({ ...readHolder(folder), pid: process.pid })); // its number was used again
    const lock = takeLock(folder);
    expect(readHolder(folder)).toMatchObject({ pid: process.pid, running: true });
    lock.release();
    expect(existsSync(join(folder.path, "lock"))).toBe(false);
  });

  it("is never taken from a stopped process, whatever its file says", async () => {
    const folder = freshFolder();
    const holder = await holderOf(folder);
    holder.kill("SIGSTOP");
    const { pid, boot } = readHolder(folder) as Holder;
    for (const text of [
      "",
      "{",
      JSON.stringify({ pid: 4194000, host: hostname(), boot: "an earlier start" }),
      JSON.stringify({ pid, boot }),
    ]) {
      writeFileSync(join(folder.path, "lock"), text);
      expect(
        refusal(() => takeLock(folder)),
        text,
      ).toContain("is in use by");
    }
  });

  it("goes to one of ten that come at once", async () => {
    const folder = freshFolder();
    const children = Array.from({ length: 10 }, () => spawn(process.execPath, [script, folder.path, "keep"], { stdio: "ignore" }));
    holders.push(...children);
    await until(() => children.filter(({ exitCode }) => exitCode === 4).length === 9);
    expect(children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length).toBe(1);
  });

  it("says when its file was taken away, and by whom", async () => {
    const folder = freshFolder();
    const lock = takeLock(folder);
    lock.check();
    rmSync(join(folder.path, "lock")); // by hand, by somebody who took this process for dead
    const other = await holderOf(folder);
    expect(refusal(() => lock.check())).toContain(`was taken by process ${other.pid} on ${hostname()}`);
    lock.release();
    expect(readHolder(folder)).toMatchObject({ pid: other.pid, running: true });
  });

  it("survives those who only look whether somebody has it", async () => {
    const folder = freshFolder();
    const holder = await holderOf(folder);
    await end(holder);
    for (let look = 0; look < 50; look++) expect(readHolder(folder)?.running).toBe(false);
    expect(attempt(folder).code).toBe(0);
  });
});

/** What containers and hardened machines do to the evidence that a process leaves of itself. */
const worlds: Readonly<Record<string, readonly string[]>> = {
  "another PID namespace": ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"],
  "a /proc that hides other users' processes": [
    ...["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=12345 --clear-groups "$@"', "sh"],
  ],
  "another time namespace": ["unshare", "--time", "--boottime", "1000000", "--fork", "--kill-child"],
  "another host name": ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"],
  "no /proc": ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"],
};
const canUnshare = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "--time", "--uts", "true"]).status === 0;

describe.skipIf(!canUnshare && !process.env["MUTRANSFER_CI"])("a live holder keeps its folder", () => {
  it.each(Object.entries(worlds))("from %s, and its death is seen there", async (_, before) => {
    const folder = freshFolder();
    spawnSync("chmod", ["-R", "a+rwX", root]);
    const holder = await holderOf(folder);
    const { code, said } = attempt(folder, ...before);
    expect([code, said]).toEqual([4, expect.stringContaining(`process ${holder.pid}`)]);
    await end(holder);
    spawnSync("chmod", ["-R", "a+rwX", root]);
    expect(attempt(folder, ...before).code).toBe(0);
  });

  it("and gives it back although its file cannot be removed", async () => {
    const folder = freshFolder();
    spawnSync("chmod", ["-R", "a+rwX", root]);
    const child = spawn("setpriv", ["--reuid=12345", "--clear-groups", process.execPath, script, folder.path, "release"]);
    holders.push(child);
    await until(() => readHolder(folder)?.running === true);
    spawnSync("chmod", ["555", folder.path]);
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.stdin.write("now");
    expect(await exited).toBe(0);
    takeLock(folder).release();
  });

  it.each(Object.entries(worlds))("in %s", async (_, before) => {
    const folder = freshFolder();
    spawnSync("chmod", ["-R", "a+rwX", root]);
    await holderOf(folder, ...before);
    expect(attempt(folder).code).toBe(4);
  });
});

/** A kernel as network file systems and systems without flock make it; ours knows no such disk. */
describe("where locks do not reach other machines", () => {
  const lockHere: Kernel = { lock: () => "locked", isLocal: () => false, boot: () => "this start" };
  const leave = (folder: OpenFolder, boot: string): void =>
    writeFileSync(join(folder.path, "lock"), JSON.stringify({ pid: 1, host: hostname(), boot }));

  it("a file of another machine, even of the same name, is not judged, and the way out is named", () => {
    const folder = freshFolder();
    for (const text of ["", "{"]) {
      writeFileSync(join(folder.path, "lock"), text);
      expect(refusal(() => takeLock(folder, lockHere))).toContain("another process");
    }
    leave(folder, "another start");
    expect(readHolder(folder, lockHere)?.running).toBe(true);
    try {
      takeLock(folder, lockHere);
    } catch (error) {
      expect((error as UserError).diagnostics[0].hint).toContain(`remove ${join(folder.path, "lock")}`);
    }
    expect(readFileSync(join(folder.path, "lock"), "utf8")).toContain("another start");
  });

  it("a file that this machine wrote since its start is this kernel's to judge", () => {
    const folder = freshFolder();
    leave(folder, "this start");
    takeLock(folder, lockHere).release();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it("without any locks a file that is there is never taken over", () => {
    const folder = freshFolder();
    const none: Kernel = { ...lockHere, lock: () => "no locks here", isLocal: () => true };
    const lock = takeLock(folder, none);
    expect(refusal(() => takeLock(folder, none))).toContain(`process ${process.pid}`);
    lock.release();
    leave(folder, "this start");
    expect(refusal(() => takeLock(folder, none))).toContain("process 1");
  });
});
