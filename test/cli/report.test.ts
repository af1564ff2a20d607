/** `mutransfer report` through the command line: what it writes, in which states of a run, and that the same journal gives the same bytes. */
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { report, type ReportCommand } from "../../src/cli/report.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { hashOf } from "../../src/hash.ts";
import { scripts } from "../../src/report/page/script.ts";
import { plain } from "../../src/report/style.ts";
import { readPlan } from "../../src/spec/read.ts";
import { takeLock } from "../../src/run/lock.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import type { TransferRecord } from "../../src/run/transfer-record.ts";
import { run, type Finished } from "../support/cli.ts";
import { inventedCheck, inventedCurves } from "../support/evidence.ts";
import { temporaryFolder } from "../support/folder.ts";
import { madeTrial, reportSpec, runOf, writeJournal, writeRun } from "../support/report.ts";

const folder = temporaryFolder();

/** In this process, so that Vega is loaded once. */
async function reported(name: string, options: ReportCommand = {}): Promise<Pick<Finished, "code" | "stdout" | "stderr">> {
  let [stdout, stderr] = ["", ""];
  const terminal = {
    errStyle: plain,
    outStyle: plain,
    err: (text: string) => (stderr += text),
    out: (text: string) => (stdout += text),
  } as unknown as Terminal;
  try {
    return { code: await report(join(folder, name), options, terminal), stdout, stderr };
  } catch (error) {
    if (error instanceof UserError) return { code: exitCodes[error.kind], stdout, stderr };
    throw error;
  }
}
const text = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");
const pageOf = (name: string): string => text(name, "report", "report.html");
const spec = reportSpec(12);
const made = (name: string, ended = 12): string => writeRun(join(folder, name), spec, ended);
const linesOf = (csv: string): readonly (readonly string[])[] =>
  csv
    .trimEnd()
    .split("\n")
    .map((line) => line.split(","));

const transfer: TransferRecord = {
  version: 1,
  spec_hash: hashOf(spec),
  trial: 9,
  hyperparameters: { learning_rate: 0.0123, output_multiplier: 18 },
  width: 64,
  proxy_width: 16,
  parameters: 123_456,
  status: "completed",
  validation_loss: 1.75,
  proxy_validation_loss: 2.01,
  curve: [0, 50, 100].map((step) => ({ step, training_loss: null, validation_loss: 1.75 + (100 - step) / 60 })),
};

