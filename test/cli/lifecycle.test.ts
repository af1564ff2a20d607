/** How commands end: what was killed leaves nobody behind, schedulers' signals stop at a checkpoint, nothing starts after the close. */
import { fork } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Engines } from "../../src/placement/engines.ts";
import { engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import { sizesOf, type Plan } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import type { WorkerMessage } from "../../src/workers/tasks.ts";
import { start, until, type Running } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { marked } from "../support/processes.ts";
import { cpuEngine, hasNative } from "../support/native.ts";
import { trainingOf } from "../../src/spec/training.ts";

const folder = temporaryFolder();
const spec = (name: string, text: string): string => {
  writeFileSync(join(folder, `${name}.yaml`), text);
  return `${name}.yaml`;
};
/** One step takes seconds. */
const slowText = `name: slow
data: {source: moby-dick}
model: {layers: 24, context: 256}
width: {proxy: 512, target: 1024}
train: {steps: 100, batch: 8}
search: {trials: 4}
`;
const slow = spec("slow", slowText);
/** Trains for long, in short steps. */
const long = spec(
  "long",
  `name: long
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: 100000, batch: 4, evaluate: {every: 1000, batches: 2}}
search: {confirm: false, trials: 2}
`,
);
const gone = (alive: () => readonly number[]): Promise<void> => until(() => alive().length === 0, 5000);
const worker = fileURLToPath(new URL("../../dist/src/workers/worker.js", import.meta.url));

describe("workers in the middle of a long call", () => {
  it.each(["SIGTERM", "SIGKILL", "SIGUSR1"] as const)("die with a parent that is ended by %s", async (signal) => {
    const { env, alive } = marked();
    const { child } = start(["plan", slow], { cwd: folder, env });
    await until(() => alive().length === 3);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // by then they compute
    child.kill(signal);
    await gone(alive);
  });

  it.skipIf(!hasNative)("die when the connection does, where the kernel does not see to it", async () => {
    const { env, alive } = marked();
    const child = fork(worker, [cpuEngine], { serialization: "advanced", env: { ...process.env, ...env }, silent: true });
    const plan = await readPlan(
      { text: slowText.replace("layers: 24", "layers: 1").replace("batch: 8", "batch: 160"), file: "slow.yaml", directory: folder },
      join(folder, "cache"),
    );
    child.send({ kind: "prepare", training: trainingOf(plan, openingTrials(plan.spec).slice(0, 1), sizesOf(plan.spec).proxy, 1) });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.disconnect(); // this process lives on
    await gone(alive);
  });
});

it("a worker heeds a stop that comes before its engine is loaded", async () => {
  const child = fork(worker, [cpuEngine], { serialization: "advanced", silent: true });
  const plan = await readPlan({ text: slowText, file: "slow.yaml", directory: folder }, join(folder, "cache"));
  const tiny: Plan = { ...plan, spec: { ...plan.spec, model: { ...plan.spec.model, layers: 1, context: 16 } } };
  const training = trainingOf(tiny, openingTrials(tiny.spec).slice(0, 1), { width: 16, layers: 1 }, 1);
  const keep = { stem: "early", identity: "", labels: {}, interval: {}, lanes: [] };
  child.send({ kind: "train", training, keep, store: OpenFolder.make(join(folder, "early")).handle });
  child.send({ kind: "stop" });
  const last = new Promise<WorkerMessage>((resolve) =>
    child.on("message", (message: WorkerMessage) => message.kind !== "news" && resolve(message)),
  );
  expect(await last).toEqual({ kind: "stopped" });
  child.disconnect();
});

/** Which exit code each asks for while something trains; elsewhere they end the process as the system does. */
const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 143, SIGUSR1: 143, SIGUSR2: 143 } as const;
type Signal = keyof typeof codes;
/** When it strikes. */
const phases: Readonly<Record<string, (running: Running, out: string) => Promise<void>>> = {
  "at its start": () => new Promise((resolve) => setTimeout(resolve, 60)),
  "while it trains": ({ stderr }, out) => until(() => /^engine:/m.test(stderr()) && existsSync(join(folder, out, "journal.jsonl"))),
};

