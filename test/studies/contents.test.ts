/** What is read of run folders, and mended in them, without a terminal: contents, pages, status, repairs, tables, engines. */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { engineNames } from "../../src/engines/engine.ts";
import type { Results } from "../../src/run/results.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { readPlan, type SpecFile } from "../../src/spec/read.ts";
import { examine } from "../../src/studies/doctor.ts";
import { readContents, type FolderContents } from "../../src/studies/folder.ts";
import { repair } from "../../src/studies/repair.ts";
import { report } from "../../src/studies/report.ts";
import { readStatus, type RunStatus } from "../../src/studies/status.ts";
import { sweep, type SweepOptions } from "../../src/studies/sweep.ts";
import { tableOf } from "../../src/studies/table.ts";
import { transfer } from "../../src/studies/transfer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
const spec: SpecFile = { text: tinySpec(), file: "tiny.yaml", directory: folder };
const into = (name: string): SweepOptions => ({ out: join(folder, name), engine: cpuEngine, jobs: 1, stack: 2, checkpoint: { steps: 10 } });
function contentsOf(name: string, mostTrials = 100): FolderContents {
  const opened = OpenFolder.open(join(folder, name));
  if (opened === undefined) throw new Error(`there is no ${name}`);
  try {
    return readContents(opened, mostTrials);
  } finally {
    opened.close();
  }
}
/** Changes a line, from 1, of a copy of the whole run's journal. */
function damaged(name: string, line: number): string {
  cpSync(join(folder, "whole"), join(folder, name), { recursive: true });
  const path = join(folder, name, runFiles.journal);
  const lines = readFileSync(path, "utf8").split("\n");
  writeFileSync(path, lines.map((text, index) => (index === line - 1 ? text.replace(/\d/, "x") : text)).join("\n"));
  return join(folder, name);
}

let seen: { readonly status: RunStatus; readonly contents: FolderContents };
beforeAll(async () => {
  const watched = surroundings(folder, (event) => {
    if (event.event !== "stack_finished" || event.stack !== 1) return;
    seen = { status: readStatus(join(folder, "whole")), contents: contentsOf("whole") };
  });
  const { path } = await sweep(spec, into("whole"), watched.setting);
  const options = { engine: cpuEngine, checkpoint: {}, force: true };
  await transfer({ text: readFileSync(path, "utf8"), file: path }, options, surroundings(folder).setting);
});

describe("a run that goes on", () => {
  it("has a status that says who has it and how far it is", () => {
    expect(seen.status).toMatchObject({
      name: "tiny",
      planned: 8,
      completed: 4,
      isDone: false,
      process: { pid: process.pid, running: true },
    });
    expect(seen.status.best).not.toBeNull();
  });

  it("has contents as far as it is", () => {
    const { phase, ranked, transfer: ofTarget, problems, damages } = seen.contents;
    expect([phase, ranked.length, ofTarget, problems, damages]).toEqual(["running", 4, undefined, [], []]);
  });
});

describe("a folder's contents", () => {
  it("are the run, its ranking, the winner and the target", () => {
    const { phase, ranked, sample, best, cost, transfer: ofTarget, specHash, spec: read } = contentsOf("whole");
    const results = JSON.parse(readFileSync(join(folder, "whole", runFiles.results), "utf8")) as FolderContents;
    expect([phase, ranked.length, sample.length]).toEqual(["finished", 4, 4]);
    expect({ best, cost }).toEqual({ best: results.best, cost: results.cost });
    expect([ofTarget?.width, ofTarget?.spec_hash, read?.name]).toEqual([16, specHash, "tiny"]);
  });

  it("are what results.json says of the sweep, and what each tensor gets at both widths", () => {
    const { analysis, confirmed, tables } = contentsOf("whole");
    const results = JSON.parse(readFileSync(join(folder, "whole", runFiles.results), "utf8")) as Results;
    const launched = JSON.parse(readFileSync(join(folder, "whole", runFiles.transfer), "utf8")) as { tensors: unknown };
    expect(analysis).toEqual(results.analysis);
    expect(confirmed.map(({ trial, mean }) => [trial, mean])).toEqual(results.confirmation.map((each) => [each.trial, each.mean_loss]));
    const winner = confirmed.find(({ trial }) => trial === results.best?.trial);
    expect(winner).toMatchObject({ mean: results.best?.validation_loss, standardError: results.best?.standard_error });
    expect(tables.map(({ of, width, isWinners }) => [of, width, isWinners])).toEqual([
      ["proxy", 8, true],
      ["target", 16, true],
    ]);
    expect(tables[1].table.tensors).toEqual(launched.tensors);
  });

  it("count first runs, where the status counts every training", () => {
    expect(contentsOf("whole").counts).toEqual({ completed: 4, stopped: 0, untrained: 0, diverged: 0, failed: 0 });
    const { completed, stopped, diverged, failed } = readStatus(join(folder, "whole"));
    expect([completed, stopped, diverged, failed]).toEqual([8, 0, 0, 0]);
  });

  it("hold no more whole trials than are wanted, the winner among them", () => {
    const { sample, best } = contentsOf("whole", 2);
    expect(sample.length).toBe(2);
    expect(sample.map(({ id }) => id)).toContain(best?.trial);
  });

  it("are none of a sweep where there is no journal, and say which records are not of this run", () => {
    expect(contentsOf("cache")).toMatchObject({ phase: "none", run: undefined, ranked: [], best: null });
    cpSync(join(folder, "whole"), join(folder, "mixed"), { recursive: true });
    const path = join(folder, "mixed", runFiles.transfer);
    const record = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...record, spec_hash: "another" }));
    writeFileSync(join(folder, "mixed", runFiles.curves), "{}");
    const { transfer: ofTarget, curves, problems } = contentsOf("mixed");
    expect([ofTarget, curves, problems.length]).toEqual([undefined, undefined, 2]);
  });

  it("are read beside a damaged line, and by a status as well", () => {
    const path = damaged("damaged", 3);
    expect(contentsOf("damaged").damages.map(({ line }) => line)).toEqual([3]);
    expect(readStatus(path).damages.map(({ line }) => line)).toEqual([3]);
  });
});