describe("a finished run", () => {
  it("gets every figure, each with its drawing and data, in a reader's order; two processes write the same bytes", async () => {
    for (const name of ["first", "second"]) {
      const path = join(folder, name, "same");
      made(join(name, "same"));
      writeFileSync(join(path, "curves.json"), JSON.stringify({ ...inventedCurves, spec_hash: hashOf(spec) }));
      writeFileSync(join(path, "coord-check.json"), JSON.stringify(inventedCheck));
      writeFileSync(join(path, "transfer.json"), JSON.stringify(transfer));
      const { code, stdout } = await run(["report", join(name, "same")], folder);
      expect([code, stdout]).toEqual([0, `wrote ${join(name, "same", "report", "report.html")}: 6 figures\n`]);
    }
    const files = readdirSync(join(folder, "first", "same", "report"), { recursive: true, encoding: "utf8" }).sort();
    expect(files).toHaveLength(2 + 1 + 6 * 3);
    for (const file of files.filter((name) => name.includes(".")))
      expect(text("second", "same", "report", file), file).toBe(text("first", "same", "report", file));
    const page = pageOf("first/same");
    const order = [...page.matchAll(/<figure id="([^"]+)"/g)].map((match) => match[1]);
    expect(order).toEqual(["loss-by-learning-rate", "coordinate-check", "slices", "parallel-coordinates", "history", "training-curves"]);
    expect(page).toContain("1.7500");
    expect(page).toContain("0.2600 nats below the proxy&#39;s; width 64, 123k parameters");
    expect(page).toContain("12 of 12 trials done: 10 completed, 1 diverged, 1 failed");
    expect(page).toContain(hashOf(spec));
    // No two drawings share an id, or one would be clipped by another's frame.
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of page.matchAll(/url\(#([^)]+)\)/g)) expect(ids).toContain(id);
  });

  it("has no script but its own, and names nothing outside itself", () => {
    const whole = pageOf("first/same");
    const script = `<script>${scripts.static}</script>`;
    expect(whole).toContain(script);
    const page = whole.replace(script, "");
    expect(page).not.toMatch(/<script|javascript:|\son\w+=/i);
    expect(page).not.toMatch(/https?:|\/\/\w|@import|<link|<img|<iframe/i);
    for (const [, target] of page.matchAll(/(?:href|src)="([^"]*)"/g))
      expect(existsSync(join(folder, "first/same/report", target))).toBe(true);
  });

  it("keeps in the CSV files what the figures show", async () => {
    made("plain");
    expect((await reported("plain")).code).toBe(0);
    const history = linesOf(text("plain", "report", "figures", "history.csv"));
    expect(history[0]).toEqual(["trial", "loss", "status", "improved", "best_so_far"]);
    expect(history).toHaveLength(1 + 12);
    const trials = Array.from({ length: 12 }, (_, id) => madeTrial(id));
    let best = Infinity;
    for (const { id, validation_loss: loss, status } of trials) {
      const improved = loss !== null && loss < best;
      best = Math.min(best, loss ?? Infinity);
      expect(history[id + 1]).toEqual([String(id), loss === null ? "" : String(loss), status, String(improved), String(best)]);
    }
    const slices = linesOf(text("plain", "report", "figures", "slices.csv"));
    expect(new Set(slices.slice(1).map(([, name]) => name))).toEqual(new Set(["learning_rate", "output_multiplier"]));
    expect(slices.filter((row) => row[0] === "3").map(([, , value]) => Number(value))).toEqual(
      Object.values(madeTrial(3).hyperparameters).slice(0, 2),
    );
    const json = JSON.parse(text("plain", "report", "figures", "slices.json")) as readonly {
      readonly winner: boolean;
      readonly trial: number;
    }[];
    const winner = trials.reduce((a, b) => ((b.validation_loss ?? 9) < (a.validation_loss ?? 9) ? b : a));
    expect(new Set(json.filter((row) => row.winner).map((row) => row.trial))).toEqual(new Set([winner.id]));
  });

  it("comes with a spec that plans the same run", async () => {
    const plan = await readPlan(
      { text: text("plain", "report", "figures", "spec.yaml"), file: "spec.yaml", directory: folder },
      join(folder, "cache"),
    );
    expect(plan.specHash).toBe(hashOf(spec));
  });

  it("is told of without the control characters of its path", async () => {
    made("esc\u001b[31m");
    const { stdout, stderr } = await reported("esc\u001b[31m");
    for (const [text, verb] of [
      [stdout, "wrote"],
      [stderr, "reading"],
    ])
      expect(text).toContain(`${verb} ${join(folder, "esc\u{fffd}[31m")}`);
    expect(stdout + stderr).not.toContain("\u001b");
  });

  it("goes where it is told; figures of an earlier report do not outlive what they showed", async () => {
    cpSync(join(folder, "first", "same", "report"), join(folder, "elsewhere"), { recursive: true });
    expect((await reported("plain", { out: join(folder, "elsewhere", "page.html") })).code).toBe(0);
    expect(readdirSync(join(folder, "elsewhere")).sort()).toEqual(["figures", "page.html", "report.html"]);
    expect(readdirSync(join(folder, "elsewhere", "figures")).filter((name) => name.startsWith("coordinate-check"))).toEqual([]);
  });
});

describe("a run that is not whole", () => {
  it("that goes on, was stopped, or died is shown as far as it came", async () => {
    const held = takeLock(OpenFolder.make(made("live", 4)));
    writeFileSync(join(made("dead", 4), "lock"), JSON.stringify({ pid: process.pid, boot: "", host: hostname() }));
    made("stopped", 4);
    for (const [name, words] of [
      ["live", "Still going on"],
      ["dead", "its process died"],
      ["stopped", "it was stopped"],
    ]) {
      const before = readdirSync(join(folder, name)).sort();
      expect((await reported(name)).code).toBe(0);
      expect(pageOf(name)).toMatch(new RegExp(`${words}[^]*4 of 12 trials done`));
      expect(readdirSync(join(folder, name)).sort()).toEqual([...before, "report"].sort());
    }
    held.release();
  });

  it("with damaged lines says which, shows the rest, and exits with 3", async () => {
    const path = join(made("damaged"), "journal.jsonl");
    const lines = text("damaged", "journal.jsonl").split("\n");
    lines[4] = lines[4].replace('"id":3', '"id":8');
    writeFileSync(path, lines.join("\n"));
    appendFileSync(path, '{"seq":13,"rec');
    const { code, stdout, stderr } = await reported("damaged", { json: true });
    expect(stderr).toContain(`\`mutransfer repair ${join(folder, "damaged")}\` puts its damaged lines aside`);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      damages: [{ line: 5, problem: "the line was changed after it was written" }],
      phase: "stopped",
    });
    const page = pageOf("damaged");
    expect(page).toContain("journal line 5: the line was changed after it was written");
    expect(page).toContain("a line of 14 bytes that a crash has cut short");
    expect(page).toContain("<code>mutransfer repair damaged</code>, typed in the folder that the run folder lies in,");
    expect(page).not.toContain("The same sweep command continues it");
    expect(pageOf("stopped")).toContain("The same sweep command continues it");
    expect(page).toContain("11 of 12 trials done");
    expect(linesOf(text("damaged", "report", "figures", "history.csv")).map(([id]) => id)).not.toContain("3");
  });

  it("whose first line is damaged still shows its trials", async () => {
    const path = join(made("headless"), "journal.jsonl");
    writeFileSync(path, text("headless", "journal.jsonl").replace('"name":"made"', '"name":"fade"'));
    expect((await reported("headless")).code).toBe(3);
    expect(pageOf("headless")).toContain("12 of an unknown number of trials done");
    expect(pageOf("headless")).toContain('<figure id="slices"');
  });

  it("with files that are no evidence leaves them out and says so", async () => {
    const path = made("odd");
    writeFileSync(join(path, "curves.json"), '{"version": 1}');
    writeFileSync(join(path, "coord-check.json"), "{");
    writeFileSync(join(path, "transfer.json"), JSON.stringify({ ...transfer, spec_hash: "f" }));
    expect((await reported("odd")).code).toBe(3);
    for (const name of ["curves.json is left out", "coord-check.json is left out", "transfer.json is of another spec"])
      expect(pageOf("odd")).toContain(name);
  });

  it("with nothing but evidence shows that; with nothing at all it is refused", async () => {
    mkdirSync(join(folder, "evidence"));
    writeFileSync(join(folder, "evidence", "curves.json"), JSON.stringify(inventedCurves));
    expect((await reported("evidence")).stdout).toContain("1 figure\n");
    mkdirSync(join(folder, "empty"));
    expect((await reported("empty")).code).toBe(2);
    writeJournal(join(folder, "begun"), [runOf(spec)]);
    expect((await reported("begun")).stdout).toContain("0 figures");
    expect(pageOf("begun")).toContain("no trial has ended");
  });
});
