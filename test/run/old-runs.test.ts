/**
 * Run folders that an older version has made (test/golden/runs/make.mjs): this one reads them, and goes
 * on with them under their own rules: journals and checkpoints byte for byte, and results.json but for
 * what its format has had since. The plain JavaScript engine computes the same everywhere; what `native`
 * has begun goes on where this machine's arithmetic is the one that made it, and is refused elsewhere.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { decodeSealed } from "../../src/data/safetensors.ts";
import { cpuDevice, EngineUnavailable, type EngineName } from "../../src/engines/engine.ts";
import { engines } from "../../src/engines/registry.ts";
import { checkpointStem } from "../../src/run/checkpoints.ts";
import type { AnyCurves } from "../../src/evidence/records.ts";
import type { Results } from "../../src/run/results.ts";
import type { TransferContent } from "../../src/studies/launch.ts";
import { reportNames, runFiles, runFolders } from "../../src/run/run-folder.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf, type Tried } from "../../src/spec/training.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { decodeCheckpoint, trainingIdentity } from "../../src/training/checkpoint.ts";
import { start, type Finished } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

const golden = fileURLToPath(new URL("../golden/runs/", import.meta.url));
const specs = readdirSync(golden).filter((name) => name.endsWith(".yaml"));
const everyFolder = readdirSync(golden).filter((name) => statSync(join(golden, name)).isDirectory());
const temporary = temporaryFolder();

/** A folder with the specs and copies of some runs, as they lay beside each other when they were made. */
function copiesOf(...names: readonly string[]): string {
  const place = mkdtempSync(join(temporary, "copies-"));
  for (const name of [...specs, ...names]) cpSync(join(golden, name), join(place, name), { recursive: true });
  return place;
}
/** Every file below a folder with its bytes, in Latin-1. */
const filesIn = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(folder, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), "latin1")]),
  );
/** What a results.json says that older versions said as well: what was trained, who won, and what that cost. */
function settledResults(text: string): string {
  const { best, confirmation, trials, cost, spec, spec_hash } = JSON.parse(text) as Results;
  return JSON.stringify({ best: best && { ...best, edges: [] }, confirmation, trials, cost, spec, spec_hash });
}
/** What a transfer.json says that older versions said as well. */
function settledTransfer(text: string): string {
  const newer: readonly string[] = [
    "verdict",
    "reasons",
    "margin",
    "untrained_validation_loss",
  ] satisfies readonly (keyof TransferContent)[];
  const fields = Object.entries(JSON.parse(text) as TransferContent);
  return JSON.stringify(Object.fromEntries(fields.filter(([name]) => !newer.includes(name))));
}
const settledBy: ReadonlyMap<string, (text: string) => string> = new Map([
  [runFiles.results, settledResults],
  [runFiles.transfer, settledTransfer],
]);
/** What runs come to, whichever version writes their results. */
const settled = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(filesIn(folder)).map(([name, text]) => [name, settledBy.get(basename(name))?.(text) ?? text]));
/** What runs come to that are no longer killed: their files but for what was timed, which is this machine's. */
const lasting = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(settled(folder)).filter(([name]) => basename(name) !== runFiles.probe));

const allowed = existsSync("/proc/self/status") ? /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8")) : null;
const hasTaskset = allowed !== null && existsSync("/usr/bin/taskset");
/** On one core where the system can see to that, as the runs were made: how many there are is part of what is remembered. */
const run = (cwd: string, ...args: readonly string[]): Promise<Finished> =>
  start(args, { cwd, ...(hasTaskset && { within: ["/usr/bin/taskset", "-c", allowed[1]] }) }).finished;

/** What the journal calls an engine's arithmetic on this machine; undefined where it does not run. */
async function arithmeticHere(name: EngineName): Promise<string | undefined> {
  try {
    const { version, device } = await engines[name].open(engineHost());
    return `${version}, ${device.kind}`;
  } catch (error) {
    if (error instanceof EngineUnavailable) return undefined;
    throw error;
  }
}
const here = { native: await arithmeticHere("native"), tfjs: await arithmeticHere("tfjs") };
const engineOf = (name: string): keyof typeof here => (name.startsWith("native-") ? "native" : "tfjs");
/** What made a folder's run, as its journal says, or that of the sweep it belongs to. */
function madeBy(name: string): string {
  const journal = [join(name, runFiles.journal), join(name, "mup-4", runFiles.journal), join("whole", runFiles.journal)].find((each) =>
    existsSync(join(golden, each)),
  );
  const [first] = readFileSync(join(golden, journal ?? ""), "utf8").split("\n");
  return (JSON.parse(first) as { readonly arithmetic: string }).arithmetic;
}

