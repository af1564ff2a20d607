/** The command line with `--engine cuda`, on the stand-in for NVIDIA's driver: a run from its sweep to its target, and what goes wrong. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Results } from "../../src/run/results.ts";
import { start, until, type Finished, type Running } from "../support/cli.ts";
import { library, missing } from "../support/cuda.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { tolerances } from "../tolerances.ts";

const folder = temporaryFolder();
const spec = (name: string, { trials = 3, steps = 20, precision = "float32" }): string => {
  const text = `name: ${name}
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: ${steps}, batch: 4, precision: ${precision}, evaluate: {every: ${steps}, batches: 2}}
search: {confirm: false, trials: ${trials}, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}, output_multiplier: {value: 4}}}
`;
  writeFileSync(join(folder, `${name}.yaml`), text);
  return `${name}.yaml`;
};
type Emulated = Readonly<Record<`EMULATED_${string}` | `MUTRANSFER_${string}`, string>>;
const begun = (args: readonly string[], emulated: Partial<Emulated> = {}): Running =>
  start(args, { cwd: folder, env: { MUTRANSFER_LIBCUDA: library ?? "", ...emulated } });
const cli = (args: readonly string[], emulated?: Partial<Emulated>): Promise<Finished> => begun(args, emulated).finished;
const bytes = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");
const resultsIn = (name: string): Results => JSON.parse(bytes(name, "results.json")) as Results;
const onCuda = ["--engine", "cuda", "--stack"];

describe.skipIf(missing !== undefined)(`cuda on the command line${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it("sweeps in a stack and trains the target as the CPU does", async () => {
    const name = spec("both", {});
    const swept = await cli(["sweep", name, ...onCuda, "3", "--checkpoint", "5", "--out", "cuda"]);
    expect([swept.code, swept.stderr]).toEqual([0, expect.stringContaining("engine: cuda on emulated GPU (as asked for); 1 stack of 3")]);
    expect((await cli(["sweep", name, "--engine", cpuEngine, "--out", "cpu", "-q"])).code).toBe(0);
    const [here, there] = [resultsIn("cuda"), resultsIn("cpu")];
    expect(here.best?.trial).toBe(there.best?.trial);
    expect(here.environment.device).toBe("gpu: emulated GPU");
    expect(here.environment.engine).toMatch(/^cuda [0-9a-f]{8}, sm_90, driver for CUDA 13\.0$/);
    here.trials.forEach(({ validation_loss: loss }, id) =>
      expect(Math.abs((loss ?? NaN) - (there.trials[id]?.validation_loss ?? NaN))).toBeLessThan(tolerances.stackedRun),
    );
    for (const [run, engine] of [
      ["cuda", "cuda"],
      ["cpu", cpuEngine],
    ] as const)
      expect((await cli(["transfer", "--best", `${run}/results.json`, "--engine", engine, "-q"])).code).toBe(0);
    const [target, other] = ["cuda", "cpu"].map((run) => JSON.parse(bytes(run, "transfer.json")) as { readonly validation_loss: number });
    expect(Math.abs(target.validation_loss - other.validation_loss)).toBeLessThan(tolerances.stackedRun);
  });

  it("goes on after SIGKILL as if nothing had happened", async () => {
    const name = spec("killed", { steps: 60, trials: 4 });
    const args = ["sweep", name, ...onCuda, "2", "--checkpoint", "5"];
    const running = begun([...args, "--out", "killed"]);
    const checkpoints = join(folder, "killed", "checkpoints");
    await until(() => existsSync(checkpoints) && readdirSync(checkpoints).some((each) => each.endsWith(".safetensors")));
    running.child.kill("SIGKILL");
    expect((await running.finished).code).toBeNull();
    expect(existsSync(join(folder, "killed", "results.json"))).toBe(false);
    const continued = await cli([...args, "--out", "killed"]);
    expect([continued.code, continued.stderr]).toEqual([0, expect.stringMatching(/going on from|continuing/)]);
    expect((await cli([...args, "--out", "unharmed", "-q"])).code).toBe(0);
    expect(bytes("killed", "results.json")).toBe(bytes("unharmed", "results.json"));
  });

  it("halves a stack that the memory turns out not to hold, says so and ends right", async () => {
    const args = ["sweep", spec("big", { trials: 8 }), ...onCuda, "8"];
    const halved = await cli([...args, "--out", "halved"], { EMULATED_TAKEN: String(4096 * 1024 - 2500) });
    const whole = await cli([...args, "--out", "whole", "-q"]);
    // That of a winner at an edge, whichever way the stack was trained.
    expect([halved.code, halved.stderr]).toEqual([
      whole.code,
      expect.stringMatching(/does not fit the memory: going on with stacks of 4 \(.*CUDA_ERROR_OUT_OF_MEMORY/),
    ]);
    expect([0, 5]).toContain(whole.code);
    expect(resultsIn("halved").trials.map(({ validation_loss: loss }) => loss)).toEqual(
      resultsIn("whole").trials.map(({ validation_loss: loss }) => loss),
    );
  });

  it.each<[string, Partial<Emulated>, string]>([
    ["no GPU", { EMULATED_DEVICES: "0" }, "the cuda engine cannot use NVIDIA's driver: cuInit: CUDA_ERROR_NO_DEVICE"],
    ["no driver", { MUTRANSFER_LIBCUDA: "/nowhere/libcuda.so" }, "the cuda engine needs an NVIDIA GPU and its driver: "],
    [
      "an old driver",
      { EMULATED_DRIVER: "11030" },
      "the cuda engine needs an NVIDIA driver for CUDA 11.4 (470) or newer; this one is for 11.3",
    ],
    [
      "a trial of no kind of products",
      { MUTRANSFER_CUDA_PRODUCTS: "fp4" },
      "MUTRANSFER_CUDA_PRODUCTS is one of f32, tf32, tf32x3, bf16, not fp4",
    ],
    ["a trial of half a lane", { MUTRANSFER_CUDA_LANES: "1.5" }, "MUTRANSFER_CUDA_LANES is a number of models, not 1.5"],
    [
      "products that the GPU has not",
      { MUTRANSFER_CUDA_PRODUCTS: "bf16", EMULATED_CAPABILITY: "75" },
      "emulated GPU has no products in bf16",
    ],
    ["a GPU of 2017", { EMULATED_CAPABILITY: "70" }, "the cuda engine needs compute capability 7.5 or newer; emulated GPU has 7.0"],
  ])("%s is exit 7 and one sentence", async (_, emulated, sentence) => {
    const { code, stdout, stderr } = await cli(["sweep", spec("absent", {}), ...onCuda, "3", "--out", "absent"], emulated);
    expect([code, stdout]).toEqual([7, ""]);
    expect(stderr.split("\n").filter((line) => line.includes(sentence))).toEqual([expect.stringMatching(/ \[engine_unavailable\]$/)]);
    expect(existsSync(join(folder, "absent", "results.json"))).toBe(false);
  });

  it.each<[string, Partial<Emulated>]>([
    ["the oldest driver", { EMULATED_DRIVER: "11040" }],
    ["a GPU without products of rounded operands", { EMULATED_CAPABILITY: "75" }],
  ])("%s does", async (which, emulated) => {
    const args = ["sweep", spec("mixed", { precision: "mixed" }), ...onCuda, "3"];
    expect((await cli([...args, "--out", which, "-q"], emulated)).code).toBe(0);
    const isRounded = emulated.EMULATED_CAPABILITY === undefined;
    expect(resultsIn(which).environment.engine.endsWith(", bfloat16 products")).toBe(isRounded);
    expect((await cli(["sweep", spec("exact", {}), ...onCuda, "3", "--out", `${which}, exact`, "-q"], emulated)).code).toBe(0);
    const losses = ["", ", exact"].map((each) => resultsIn(which + each).trials.map(({ validation_loss: loss }) => loss));
    if (isRounded) expect(losses[0]).not.toEqual(losses[1]);
    else expect(losses[0]).toEqual(losses[1]);
  });

  it("is checked as a card will be, by what will be run on one first", async () => {
    const env = { ...process.env, MUTRANSFER_LIBCUDA: library };
    const check = ["dist/bench/gpu-check.js", "--small", "--only", "losses", "--out", folder];
    const { stdout } = await promisify(execFile)(process.execPath, check, { env }); // rejects when anything is wrong
    expect(stdout).toMatch(/^[1-9]\d* findings, 0 wrong/m);
  });
});
