/** A run folder through the command line: who may use it, what is known of it, and what can be done with it. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { StatusView } from "../../src/report/status.ts";
import type { Results } from "../../src/run/results.ts";
import { bin, run, start, until, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasNative } from "../support/native.ts";

const folder = temporaryFolder();
const cli = (...args: string[]): Promise<Finished> => run(args, folder);
const rates = "{values: [0.01, 1.0e+30]}";
const text = `name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: 200, batch: 4, evaluate: {every: 100, batches: 2}}
search: {confirm: false, trials: 3, parameters: {learning_rate: ${rates}, output_multiplier: {distribution: uniform, min: 1, max: 16}}}
`;
const spec = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return name;
};
const bytes = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");
const resultsIn = (name: string): Results => JSON.parse(bytes(name, "results.json")) as Results;
const statusOf = async (name: string): Promise<{ readonly code: number | null; readonly status: Snaked }> => {
  const { code, stdout } = await cli("status", name, "--json");
  return { code, status: JSON.parse(stdout) as Snaked };
};
type Snaked = Omit<StatusView, "best" | "tornBytes"> & {
  readonly best: { readonly trial: number; readonly validation_loss: number } | null;
  readonly torn_bytes: number;
};
const copy = (from: string, to: string): string => {
  cpSync(join(folder, from), join(folder, to), { recursive: true });
  return to;
};

beforeAll(async () => {
  const { code, stderr } = await cli("sweep", spec("tiny.yaml", text), "--out", "done", "-q");
  expect([code, stderr]).toEqual([0, ""]);
});

describe("status", () => {
  it("of a finished run", async () => {
    const { code, status } = await statusOf("done");
    const { best, trials } = resultsIn("done");
    const diverged = trials.filter((trial) => trial.status === "diverged").length;
    expect(code).toBe(0);
    expect(status).toMatchObject({
      name: "tiny",
      planned: 3,
      completed: 3 - diverged,
      diverged,
      failed: 0,
      process: null,
      checkpoints: [],
      torn_bytes: 0,
      damages: [],
    });
    expect(status.best).toEqual({ trial: best?.trial, validation_loss: best?.validation_loss });
    expect((await cli("status", "done")).stdout).toMatch(/^tiny: finished\n/);
  });

  it("while a process is in the folder, and after it was killed; a checkpoint is where the next one goes on", async () => {
    const long = spec(
      "long.yaml",
      text.replace("steps: 200", "steps: 60000").replace("trials: 3", "trials: 2").replace(rates, "{value: 0.01}"),
    );
    const running = start(["sweep", long, "--out", "live", "--checkpoint", "50", "--jobs", "1"], { cwd: folder });
    await until(() => existsSync(join(folder, "live", "checkpoints")) && readdirSync(join(folder, "live", "checkpoints")).length > 1);
    const told = join(folder, "live", "progress.json");
    await until(() => existsSync(told) && readFileSync(told, "utf8").includes('"validation_loss"'));
    // What is in training is written down about once a second, under another name first.
    const lasting = (): readonly string[] =>
      readdirSync(join(folder, "live"))
        .filter((name) => !name.startsWith("progress.json"))
        .sort();
    const before = lasting();
    const live = (await statusOf("live")).status;
    expect(live.process).toMatchObject({ pid: running.child.pid, running: true });
    expect(live.checkpoints[0]?.trials).toContain(0);
    expect(lasting()).toEqual(before);
    expect(live).toMatchObject({ phase: "running", live: { stacks: [{ trainings: [{ trial: 0 }] }] }, problem: null });
    expect((await cli("status", "live")).stdout).toMatch(
      /\n\d+ % done, about .+ left, \d+ steps\/s\n[^]*\nin training: step \d+ of 60000\n/,
    );

    const second = await cli("sweep", long, "--out", "live");
    expect([second.code, second.stderr]).toEqual([4, expect.stringContaining(`is in use by process ${running.child.pid}`)]);
    for (const command of [
      ["retry", "live", "0"],
      ["repair", "live"],
    ])
      expect((await cli(...command)).code).toBe(4);

    running.child.kill("SIGKILL");
    await running.finished;
    const died = await cli("status", "live");
    expect(died.stdout).toMatch(/died: process \d+/);
    expect(existsSync(join(folder, "live", "progress.json"))).toBe(true);
    expect(died.stdout).toMatch(/\n\d+ % done\n/);
    expect(died.stdout).not.toContain("in training");
    const step = (await statusOf("live")).status.checkpoints[0]?.step ?? 0;
    expect(step).toBeGreaterThan(0);

    const again = start(["sweep", long, "--out", "live", "--checkpoint", "50"], { cwd: folder });
    await until(() => /going on from step/.test(again.stderr()));
    expect(again.stderr()).toContain(`going on from step ${step}`);
    again.child.kill("SIGINT");
    await until(() => /stopping at a checkpoint; interrupt again to stop now/.test(again.stderr()));
    expect((await again.finished).code).toBe(130);
    expect((await statusOf("live")).status).toMatchObject({ process: null, phase: "stopped", live: null });
    expect(existsSync(join(folder, "live", "progress.json"))).toBe(false);
    expect((await statusOf("live")).status.checkpoints[0]?.step).toBeGreaterThanOrEqual(step);
  });

  it("of what holds no run is a mistake of usage", async () => {
    mkdirSync(join(folder, "empty"));
    for (const command of [
      ["status", "empty"],
      ["retry", "empty", "0"],
      ["repair", "nowhere"],
    ]) {
      const { code, stderr } = await cli(...command);
      expect([code, stderr]).toEqual([2, expect.stringContaining("holds no run")]);
    }
    expect(readdirSync(join(folder, "empty"))).toEqual([]);
  });
});

describe("retry", () => {
  const finished = (out: string): readonly number[] =>
    out
      .trim()
      .split("\n")
      .flatMap((line) => (line.includes('"trial_finished"') ? [(JSON.parse(line) as { trial: { id: number } }).trial.id] : []));

  it("trains the trials that were named again, and only those, to the same results", async () => {
    const name = copy("done", "named");
    const { code, stdout } = await cli("retry", name, "2", "0", "--events", "ndjson", "-q");
    expect([code, [...finished(stdout)].sort()]).toEqual([0, [0, 2]]);
    expect(bytes(name, "results.json")).toBe(bytes("done", "results.json"));
  });
  it("trains those that diverged again", async () => {
    const name = copy("done", "diverged");
    const diverged = resultsIn("done").trials.filter(({ status }) => status === "diverged");
    expect(diverged.length).toBeGreaterThan(0);
    const { code, stdout } = await cli("retry", name, "--diverged", "--events", "ndjson", "-q");
    expect([code, finished(stdout)]).toEqual([0, diverged.map(({ id }) => id)]);
  });
  it("without anything to train again says so and leaves the results", async () => {
    const name = copy("done", "nothing");
    const { code, stderr } = await cli("retry", name, "--failed");
    expect([code, stderr]).toEqual([0, expect.stringContaining("no trial is to be trained again")]);
    expect(bytes(name, "results.json")).toBe(bytes("done", "results.json"));
  });
  it.each([
    [["retry", "done"], "nothing_to_retry"],
    [["retry", "done", "3"], "trials are 0 to 2"],
    [["retry", "done", "-1"], "expected the number of a trial"],
    [["retry", "done", "first"], "expected the number of a trial"],
  ])("%j is exit 2", async (args, message) => {
    const { code, stderr } = await cli(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe("another spec in the same folder", () => {
  const changes: readonly (readonly [string, string, string])[] = [
    ["seed", "name: tiny", "name: tiny\nseed: 2"],
    ["model.layers", "layers: 1", "layers: 2"],
    ["width.target", "target: 16", "target: 24"],
    ["train.steps", "steps: 200", "steps: 201"],
    ["train.batch", "batch: 4", "batch: 5"],
    ["train.evaluate.every", "every: 100", "every: 50"],
    ["train.optimizer.beta1", "train: {", "train: {optimizer: {beta1: 0.8}, "],
    ["train.schedule.warmup", "train: {", "train: {schedule: {warmup: 0.1}, "],
    ["parametrization", "name: tiny", "name: tiny\nparametrization: sp"],
    ["search.parameters.learning_rate.values", "[0.01,", "[0.04,"],
    ["data.tokenizer", "{source: moby-dick}", "{source: moby-dick, tokenizer: characters}"],
  ];
  it.each(changes)("is refused with what differs: %s", async (path, from, to) => {
    const before = bytes("done", "journal.jsonl");
    const { code, stderr } = await cli("sweep", spec("other.yaml", text.replace(from, to)), "--out", "done", "--extend");
    expect(code).toBe(3);
    expect(stderr).toMatch(path.startsWith("data") ? /data_changed/ : new RegExp(`  ${path.replaceAll(".", "\\.")}: .* → `));
    expect(bytes("done", "journal.jsonl")).toBe(before);
  });

  it("that only has more trials is taken in by --extend, which trains what is new and gives what a larger sweep gives", async () => {
    const name = copy("done", "extended");
    const more = spec("more.yaml", text.replace("trials: 3", "trials: 5"));
    const refused = await cli("sweep", more, "--out", name);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining("--extend adds to that run")]);
    const { code, stderr } = await cli("sweep", more, "--out", name, "--extend");
    expect([code, stderr]).toEqual([0, expect.stringContaining("continuing: 3 of 5 trainings")]);
    expect((await cli("sweep", more, "--out", "larger", "-q")).code).toBe(0);
    expect(bytes(name, "results.json")).toBe(bytes("larger", "results.json"));
    const fewer = await cli("sweep", "tiny.yaml", "--out", name, "--extend");
    expect([fewer.code, fewer.stderr]).toEqual([3, expect.stringContaining("search.trials: 5 → 3")]);
  });

  it.skipIf(!hasNative)("or on another engine is refused, with the engine to go on with", async () => {
    const name = copy("done", "engine");
    await cli("retry", name, "0", "-q");
    const { code, stderr } = await cli("retry", name, "0", "--engine", "onnxruntime");
    expect([code, stderr]).toEqual([3, expect.stringContaining("go on with --engine native")]);
  });
});

describe("a damaged journal", () => {
  it("is refused at its line, repaired, and the trial of that line trained again", async () => {
    const name = copy("done", "damaged");
    const path = join(folder, name, "journal.jsonl");
    const lines = bytes(name, "journal.jsonl").split("\n");
    lines[2] = lines[2].replace('"steps":', '"Steps":');
    writeFileSync(path, lines.join("\n"));
    const refused = await cli("sweep", "tiny.yaml", "--out", name);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining("journal.jsonl:3: the line was changed")]);
    expect(refused.stderr).toContain(`mutransfer repair ${name}`);
    const status = await cli("status", name);
    expect([status.code, status.stdout]).toEqual([3, expect.stringContaining("journal line 3")]);
    const repaired = await cli("repair", name);
    expect([repaired.code, repaired.stdout]).toEqual([0, expect.stringMatching(/^put aside line 3 in .*damaged-1/)]);
    expect((await cli("sweep", "tiny.yaml", "--out", name, "-q")).code).toBe(0);
    expect(bytes(name, "results.json")).toBe(bytes("done", "results.json"));
    expect((await cli("repair", name)).stdout).toBe("nothing is damaged\n");
  });
  it("that was cut short goes on, and says where the rest is", async () => {
    const name = copy("done", "torn");
    appendFileSync(join(folder, name, "journal.jsonl"), '{"seq":4,"reco');
    expect((await statusOf(name)).status.torn_bytes).toBe(14);
    const { code, stderr } = await cli("sweep", "tiny.yaml", "--out", name);
    expect([code, stderr]).toEqual([0, expect.stringContaining("journal.jsonl.torn-4")]);
    expect(bytes(name, "journal.jsonl.torn-4")).toBe('{"seq":4,"reco');
  });
  it("whose first record is gone cannot be repaired, and is left as it is", async () => {
    const name = copy("done", "headless");
    writeFileSync(join(folder, name, "journal.jsonl"), bytes(name, "journal.jsonl").slice(1));
    const before = bytes(name, "journal.jsonl");
    const { code, stderr } = await cli("repair", name);
    expect([code, stderr]).toEqual([3, expect.stringContaining("run_record_damaged")]);
    expect(bytes(name, "journal.jsonl")).toBe(before);
  });
});

describe("a disk that is full", () => {
  const unlucky = (faults: string, args: readonly string[]): Promise<Finished> => run(args, folder, { MUTRANSFER_FAULTS: faults });
  it.each(["journal.before:2=ENOSPC", "journal.half:3=EDQUOT", "checkpoint.written:1=ENOSPC", "results.before:1=EFBIG"])(
    "stops the run with exit 6 and nothing half-written, and the same command ends it: %s",
    async (faults) => {
      const name = faults.replace(/\W/g, "-");
      const { code, stderr } = await unlucky(faults, ["sweep", "tiny.yaml", "--out", name, "-q", "--checkpoint", "30"]);
      expect([code, stderr]).toEqual([6, expect.stringContaining("free some space; the same command continues")]);
      const journal = bytes(name, "journal.jsonl");
      expect(journal === "" || journal.endsWith("\n")).toBe(true);
      expect(readdirSync(join(folder, name), { recursive: true }).filter((each) => /^[^/]*(tmp$|lock)/.test(String(each)))).toEqual([]);
      expect((await cli("sweep", "tiny.yaml", "--out", name, "-q")).code).toBe(0);
      expect(bytes(name, "results.json")).toBe(bytes("done", "results.json"));
    },
  );
  it.skipIf(process.platform === "win32")("and one that allows files of 1 KiB only", async () => {
    const limited = spawnSync("sh", ["-c", `ulimit -f 2; exec '${process.execPath}' '${bin}' sweep tiny.yaml --out limited -q`], {
      cwd: folder,
      encoding: "utf8",
    });
    expect([limited.status, limited.stderr]).toEqual([6, expect.stringContaining("[io_error]")]);
    expect((await cli("sweep", "tiny.yaml", "--out", "limited", "-q")).code).toBe(0);
    expect(bytes("limited", "results.json")).toBe(bytes("done", "results.json"));
  });
});

describe.skipIf(process.platform === "win32")("a folder that is gone while it is in use", () => {
  const long = text.replace("steps: 200", "steps: 600000").replace(rates, "{value: 0.01}");
  const victim = (): string => {
    mkdirSync(join(folder, "victim"), { recursive: true });
    writeFileSync(join(folder, "victim", "journal.jsonl"), "precious");
    return join(folder, "victim");
  };
  const isAlive = (pid: number): boolean => spawnSync("ps", ["-p", String(pid)]).status === 0;
  const gone: Readonly<Record<string, (path: string) => void>> = {
    // As `rm -rf` does: what is written meanwhile is in the way, and removed at the next attempt.
    deleted: (path) => {
      while (spawnSync("rm", ["-rf", path]).status !== 0);
    },
    moved: (path) => renameSync(path, `${path}-moved`),
    "replaced by a link": (path) => {
      renameSync(path, `${path}-moved`);
      symlinkSync(victim(), path);
    },
    "without its journal": (path) => rmSync(join(path, "journal.jsonl")),
  };
  it.each(
    // Without checkpoints only in CI: the same watch over the folder, and seconds for each.
    (process.env["MUTRANSFER_CI"] ? ["off", "50"] : ["50"]).flatMap((interval) => Object.keys(gone).map((how) => [how, interval] as const)),
  )("%s ends the run with exit 6, with checkpoints %s", async (how, interval) => {
    const name = `gone-${how.replaceAll(" ", "-")}-${interval}`;
    const running = start(["sweep", spec("gone.yaml", long), "--out", name, "-q", "--checkpoint", interval], { cwd: folder });
    const path = join(folder, name);
    await until(() => existsSync(join(path, "journal.jsonl")) && (interval === "off" || existsSync(join(path, "checkpoints"))));
    const { stdout } = spawnSync("pgrep", ["-P", String(running.child.pid)], { encoding: "utf8" });
    const workers = stdout.split("\n").filter(Boolean).map(Number);
    expect(workers.length).toBeGreaterThan(0);
    const struck = Date.now();
    gone[how](path);
    const { code, stderr } = await running.finished;
    // A folder is deleted from its inside: what a worker had open in it may be missed first.
    expect([code, stderr]).toEqual([6, expect.stringMatching(how === "deleted" ? /\[(folder_gone|io_error)\]/ : /\[folder_gone\]/)]);
    expect(Date.now() - struck).toBeLessThan(5000);
    await until(() => !workers.some(isAlive));
    if (how === "deleted" || how === "moved") expect(existsSync(path)).toBe(false);
    if (how === "replaced by a link")
      expect([readdirSync(path), bytes("victim", "journal.jsonl")]).toEqual([["journal.jsonl"], "precious"]);
  });

  it("and was moved back goes on to the same results", async () => {
    const running = start(["sweep", "tiny.yaml", "--out", "back", "-q", "--checkpoint", "30"], {
      cwd: folder,
      env: { MUTRANSFER_FAULTS: "worker.step:6=STOP" },
    });
    await until(() => existsSync(join(folder, "back", "checkpoints")));
    gone["moved"](join(folder, "back"));
    expect((await running.finished).code).toBe(6);
    renameSync(join(folder, "back-moved"), join(folder, "back"));
    expect((await cli("sweep", "tiny.yaml", "--out", "back", "-q")).code).toBe(0);
    expect(bytes("back", "results.json")).toBe(bytes("done", "results.json"));
  });

  it("ends a target run likewise", async () => {
    const name = copy("done", "launching");
    const running = start(["transfer", "--best", `${name}/results.json`, "--force", "-q", "--checkpoint", "30"], {
      cwd: folder,
      env: { MUTRANSFER_FAULTS: "worker.step:6=STOP" },
    });
    await until(() => existsSync(join(folder, name, "checkpoints")));
    gone["replaced by a link"](join(folder, name));
    const { code, stderr } = await running.finished;
    expect([code, stderr]).toEqual([6, expect.stringContaining("[folder_gone]")]);
    expect(readdirSync(join(folder, "victim"))).toEqual(["journal.jsonl"]);
  });
});

describe("the target", () => {
  const target = ["transfer", "--best", "target/results.json", "--force", "--checkpoint", "30"] as const;
  it("goes on from its last checkpoint when its worker dies or it is interrupted, bit for bit", async () => {
    copy("done", "target");
    const log = join(folder, "struck");
    const struck = await run(target, folder, { MUTRANSFER_FAULTS: "worker.step:5=SEGV", MUTRANSFER_FAULTS_LOG: log });
    expect(struck.code, struck.stderr).toBe(0);
    expect(struck.stderr).toMatch(/is tried again \(attempt 2\): the worker process was killed by SIGSEGV[^]*going on from step \d+/);
    copy("done", "plain");
    expect((await cli("transfer", "--best", "plain/results.json", "--force", "-q")).code).toBe(0);
    for (const name of ["transfer.json", "weights.safetensors"])
      expect(readFileSync(join(folder, "target", name)).equals(readFileSync(join(folder, "plain", name)))).toBe(true);
    expect(readdirSync(join(folder, "target"))).not.toContain("checkpoints");
  });
});

describe("--checkpoint", () => {
  it.each(["0", "5x", "-3", "1.5m", "soon"])("%s is exit 2", async (interval) => {
    const { code, stderr } = await cli("sweep", "tiny.yaml", `--checkpoint=${interval}`);
    expect([code, stderr]).toEqual([2, expect.stringContaining("expected steps (500), a time")]);
  });
});