const sweeping = (name: string): readonly string[] => ["--engine", engineOf(name), "--jobs", "1", "--stack", "2", "--checkpoint", "3"];
/** The command that each folder was made by. */
const commandOf = (name: string): readonly string[] =>
  name.startsWith("curves")
    ? ["curves", "curves.yaml", "--out", name, "--engine", "tfjs", "--jobs", "1", "--stack", "1"]
    : name.startsWith("learning")
      ? ["sweep", "learning.yaml", "--out", name, "--engine", "tfjs", "--jobs", "1"]
      : name.startsWith("target")
        ? ["transfer", "--best", join("whole", runFiles.results), "--force", "--engine", "tfjs", "--checkpoint", "10", "--out", name]
        : ["sweep", "sweep.yaml", "--out", name, ...sweeping(name)];
const finished = everyFolder.filter((name) => name.endsWith("whole"));
const unfinished = everyFolder.filter((name) => !finished.includes(name));
/** What a folder comes to that was never interrupted. */
const wholeOf = (name: string): string => name.replace(/(half|at-rung|mid-stack)$/, "whole");

describe("an older version's run", () => {
  interface Status {
    readonly folder: string;
    /** Older versions did not count them, and called none so. */
    readonly untrained?: number;
    readonly checkpoints: readonly unknown[];
  }
  /** File systems list a folder in any order. */
  const ordered = ({ untrained, ...status }: Status): string =>
    JSON.stringify({ ...status, untrained: untrained ?? 0, checkpoints: status.checkpoints.map((each) => JSON.stringify(each)).sort() });
  /** A status without what older versions did not tell. */
  const older = (status: Status): Status => {
    const newer = ["phase", "fraction", "live", "problem", "seed", "undecided"];
    return Object.fromEntries(Object.entries(status).filter(([name]) => !newer.includes(name))) as unknown as Status;
  };
  /** Older versions named the best first run of a finished sweep as well. */
  const winnerOf = (name: string): object => {
    const { best } = JSON.parse(readFileSync(join(golden, name, runFiles.results), "utf8")) as {
      best: { trial: number; validation_loss: number };
    };
    return { trial: best.trial, validation_loss: best.validation_loss };
  };
  const statuses = JSON.parse(readFileSync(join(golden, "statuses.json"), "utf8")) as readonly Status[];

  it.each(statuses)("$folder has the status that it had", async (expected) => {
    const { code, stdout } = await run(golden, "status", expected.folder, "--json");
    expect(code).toBe(0);
    const best = finished.includes(expected.folder) && { best: winnerOf(expected.folder) };
    expect(ordered(older(JSON.parse(stdout) as Status))).toBe(ordered({ ...expected, ...best }));
  });

  it.each(everyFolder.filter((name) => !name.startsWith("target") && name !== "curves-half"))("%s is reported whole", async (name) => {
    const place = copiesOf(name);
    const { code, stdout } = await run(place, "report", name, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ damages: [], problems: [] });
    expect(code).toBe(0);
    rmSync(join(place, name, runFolders.report), { recursive: true });
    expect(filesIn(join(place, name))).toEqual(filesIn(join(golden, name)));
  });

  it.each<[string, string, RegExp]>([
    ["native-whole", "coordinate-check", /id="prelaunch"/],
    ["curves-whole", "loss-by-learning-rate", /INCONCLUSIVE: it is not sure/],
  ])("%s is reported with what else is known: %s", async (name, figure, content) => {
    const place = copiesOf(name);
    const { stdout } = await run(place, "report", name, "--json");
    expect((JSON.parse(stdout) as { readonly figures: readonly string[] }).figures).toContain(figure);
    expect(readFileSync(join(place, name, runFolders.report, reportNames.page), "utf8")).toMatch(content);
  });
});

/** Files by their content; curves.json by its losses, of which every version says other things. */
const contentOf = (files: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [name, name === runFiles.curves ? lossesIn(text) : text]));
function lossesIn(text: string): unknown {
  const { name, spec_hash, axis, seeds, families } = JSON.parse(text) as AnyCurves;
  const losses = families.map(({ parametrization, curves }) => [parametrization, curves.map(({ size, points }) => [size, points])]);
  return { name, spec_hash, axis, seeds, losses };
}
/** That of the verdict on curves or on a winner at an edge, and of anything else that is done. */
function codeOf(name: string): number {
  if (name.startsWith("curves")) return 9;
  if (name.startsWith("target")) return 0;
  const { best } = JSON.parse(readFileSync(join(golden, wholeOf(name), runFiles.results), "utf8")) as Results;
  return best?.edges.some(({ hyperparameter }) => hyperparameter === "learning_rate") ? 5 : 0;
}

