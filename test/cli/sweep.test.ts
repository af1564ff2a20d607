/** Sweep and transfer through the built command line, as a user runs them. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import type { Results } from "../../src/run/results.ts";
import { bin, run, start, until, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { resultsFileOf } from "../support/results.ts";
import { tolerances } from "../tolerances.ts";
import { hasNative } from "../support/native.ts";

const folder = temporaryFolder();
const smoke = fileURLToPath(new URL("../../configs/smoke.yaml", import.meta.url));
const tiny = `name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: 400, batch: 4, evaluate: {every: 100, batches: 2}}
search: {confirm: false, trials: 6, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}}}
`;
const spec = (name: string, text = tiny): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const cli = (...args: string[]): Promise<Finished> => run(args, folder);
const bytes = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");
const resultsIn = (...path: string[]): Results => JSON.parse(bytes(...path, "results.json")) as Results;

interface TransferFile {
  readonly hyperparameters: Readonly<Record<string, number>>;
  readonly width: number;
  readonly parameters: number;
  readonly validation_loss: number;
  readonly proxy_validation_loss: number;
  readonly curve: Results["trials"][number]["curve"];
  readonly tensors: readonly { readonly name: string; readonly init_std: number; readonly learning_rate: number }[];
}
const transferIn = (...path: string[]): TransferFile => JSON.parse(bytes(...path, "transfer.json")) as TransferFile;

describe("the smoke config", () => {
  let swept: Finished;
  let transferred: Finished;
  let seconds: number;
  beforeAll(async () => {
    const started = Date.now();
    swept = await cli("sweep", smoke, "--out", "smoke");
    transferred = await cli("transfer", "--best", "smoke/results.json");
    seconds = (Date.now() - started) / 1000;
  });

  it("sweeps and transfers in under 20 seconds", () => {
    expect([swept.code, transferred.code], swept.stderr + transferred.stderr).toEqual([0, 0]);
    expect(seconds).toBeLessThan(20);
  });

  it("ranks the trials on stdout and names the winner and the next command", () => {
    const { best, confirmation } = resultsIn("smoke");
    const lines = swept.stdout.split("\n");
    expect(lines[0]).toMatch(/^ *rank +trial +fresh seeds +first run +learning_rate +output_multiplier$/);
    expect(Number(lines[1].trim().split(/ +/)[1])).toBe(best?.trial);
    expect(Number(lines[1].trim().split(/ +/)[2])).toBeCloseTo(best?.validation_loss ?? 0, 4);
    expect(confirmation.map(({ losses }) => losses.map(({ seed }) => seed))).toEqual([
      [2, 3],
      [2, 3],
    ]);
    const losses = lines.slice(3, 7).map((line) => Number(line.trim().split(/ +/)[2]));
    expect(losses).toEqual([...losses].sort((a, b) => a - b));
    expect(swept.stdout).toContain(`winner: trial ${best?.trial}`);
    expect(swept.stdout).toContain("next: mutransfer transfer --best smoke/results.json");
    expect(swept.stdout + swept.stderr).not.toContain("\u001b");
  });

  it("writes results.json, trials.csv and the journal", () => {
    const { version, spec: complete, trials, cost, environment } = resultsIn("smoke");
    expect(version).toBe(4);
    expect(complete.model.zero_init).toEqual(["readout", "query"]);
    expect(trials.slice(0, 6).map(({ id, seed, status }) => [id, seed, status])).toEqual(
      [0, 1, 2, 3, 4, 5].map((id) => [id, 1, "completed"]),
    );
    expect(trials.slice(6).map(({ seed }) => seed)).toEqual([2, 3, 2, 3]);
    for (const { curve } of trials) {
      expect(curve.map(({ step }) => step)).toEqual([0, 50, 100, 150]);
      expect(curve[0]?.validation_loss).toBeCloseTo(Math.log(256), 5);
    }
    expect(cost.ratio).toBeCloseTo(cost.proxy_flops / cost.target_flops, 12);
    if (hasNative) expect(environment.engine).toMatch(/^native [0-9a-f]{8}, [\w-]+, (gcc|clang) \d+$/);
    expect(bytes("smoke", "trials.csv").trim().split("\n").length).toBe(11);
    expect(bytes("smoke", "journal.jsonl").trim().split("\n").length).toBe(11);
    expect(readdirSync(join(folder, "smoke")).sort()).toEqual([
      "journal.jsonl",
      "probe.json",
      "results.json",
      "transfer.json",
      "trials.csv",
      "weights.safetensors",
    ]);
  });

  it("trains the target with the winner's hyperparameters, unchanged, and better than the proxy", () => {
    const { best } = resultsIn("smoke");
    const target = transferIn("smoke");
    expect(target.hyperparameters).toEqual(best?.hyperparameters);
    expect(target.width).toBe(48);
    expect(target.proxy_validation_loss).toBe(best?.validation_loss);
    expect(target.validation_loss).toBeLessThan((best?.validation_loss ?? NaN) - 0.02);
    expect(target.validation_loss).toBe(target.curve.at(-1)?.validation_loss);
    const hidden = target.tensors.find(({ name }) => name === "blocks.0.mlp.up.weight");
    expect(hidden?.learning_rate).toBeCloseTo((best?.hyperparameters["learning_rate"] ?? NaN) / 3, 12);
    expect(hidden?.init_std).toBeCloseTo(1 / Math.sqrt(48), 12);
  });

  it("writes weights that hold every parameter", () => {
    const file = readFileSync(join(folder, "smoke", "weights.safetensors"));
    const { __metadata__: metadata, ...tensors } = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString()) as Record<
      string,
      { shape: number[] }
    >;
    const sizes = Object.values(tensors).map(({ shape }) => shape.reduce((a, b) => a * b));
    expect(sizes.reduce((a, b) => a + b)).toBe(transferIn("smoke").parameters);
    expect(Object.keys(metadata ?? {})).toContain("forward");
  });

  it("reproduces the winner's curve bit for bit at the proxy's own width", async () => {
    expect((await cli("transfer", "--best", "smoke/results.json", "--width", "16", "--out", "own")).code).toBe(0);
    const { best, trials } = resultsIn("smoke");
    expect(transferIn("own").curve).toEqual(trials.find(({ id }) => id === best?.trial)?.curve);
  });

  it("gives the same bytes again, with one job as with two", async () => {
    expect((await cli("sweep", smoke, "--out", "again/smoke", "--jobs", "1", "-q")).stderr).toBe("");
    const same = (text: string): string => text.replace(/"(digest|data_directory)": ".*"/g, "");
    expect(same(bytes("again", "smoke", "results.json"))).toBe(same(bytes("smoke", "results.json")));
  });

  it("gives the same ranking and losses in stacks of 4 as one by one", async () => {
    expect((await cli("sweep", smoke, "--out", "stacked", "--stack", "4", "-q")).code).toBe(0);
    const [one, four] = [resultsIn("smoke"), resultsIn("stacked")];
    one.trials.forEach((trial, id) =>
      expect(Math.abs((trial.validation_loss ?? NaN) - (four.trials[id]?.validation_loss ?? NaN))).toBeLessThan(tolerances.stackedRun),
    );
    expect(four.best?.trial).toBe(one.best?.trial);
  });

  it("is not overwritten by another target, and its results are refused once edited", async () => {
    const other = await cli("transfer", "--best", "smoke/results.json", "--width", "32");
    expect([other.code, other.stderr]).toEqual([3, expect.stringContaining("holds the target of width 48")]);
    writeFileSync(
      join(folder, "smoke", "edited.json"),
      bytes("smoke", "results.json").replace(/"learning_rate": 0\./, '"learning_rate": 1.'),
    );
    const edited = await cli("transfer", "--best", "smoke/edited.json", "--out", "never");
    expect([edited.code, edited.stdout]).toEqual([3, ""]);
    expect(edited.stderr).toContain("results_edited");
    expect(existsSync(join(folder, "never"))).toBe(false);
  });
});

describe("output for programs", () => {
  it("--json prints results.json and nothing else on stdout", async () => {
    const { stdout, code } = await cli("sweep", spec("json.yaml"), "--out", "json", "--json");
    expect(code).toBe(0);
    expect(stdout).toBe(bytes("json", "results.json"));
    const transfer = await cli("transfer", "--best", "json/results.json", "--json", "-q");
    expect([transfer.stdout, transfer.stderr]).toEqual([bytes("json", "transfer.json"), ""]);
  });

  it("--events ndjson streams one object a line", async () => {
    const { stdout } = await cli("sweep", spec("events.yaml"), "--out", "events", "--events", "ndjson", "-q");
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    expect(events[0]).toMatchObject({ event: "sweep_started", trials: 6, resumed: 0 });
    expect(events.filter(({ event }) => event === "trial_finished").length).toBe(6);
    expect(events.at(-1)).toMatchObject({ event: "sweep_finished", best: resultsIn("events").best });
  });

  it.skipIf(!hasNative)("without a C compiler uses onnxruntime, says so in one line, and ranks alike", async () => {
    const env = { PATH: "/nowhere", MUTRANSFER_CACHE: join(folder, "cache without a library") };
    const { code, stderr } = await run(["sweep", smoke, "--out", "plain"], folder, env);
    expect(code).toBe(0);
    expect(stderr.split("\n").filter((line) => /C compiler/.test(line))).toEqual([
      expect.stringMatching(/^not using native: the native engine needs a C compiler; install one/),
    ]);
    const [plain, native] = [resultsIn("plain"), resultsIn("smoke")];
    expect([plain.environment.engine.split(" ")[0], plain.best?.trial]).toEqual(["onnxruntime-node", native.best?.trial]);
    plain.trials.forEach(({ validation_loss: loss }, id) =>
      expect(Math.abs((loss ?? NaN) - (native.trials[id]?.validation_loss ?? NaN))).toBeLessThan(tolerances.stackedRun),
    );
    const named = await run(["sweep", smoke, "--out", "named", "--engine", "native"], folder, env);
    expect([named.code, named.stderr]).toEqual([7, expect.stringContaining("needs a C compiler")]);
  });

  it("has colour only when asked for", async () => {
    const coloured = await run(["sweep", spec("colour.yaml"), "--out", "colour"], folder, { FORCE_COLOR: "1" });
    expect(coloured.stdout).toContain("\u001b[1m");
    const plain = await run(["sweep", spec("colour.yaml"), "--out", "colour"], folder, { FORCE_COLOR: "1", NO_COLOR: "1" });
    expect(plain.stdout + plain.stderr).not.toContain("\u001b");
  });

  it("survives a reader that goes away", () => {
    const bin = fileURLToPath(new URL("../../bin/mutransfer.js", import.meta.url));
    const text = execFileSync("sh", ["-c", `"${process.execPath}" "${bin}" schema 2>&1 | head -1`], { cwd: folder, encoding: "utf8" });
    expect(text).toBe("{\n");
  });
});

describe("what goes wrong", () => {
  it("a wild learning rate is a diverged trial, ranked last, and not an error", async () => {
    const { code, stdout } = await cli(
      "sweep",
      spec(
        "wild.yaml",
        tiny.replace("{distribution: log_uniform, min: 0.01, max: 0.1}", "{values: [0.03, 1.0e+30]}").replace("trials: 6", "trials: 2"),
      ),
      "--out",
      "wild",
    );
    expect(code).toBe(0);
    const { trials, best } = resultsIn("wild");
    const diverged = trials.find(({ hyperparameters }) => hyperparameters["learning_rate"] === 1e30);
    expect(diverged).toMatchObject({ status: "diverged", validation_loss: null });
    expect(diverged?.steps).toBeLessThan(400);
    expect(best?.hyperparameters["learning_rate"]).toBe(0.03);
    expect(stdout).toMatch(/diverged/);
    expect(bytes("wild", "results.json")).not.toContain("NaN");
  });

  it("a sweep in which nothing survives exits 5, and cannot be transferred", async () => {
    const { code } = await cli(
      "sweep",
      spec(
        "lost.yaml",
        tiny.replace("{distribution: log_uniform, min: 0.01, max: 0.1}", "{value: 1.0e+30}").replace("trials: 6", "trials: 1"),
      ),
      "--out",
      "lost",
    );
    expect(code).toBe(5);
    expect(resultsIn("lost").best).toBeNull();
    expect((await cli("transfer", "--best", "lost/results.json")).code).toBe(5);
  });

  it("a target that diverges exits 5, and transfer.json says so", async () => {
    const plan = await readPlan({ text: tiny, file: "tiny.yaml", directory: folder }, join(folder, "cache"));
    const { trials, environment } = resultsIn("wild");
    const wild = trials.find(({ hyperparameters }) => hyperparameters["learning_rate"] === 1e30) as Results["trials"][number];
    mkdirSync(join(folder, "doomed"));
    writeFileSync(
      join(folder, "doomed", "results.json"),
      resultsFileOf(plan, [{ ...wild, status: "completed", validation_loss: 2 }], environment),
    );
    const { code, stdout } = await cli("transfer", "--best", "doomed/results.json", "--force");
    expect([code, stdout]).toEqual([5, expect.stringContaining("the target of width 16 diverged")]);
    expect(transferIn("doomed")).toMatchObject({ status: "diverged", validation_loss: null });
  });

  it("a diverged lane leaves its neighbours in the stack as they are", async () => {
    const text = tiny
      .replace("{distribution: log_uniform, min: 0.01, max: 0.1}", "{values: [0.03, 1.0e+30]}")
      .replace("trials: 6", "trials: 2");
    expect((await cli("sweep", spec("lane.yaml", text), "--out", "lane", "--stack", "2", "-q")).code).toBe(0);
    expect((await cli("sweep", spec("lane.yaml", text), "--out", "lanes", "--stack", "1", "-q")).code).toBe(0);
    const loss = (name: string): number => resultsIn(name).best?.validation_loss ?? NaN;
    expect(Math.abs(loss("lane") - loss("lanes"))).toBeLessThan(tolerances.stackedRun);
  });

  it.each([
    ["Ctrl-C", 130, "SIGINT"],
    ["termination", 143, "SIGTERM"],
  ] as const)(
    "%s stops at a checkpoint with exit %i, and the same command ends as if nothing had happened",
    async (_, exitCode, signal) => {
      const long = spec("interrupted.yaml", tiny.replace("name: tiny", "name: interrupted"));
      const running = start(["sweep", long, "--out", signal], { cwd: folder });
      await until(() => existsSync(join(folder, signal, "journal.jsonl")) && bytes(signal, "journal.jsonl").split("\n").length > 2);
      running.child.kill(signal);
      const { code, stderr } = await running.finished;
      expect([code, stderr]).toEqual([exitCode, expect.stringContaining("the same command continues from there")]);
      const continued = await cli("sweep", long, "--out", signal);
      expect(continued.stderr).toMatch(/continuing: [1-5] of 6/);
      expect((await cli("sweep", long, "--out", "uninterrupted", "-q")).code).toBe(0);
      expect(bytes(signal, "results.json")).toBe(bytes("uninterrupted", "results.json"));
    },
  );

  it("a killed worker costs its stack's work and nothing else", async () => {
    const long = spec("killed.yaml", tiny.replace("name: tiny", "name: killed"));
    const running = start(["sweep", long, "--out", "killed", "--jobs", "2"], { cwd: folder });
    const children = (): number[] => {
      try {
        return execFileSync("pgrep", ["-P", String(running.child.pid)], { encoding: "utf8" })
          .trim()
          .split("\n")
          .map(Number);
      } catch {
        return [];
      }
    };
    await until(
      () =>
        existsSync(join(folder, "killed", "journal.jsonl")) &&
        bytes("killed", "journal.jsonl").split("\n").length > 1 &&
        children().length > 0,
    );
    process.kill(children()[0], "SIGKILL");
    const { code, stderr } = await running.finished;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/is tried again \(attempt 2\): the worker process was killed by SIGKILL/);
    expect((await cli("sweep", long, "--out", "unharmed", "-q")).code).toBe(0);
    expect(bytes("killed", "results.json")).toBe(bytes("unharmed", "results.json"));
  });

  it("another spec in the same folder is refused with exit 3", async () => {
    expect((await cli("sweep", spec("mine.yaml"), "--out", "mine", "-q")).code).toBe(0);
    const before = bytes("mine", "results.json");
    const { code, stderr } = await cli("sweep", spec("mine.yaml", tiny.replace("400", "401")), "--out", "mine");
    expect([code, stderr]).toEqual([3, expect.stringContaining("another spec")]);
    expect(bytes("mine", "results.json")).toBe(before);
  });

  it("results without their journal are not overwritten by another sweep", async () => {
    mkdirSync(join(folder, "kept"));
    writeFileSync(join(folder, "kept", "results.json"), bytes("smoke", "results.json"));
    const { code, stderr } = await cli("sweep", spec("mine.yaml"), "--out", "kept");
    expect([code, stderr]).toEqual([3, expect.stringContaining("other_results")]);
    expect(bytes("kept", "results.json")).toBe(bytes("smoke", "results.json"));
  });

  it("a target narrower than the proxy is refused", async () => {
    const { code, stderr } = await cli("transfer", "--best", "smoke/results.json", "--width", "8", "--out", "narrow");
    expect([code, stderr]).toEqual([2, expect.stringContaining("target_smaller_than_proxy")]);
    expect(existsSync(join(folder, "narrow"))).toBe(false);
  });

  it("a model beyond the machine's memory is refused before it is started", async () => {
    const { code, stderr } = await cli("transfer", "--best", "smoke/results.json", "--width", "131072", "--out", "huge");
    expect([code, stderr]).toEqual([2, expect.stringContaining("does_not_fit")]);
  });

  it("a target beside something else of that name is refused, and data that moved away is explained", async () => {
    writeFileSync(join(folder, "kept", "transfer.json"), "null");
    const beside = await cli("transfer", "--best", "smoke/results.json", "--out", "kept");
    expect([beside.code, beside.stderr]).toEqual([3, expect.stringContaining("is not a transfer.json")]);
  });

  it.runIf(existsSync("/dev/full"))("a full disk behind stdout is exit 6 and one line", () => {
    const full = spawnSync("sh", ["-c", `'${process.execPath}' '${bin}' schema > /dev/full`], { encoding: "utf8" });
    expect([full.status, full.stderr.trim().split("\n").length]).toEqual([6, 1]);
  });

  it("a run folder that cannot be made is exit 6", async () => {
    writeFileSync(join(folder, "file"), "");
    const { code, stderr } = await cli("sweep", spec("blocked.yaml"), "--out", "file/run");
    expect(code).toBe(6);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("changed data is refused by transfer", async () => {
    writeFileSync(join(folder, "mine.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(40));
    expect((await cli("sweep", spec("data.yaml", tiny.replace("moby-dick", "{files: [mine.txt]}")), "--out", "data", "-q")).code).toBe(0);
    writeFileSync(join(folder, "mine.txt"), "THE quick brown fox jumps over the lazy dog. ".repeat(40));
    const { code, stderr } = await cli("transfer", "--best", "data/results.json");
    expect([code, stderr]).toEqual([3, expect.stringContaining("data_changed")]);
    renameSync(join(folder, "mine.txt"), join(folder, "moved.txt"));
    const moved = await cli("transfer", "--best", "data/results.json");
    expect([moved.code, moved.stderr]).toEqual([2, expect.stringContaining(`relative to ${folder}`)]);
  });
});

describe("early stopping", () => {
  const stopping = tiny
    .replace("trials: 6", "trials: 9, early_stopping: {method: halving, reduction: 3, first: 45}")
    .replace("confirm: false", "confirm: {top: 2, seeds: 2}");

  it("trains the survivors on from where they were, bit for bit as if nothing had been stopped, in any stacks", async () => {
    await cli("sweep", spec("stopping.yaml", stopping), "--out", "stopped", "-q");
    await cli("sweep", spec("whole.yaml", tiny.replace("trials: 6", "trials: 9")), "--out", "whole", "-q");
    const whole = resultsIn("whole").trials;
    const { trials, analysis, best } = resultsIn("stopped");
    const first = trials.filter(({ seed }) => seed === 1);
    expect(first.filter(({ status }) => status === "completed")).toHaveLength(1);
    expect(first.filter(({ status }) => status === "stopped")).toHaveLength(8);
    for (const { id, steps, curve, validation_loss: loss } of first) {
      const same = whole.find((trial) => trial.id === id);
      const known = new Set(same?.curve.map(({ step }) => step));
      const compared = curve.filter(({ step }) => known.has(step)).map(({ step, validation_loss: each }) => [step, each]);
      expect(compared).toEqual(same?.curve.filter(({ step }) => step <= steps).map(({ step, validation_loss: each }) => [step, each]));
      if (steps === 400) expect(loss).toBe(same?.validation_loss);
    }
    expect(analysis.steps.spared).toBeGreaterThan(analysis.steps.made);
    expect(analysis.rungs.map(({ trials: count, kept }) => [count, kept])).toEqual([
      [9, 3],
      [3, 1],
    ]);
    expect(best?.standard_error).not.toBeNull();
    await cli("sweep", "stopping.yaml", "--out", "compacted", "-q", "--stack", "4");
    expect(bytes("compacted", "results.json")).toBe(bytes("stopped", "results.json"));
    expect(readdirSync(join(folder, "stopped"))).not.toContain("checkpoints");
  });
});

it("says what may mislead of a spec that is swept, also of one that says what curves to draw", async () => {
  const parameters = "{learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}, output_multiplier: {value: 1}}";
  const text = `${tiny.replace("steps: 400", "steps: 100").replace(/parameters: .*/, `parameters: ${parameters}}`)}
curves: {widths: [8, 16], learning_rates: {min: 0.01, max: 0.1, count: 4}, seeds: 1}
`;
  const name = spec("curved.yaml", text);
  const note = /output_multiplier is fixed at 1/;
  expect((await cli("sweep", name, "--out", "curved")).stderr).toMatch(note);
  expect((await cli("retry", "curved", "0")).stderr).toMatch(note);
  const drawn = await cli("curves", name, "--out", "curves");
  // One seed is inconclusive.
  expect([drawn.code, note.test(drawn.stderr)]).toEqual([9, false]);
});