describe("a page", () => {
  it("is what is drawn of the contents, and lies where it is wanted", async () => {
    const texts = {
      page: "<p>drawn</p>",
      figures: [{ name: "loss", files: { svg: "<svg/>", csv: "a", json: "{}" } }],
      spec: "name: tiny\n",
    };
    let drawn: FolderContents | undefined;
    const draw = (contents: FolderContents): Promise<typeof texts> => {
      drawn = contents;
      return Promise.resolve(texts);
    };
    const within = await report(join(folder, "whole"), { mostTrials: 10 }, () => undefined, draw);
    expect([readFileSync(within.page, "utf8"), within.contents]).toEqual([texts.page, drawn]);
    const out = join(folder, "pages", "page.html");
    const { page } = await report(join(folder, "whole"), { out, mostTrials: 10 }, () => undefined, draw);
    expect([page, existsSync(join(folder, "pages", "figures", "loss.svg"))]).toEqual([out, true]);
  });

  it("is refused where there is no run, and where a folder is in its place", async () => {
    const never = (): Promise<never> => Promise.reject(new Error("drawn all the same"));
    const options = { out: folder, mostTrials: 10 };
    await expect(report(join(folder, "cache"), options, () => undefined, never)).rejects.toMatchObject({
      diagnostics: [{ code: "no_run" }],
    });
    await expect(report(join(folder, "whole"), options, () => undefined, never)).rejects.toMatchObject({
      diagnostics: [{ code: "not_a_file" }],
    });
  });
});

describe("a repair", () => {
  it("puts a damaged line aside, and the sweep trains what it said and comes to the same results", async () => {
    const path = damaged("mended", 3);
    const { quarantined, file } = repair(path);
    expect([quarantined, existsSync(file)]).toEqual([[3], true]);
    const { setting, of } = surroundings(folder);
    await sweep(spec, into("mended"), setting);
    expect(of("trial_finished").length).toBe(1);
    expect(readFileSync(join(path, runFiles.results))).toEqual(readFileSync(join(folder, "whole", runFiles.results)));
  });

  it("changes nothing of a whole journal, nor of one that does not say what run it is", () => {
    const whole = damaged("untouched", 0);
    expect(repair(whole)).toMatchObject({ quarantined: [], hasRun: true });
    const lost = damaged("lost", 1);
    const before = readFileSync(join(lost, runFiles.journal));
    let refused: unknown;
    try {
      repair(lost);
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ kind: "disagreement", diagnostics: [{ code: "run_record_damaged" }] });
    expect(readFileSync(join(lost, runFiles.journal))).toEqual(before);
    expect(existsSync(join(lost, runFiles.lock))).toBe(false);
  });
});

it("a table has every tensor of the target, or of another width that the model can have", async () => {
  const plan = await readPlan(spec, surroundings(folder).setting.host.cache);
  const [target, base] = [tableOf(plan), tableOf(plan, 8)];
  expect([target.size.width, base.size.width, target.base.width, target.searched]).toEqual([16, 8, 8, ["learning_rate"]]);
  expect(target.tensors.tensors.map(({ name }) => name)).toEqual(base.tensors.tensors.map(({ name }) => name));
  expect(() => tableOf(plan, 9)).toThrow();
});

it("an examination looks at every engine, and the CPU's is usable", async () => {
  const { engines, mutransfer, cache } = await examine(surroundings(folder).setting);
  expect([engines.map(({ name }) => name), mutransfer, cache]).toEqual([engineNames, "0.0.0-test", join(folder, "cache")]);
  expect(engines.find(({ name }) => name === cpuEngine)).toMatchObject({ usable: true, device: { kind: "cpu" } });
  for (const { usable, reason } of engines) expect(usable ? reason : (reason ?? "")).not.toBe("");
});