describe("an older version's finished run", () => {
  it.each(finished)("%s comes to the same files, and nothing is trained", async (name) => {
    const place = copiesOf(name);
    for (const file of [runFiles.results, runFiles.table, runFiles.curves]) rmSync(join(place, name, file), { force: true });
    const { code, stdout, stderr } = await run(place, ...commandOf(name), "--json");
    expect(code).toBe(codeOf(name));
    expect(contentOf(settled(join(place, name)))).toEqual(contentOf(settled(join(golden, name))));
    const said = (text: string): unknown => (name.startsWith("curves") ? lossesIn(text) : settledResults(text));
    expect(said(stdout)).toEqual(
      said(readFileSync(join(golden, name, name.startsWith("curves") ? runFiles.curves : runFiles.results), "utf8")),
    );
    expect(stderr.match(/this run was begun under rules 1, and goes on under them/g)).toHaveLength(1);
  });
});

describe("an older version's rules", () => {
  it("are refused by name to a spec that asks for others, and what they wrote is launched from", async () => {
    const place = copiesOf("whole");
    const spec = readFileSync(join(place, "sweep.yaml"), "utf8");
    writeFileSync(join(place, "sweep.yaml"), `${spec}rules: 2\n`);
    const { code, stderr } = await run(place, ...commandOf("whole"));
    expect([code, stderr]).toEqual([3, expect.stringContaining("rules: nothing → 2")]);
    expect(filesIn(join(place, "whole"))).toEqual(filesIn(join(golden, "whole")));
    writeFileSync(join(place, "sweep.yaml"), `${spec}rules: 1\n`);
    const same = await run(place, ...commandOf("whole"));
    expect([same.code, same.stderr]).toEqual([codeOf("whole"), expect.not.stringContaining("rules 1")]);
  });
  it("are taken on as they are where more trials are added, and where some are trained again", async () => {
    const place = copiesOf("whole");
    const spec = readFileSync(join(place, "sweep.yaml"), "utf8");
    writeFileSync(join(place, "sweep.yaml"), spec.replace("trials: 4", "trials: 6"));
    const { code, stderr } = await run(place, ...commandOf("whole"), "--extend");
    if (here.tfjs !== madeBy("whole")) return;
    expect([0, 5], stderr).toContain(code);
    const { spec: extended } = JSON.parse(readFileSync(join(place, "whole", runFiles.results), "utf8")) as Results;
    expect([extended.search.trials, extended.rules, extended.search.confirm]).toEqual([6, undefined, { top: 2, seeds: 2 }]);
    expect([0, 5]).toContain((await run(place, "retry", "whole", "0", "--engine", "tfjs")).code);
  });
});

describe("an older version's checkpoints", () => {
  const withCheckpoints = everyFolder.filter((name) => existsSync(join(golden, name, runFolders.checkpoints)));

  it.each(withCheckpoints)("in %s are of the trainings that this version makes", async (name) => {
    const plan = await readPlan(
      { text: readFileSync(join(golden, "sweep.yaml"), "utf8"), file: "sweep.yaml", directory: golden },
      join(temporary, "cache"),
    );
    const { layers } = plan.spec.model;
    const files = readdirSync(join(golden, name, runFolders.checkpoints));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const bytes = readFileSync(join(golden, name, runFolders.checkpoints, file));
      const sealed = decodeSealed(bytes);
      if (typeof sealed === "string") throw new Error(`${file}: ${sealed}`);
      const { metadata } = sealed;
      const [, stem, step] = /^(.+)-(\d+)\.safetensors$/.exec(file) ?? [];
      const isTarget = stem.startsWith("target");
      const labels = isTarget ? [winner()] : (JSON.parse(metadata["trials"]) as readonly { readonly id: number; readonly seed: number }[]);
      const opening = openingTrials(plan.spec);
      const models = labels.map(({ id, seed }): Tried => ({ seed, hyperparameters: opening[id].hyperparameters }));
      const { proxy, target } = plan.spec.width;
      const training = trainingOf(plan, models, { width: isTarget ? target : proxy, layers }, 1);
      const identity = trainingIdentity(training, madeBy(name));
      expect(metadata["identity"], file).toBe(identity);
      if (!isTarget) expect(checkpointStem(labels), file).toBe(stem);
      const checkpoint = decodeCheckpoint(bytes, identity, training);
      expect(typeof checkpoint === "string" ? checkpoint : checkpoint.state.step, file).toBe(Number(step));
    }
  });

  const winner = (): { readonly id: number; readonly seed: number } => {
    const { best } = JSON.parse(readFileSync(join(golden, "whole", runFiles.results), "utf8")) as {
      readonly best: { readonly trial: number; readonly seed: number };
    };
    return { id: best.trial, seed: best.seed };
  };
});

