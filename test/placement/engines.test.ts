/** Which engine a command takes, what it says of it, and what it does when the memory does not suffice. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nvidiaGpus, vulkanDevices } from "../../src/engines/gpus.ts";
import type { Diagnosis } from "../../src/studies/doctor.ts";
import { rankTrials } from "../../src/sweep/select.ts";
import { summaryOf } from "../../src/run/state.ts";
import type { Results } from "../../src/run/results.ts";
import { bin, run, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tolerances } from "../tolerances.ts";
import { hasNative } from "../support/native.ts";

const folder = temporaryFolder();
const cli = (...args: string[]): Promise<Finished> => run(args, folder);
const devices = await vulkanDevices();
const hasGpu = nvidiaGpus(process.env).length > 0 || devices.some(({ isGpu }) => isGpu);
const needsDriver = "the cuda engine needs an NVIDIA GPU and its driver: ";
const resultsIn = (name: string): Results => JSON.parse(readFileSync(join(folder, name, "results.json"), "utf8")) as Results;
const ranking = (name: string): readonly number[] =>
  rankTrials(resultsIn(name).trials.map((trial) => summaryOf(trial, { offset: 0, bytes: 0 }))).map(({ id }) => id);

writeFileSync(
  join(folder, "sixteen.yaml"),
  `name: sixteen
data: {source: moby-dick, tokenizer: characters}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: 60, batch: 4, evaluate: {every: 60, batches: 4}}
search: {confirm: false, trials: 16, parameters: {learning_rate: {distribution: log_uniform, min: 0.001, max: 0.1}, output_multiplier: {value: 4}}}
`,
);

describe.skipIf(!hasNative)("doctor", () => {
  it("lists every engine with its device and version, and what each missing one needs", async () => {
    const { code, stdout } = await cli("doctor", "--json");
    const { engines, cpu } = JSON.parse(stdout) as Diagnosis;
    const state = (name: string): Diagnosis["engines"][number] | undefined => engines.find((each) => each.name === name);
    expect(code).toBe(0);
    expect(engines.map(({ name }) => name)).toEqual(["cuda", "tfjs", "webgpu", "native", "onnxruntime"]);
    expect(state("native")).toMatchObject({ usable: true, device: { kind: "cpu" } });
    expect(state("native")?.version).toMatch(/^native [0-9a-f]{8}, [\w-]+, (gcc|clang) \d+$/);
    expect(cpu).toContain(state("native")?.device?.name);
    expect(state("onnxruntime")?.version).toMatch(/^onnxruntime-node \d/);
    for (const { usable, reason } of engines) if (!usable) expect(reason).toMatch(/need|install/);
    if (!hasGpu) expect(state("cuda")?.reason).toContain(needsDriver);
    if (devices.length === 0) expect(state("webgpu")?.reason).toContain("Vulkan");
  });
  it("says the same to people", async () => {
    const { stdout } = await cli("doctor");
    expect(stdout).toMatch(/^ *native +ready/m);
    if (!hasGpu) expect(stdout).toMatch(/^ *cuda +missing/m);
  });
});

describe("the engine", () => {
  it.skipIf(hasGpu)("that is named and cannot run is exit 7, with the missing piece", async () => {
    for (const command of [["sweep"], ["plan"]]) {
      const { code, stdout, stderr } = await cli(...command, "sixteen.yaml", "--engine", "cuda", "--out", "absent");
      expect(code).toBe(7);
      // What is counted needs no engine.
      expect(stdout).toMatch(command[0] === "plan" ? /^sixteen: 16 random trials/ : /^$/);
      expect(stderr).toContain(needsDriver);
      expect(existsSync(join(folder, "absent", "results.json"))).toBe(false);
    }
  });

  it("that was taken is said in a line, with -v also what was timed, and is remembered in the run folder", async () => {
    const first = await cli("sweep", "sixteen.yaml", "--out", "remembered", "-v");
    expect(first.stderr).toMatch(/^engine: (native|onnxruntime) on .+; \d+ models? at a time/m);
    const table = /^ *engine +stack +at a time[^]*?chosen$/m.exec(first.stderr)?.[0] ?? "";
    expect(table).toContain("steps/s");
    const again = await cli("retry", "remembered", "0", "-v");
    expect(again.stderr).toContain(table);
    const planned = await cli("plan", "sixteen.yaml", "--out", "remembered");
    expect(planned.stdout).toContain(table);
    writeFileSync(join(folder, "remembered", "probe.json"), "{ damaged");
    expect((await cli("sweep", "sixteen.yaml", "--out", "remembered")).code).toBe(0);
  });
});

describe("stacks", () => {
  it("of 1, 4 and 16 trials rank a sweep alike, and differ by rounding only", async () => {
    for (const size of ["1", "4", "16"]) {
      const { code, stderr } = await cli("sweep", "sixteen.yaml", "--out", `of${size}`, "--engine", "onnxruntime", "--stack", size, "-q");
      expect([code, stderr]).toEqual([0, ""]);
    }
    for (const other of ["of4", "of16"]) {
      expect(ranking(other)).toEqual(ranking("of1"));
      resultsIn(other).trials.forEach(({ validation_loss: loss }, id) =>
        expect(Math.abs((loss ?? NaN) - (resultsIn("of1").trials[id]?.validation_loss ?? NaN))).toBeLessThan(tolerances.stackedRun),
      );
    }
  });

  it.skipIf(devices.length === 0)("on WebGPU rank as on the CPU", async () => {
    const text = readFileSync(join(folder, "sixteen.yaml"), "utf8").replace("steps: 60", "steps: 8").replace("every: 60", "every: 8");
    writeFileSync(join(folder, "short.yaml"), text);
    for (const [engine, stack] of [
      ["webgpu", "16"],
      ["native", "1"],
    ] as const)
      expect((await cli("sweep", "short.yaml", "--out", engine, "--engine", engine, "--stack", stack, "-q")).stderr).toBe("");
    expect(ranking("webgpu")).toEqual(ranking("native"));
  });

  const limits = spawnSync("prlimit", ["--version"]).status === 0;
  it.skipIf(!limits)("that do not fit the memory are halved until they do", async () => {
    const text = `name: big
data: {source: moby-dick}
width: {proxy: 64, target: 128}
train: {steps: 3, batch: 16, evaluate: {every: 3, batches: 1}}
search: {confirm: false, trials: 16, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}}}
`;
    writeFileSync(join(folder, "big.yaml"), text);
    const args = ["sweep", "big.yaml", "--engine", "onnxruntime", "--stack", "16", "--jobs", "1", "-q"];
    const whole = await cli(...args, "--out", "whole");
    expect(whole.code).toBe(0);
    const limited = spawnSync("prlimit", [`--data=${420 * 2 ** 20}`, process.execPath, bin, ...args.slice(0, -1), "--out", "limited"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect([limited.status, limited.stderr]).toEqual([0, expect.stringMatching(/does not fit the memory/)]);
    expect(ranking("limited")).toEqual(ranking("whole"));
  });
});
