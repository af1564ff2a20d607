/** What the built command line does when data changes under it, and what it says when there is too little of it. */
import { existsSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { run, start, until } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const write = (name: string, content: string | Uint8Array): void => writeFileSync(join(folder, name), content);
const read = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");
const journalLines = (run: string): number =>
  existsSync(join(folder, run, "journal.jsonl")) ? read(run, "journal.jsonl").split("\n").length - 1 : 0;
const model = "model: {layers: 1, head_dim: 8, context: 16}\nwidth: {proxy: 8, target: 16}\n";

describe("a token file that changes while a sweep runs", () => {
  const ids = (shift: number, below = 50): Buffer =>
    Buffer.from(Uint16Array.from({ length: 20_000 }, (_, index) => ((index * 7) % below) + shift).buffer);
  write(
    "tokens.yaml",
    `name: tokens\ndata: {source: {tokens: tokens.bin, vocab_size: 50}}\n${model}train: {steps: 400, batch: 4}\n` +
      "search: {confirm: false, trials: 12, parameters: {learning_rate: {distribution: log_uniform, min: 0.001, max: 0.1}}}\n",
  );
  const sweep = (out: string): readonly string[] => ["sweep", "tokens.yaml", "--out", out, "-q", "--jobs", "1", "--stack", "1"];

  const swap = (): void => {
    const { atime, mtime } = statSync(join(folder, "tokens.bin"));
    write("new.bin", ids(100));
    utimesSync(join(folder, "new.bin"), atime, mtime);
    renameSync(join(folder, "new.bin"), join(folder, "tokens.bin"));
  };
  it.each([
    ["to other ids", () => write("tokens.bin", ids(0, 40))],
    ["to ids beyond the vocabulary, under the same size and time", swap],
    ["to nothing", () => rmSync(join(folder, "tokens.bin"))],
  ])("%s ends it with exit 3 and the file's name, and nothing of that counts", async (how, change) => {
    const out = how.replaceAll(/\W/g, "-");
    write("tokens.bin", ids(0));
    if (!existsSync(join(folder, "whole"))) expect((await run(sweep("whole"), folder)).code).toBe(0);
    const running = start(sweep(out), { cwd: folder });
    await until(() => journalLines(out) >= 3);
    change();
    const { code, stderr } = await running.finished;
    expect([code, stderr]).toEqual([3, expect.stringMatching(/tokens\.bin .*\[data_changed\]/)]);
    expect(journalLines(out)).toBeLessThan(13);
    write("tokens.bin", ids(0));
    expect((await run(sweep(out), folder)).code).toBe(0);
    expect(read(out, "results.json")).toBe(read("whole", "results.json"));
  });

  it("between two commands is named by the second, with exit 3", async () => {
    write("tokens.bin", ids(0, 40));
    const { code, stderr } = await run(sweep("whole"), folder);
    expect([code, stderr]).toEqual([3, expect.stringMatching(/tokens\.bin has changed \[data_changed\]/)]);
  });
});

describe("a text that is too short for its training", () => {
  it("is told of before and after it, by status and in the report, along with losses that part", async () => {
    const words = ["whale", "ship", "sea", "captain", "harpoon", "storm", "sail", "mast"];
    let seed = 1;
    const next = (): number => (seed = (seed * 48271) % 2147483647);
    write("short.txt", Array.from({ length: 250 }, () => words[next() % words.length]).join(" "));
    write(
      "short.yaml",
      "name: short\ndata: {source: {files: [short.txt]}, tokenizer: characters}\nmodel: {layers: 1, head_dim: 8, context: 64}\n" +
        "width: {proxy: 32, target: 64}\ntrain: {steps: 400, batch: 16}\n" +
        "search: {trials: 1, confirm: {top: 1, seeds: 2}, parameters: {learning_rate: {value: 0.03}, output_multiplier: {value: 16}}}\n",
    );
    const { code, stderr } = await run(["sweep", "short.yaml", "--out", "short"], folder);
    expect([code, stderr.match(/reads its text \d+ times over/g)?.length, stderr]).toEqual([0, 2, expect.stringContaining("part by")]);
    const status = await run(["status", "short"], folder);
    const notes = (JSON.parse((await run(["status", "short", "--json"], folder)).stdout) as { notes: readonly string[] }).notes;
    expect(notes).toEqual([expect.stringMatching(/reads its text \d+ times over/), expect.stringContaining("part by")]);
    for (const note of notes) expect(status.stdout).toContain(note);
    await run(["report", "short"], folder);
    for (const told of [/reads its text \d+ times over/, /part by/]) expect(read("short", "report", "report.html")).toMatch(told);
  });
});