describe("an older version's unfinished run", () => {
  /** What a sweep in `whole` has come to, or its target. */
  const ofTarget: readonly string[] = [runFiles.transfer, runFiles.weights];
  const besides: readonly string[] = [...ofTarget, runFiles.coordCheck, runFiles.prelaunch];
  const expectedOf = (name: string): Readonly<Record<string, string>> => {
    const isTarget = name.startsWith("target");
    const all = Object.entries(lasting(join(golden, isTarget ? "whole" : wholeOf(name))));
    return Object.fromEntries(all.filter(([file]) => (isTarget ? ofTarget.includes(file) : !besides.includes(file))));
  };
  const goesOn = (name: string): boolean => here[engineOf(name)] === madeBy(name);
  const refusal = "[run_of_another_engine]";

  it.each(unfinished)("%s goes on to what it would have come to, or is refused where the arithmetic is another", async (name) => {
    const place = copiesOf(name, "whole");
    // Whoever was killed has left its lock, which nobody holds.
    if (!name.startsWith("curves")) writeFileSync(join(place, name, runFiles.lock), '{"pid":4194303,"host":"elsewhere","boot":"0-0"}');
    const { code, stderr } = await run(place, ...commandOf(name));
    if (goesOn(name)) {
      expect(code, stderr).toBe(codeOf(name));
      expect(stderr).not.toContain("is not used");
      expect(contentOf(lasting(join(place, name)))).toEqual(contentOf(expectedOf(name)));
      return;
    }
    // A target is not a run: where it was begun otherwise, it begins anew.
    if (name.startsWith("target")) return;
    expect(code).toBe(here[engineOf(name)] === undefined ? 7 : 3);
    if (code === 3) expect(stderr).toContain(refusal);
    expect(lasting(join(place, name))).toEqual(lasting(join(golden, name)));
  });

  it.skipIf(!goesOn("at-rung"))("goes on from its checkpoints, with the events that it had", async () => {
    const place = copiesOf("at-rung", "mid-stack");
    const events = async (name: string): Promise<readonly string[]> =>
      (await run(place, ...commandOf(name), "--events", "ndjson", "-q")).stdout.split("\n");
    // How often it says how far it is depends on how fast it is.
    const comparable = (await events("at-rung")).filter((line) => !line.includes('"stack_progress"'));
    expect(
      comparable
        .join("\n")
        .replace(/"engine_seconds":[^,}]*/g, '"engine_seconds":0')
        .replace(/,"share":null,"matters":true/, "")
        // Those at a rung for good count as ended since.
        .replace('"resumed":3', '"resumed":0'),
    ).toBe(readFileSync(join(golden, "events.ndjson"), "utf8"));
    expect((await events("mid-stack")).filter((line) => line.includes('"stack_resumed"'))).toEqual([
      '{"event":"stack_resumed","stack":0,"trials":[0,3],"step":12}',
      '{"event":"stack_resumed","stack":1,"trials":[3],"step":16}',
    ]);
  });

  it.skipIf(!here.tfjs || !here.native)("is refused on another engine, and nothing in its folder changes", async () => {
    const place = copiesOf("at-rung");
    const { code, stderr } = await run(place, ...commandOf("at-rung"), "--engine", "native");
    expect(code).toBe(3);
    expect(stderr).toContain(refusal);
    expect(filesIn(join(place, "at-rung"))).toEqual(filesIn(join(golden, "at-rung")));
  });

  // As many cores as when it was made, on a processor of that name: both are part of what is remembered.
  it.skipIf(!hasTaskset || !goesOn("learning-half"))("is not timed again", async () => {
    const device = JSON.stringify(cpuDevice().name);
    for (const name of ["at-rung", "learning-half", "target-half"]) {
      const place = copiesOf(name, "whole");
      const path = join(place, name, runFiles.probe);
      const remembered = readFileSync(path, "utf8")
        .replaceAll(/"name": "[^"]*"/g, `"name": ${device}`)
        .replaceAll(/"reason": "[^"]*"/g, '"reason": "as an older version has found"');
      writeFileSync(path, remembered);
      const { code, stderr } = await run(place, ...commandOf(name));
      expect(code, stderr).toBe(codeOf(name));
      expect(stderr).toContain("(as an older version has found)");
      expect(readFileSync(path, "utf8")).toBe(remembered);
    }
  });
});