describe.each(Object.keys(codes) as Signal[])("%s", (signal) => {
  it.each(Object.entries(phases))("%s ends a sweep, and leaves no process but what can be gone on with", async (phase, reached) => {
    const { env, alive } = marked();
    const out = `${signal} ${phase}`;
    const running = start(["sweep", long, "--out", out, "--engine", cpuEngine], { cwd: folder, env });
    await reached(running, out);
    // To the whole group, as schedulers do.
    for (const pid of alive()) process.kill(pid, signal);
    const { code, stderr } = await running.finished;
    expect(stderr).not.toMatch(/internal error/);
    if (phase === "while it trains") {
      expect(code).toBe(codes[signal]);
      expect(stderr).not.toMatch(/debugger/i); // before this program's first line Node says so, and this program closes it
      expect(readdirSync(join(folder, out, "checkpoints")).length).toBeGreaterThan(0);
      expect(existsSync(join(folder, out, "lock"))).toBe(false);
    } else expect(code === null || code === codes[signal], String(code)).toBe(true);
    await gone(alive);
  });
});

const ended = { SIGINT: 130, SIGTERM: 143 } as const;
describe.each(["SIGINT", "SIGTERM"] as const)("%s", (signal) => {
  it.each([
    ["coord-check", ["--sizes", "64,128,256,512"], /^width 64$/m, 2],
    ["plan", [], /^timing steps of the proxies/m, 3],
  ] as const)("ends a %s at once, with its workers, and says that nothing is kept", async (command, options, begun, processes) => {
    const { env, alive } = marked();
    const out = `${command} ${signal}`;
    const running = start([command, slow, ...options, "--out", out], { cwd: folder, env });
    await until(() => begun.test(running.stderr()) && alive().length === processes);
    // All of them get it from a terminal; the parent last, since it ends the others.
    for (const pid of alive()) if (pid !== running.child.pid) process.kill(pid, signal);
    running.child.kill(signal);
    await gone(alive);
    const { code, stderr } = await running.finished;
    expect(code).toBe(ended[signal]);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe("interrupted: nothing was written");
    expect(existsSync(join(folder, out))).toBe(false);
  });
});

describe("after the close", () => {
  const loaded = join(folder, "loaded");
  const entry = join(folder, "noisy.mjs");
  writeFileSync(
    entry,
    `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(loaded)}, ""); process.on("message", () => undefined);`,
  );
  const clock = { host: engineHost(), note: () => undefined, now: () => 0, workerScript: entry };

  it("no worker starts, however late it is found out which engines are worth trying", async () => {
    let answer: () => void = () => undefined;
    const late = new Promise<void>((resolve) => (answer = resolve));
    const registry = { ...engines, webgpu: { ...engines.webgpu, hopeless: () => late.then(() => "not here") } };
    const chooser = new Engines({}, { ...clock, registry });
    const warming = chooser.warm();
    const plan = await readPlan({ text: slowText, file: "slow.yaml", directory: folder }, join(folder, "cache"));
    const choosing = chooser.choose({ plan, trials: openingTrials(plan.spec), of: "proxies", size: sizesOf(plan.spec).proxy });
    chooser.close();
    answer();
    await warming;
    await expect(choosing).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(existsSync(loaded)).toBe(false);
  });

  it("a worker that started before has ended", async () => {
    const chooser = new Engines({ engine: cpuEngine, jobs: 2 }, clock);
    await chooser.warm();
    await until(() => existsSync(loaded));
    chooser.close();
    await until(
      () =>
        !readdirSync("/proc").some((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(entry);
          } catch {
            return false;
          }
        }),
      5000,
    );
  });
});
