/**
 * What it costs that a run cannot be lost: the journal's and the checkpoints' share of
 * a sweep of 1,000 trials, the replay of a journal of 100,000 records, and memory.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { recallSetups } from "../src/placement/remembered.ts";
import { hashOf } from "../src/hash.ts";
import { Journal } from "../src/run/journal.ts";
import { OpenFolder } from "../src/run/open-folder.ts";
import { runFiles } from "../src/run/run-folder.ts";
import type { JournalRecord } from "../src/run/records.ts";
import { readRun } from "../src/run/run.ts";
import { RunState } from "../src/run/state.ts";

const bin = fileURLToPath(new URL("../../bin/mutransfer.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "mutransfer-bench-"));
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
function timed<T>(work: () => T): { readonly seconds: number; readonly value: T } {
  const started = performance.now();
  const value = work();
  return { seconds: (performance.now() - started) / 1000, value };
}

/** Trials as short as anybody's: a longer one makes the shares smaller. */
const trials = 1000;
const specText = `name: reliability
data: {source: moby-dick, tokenizer: characters}
model: {layers: 1, head_dim: 8, context: 32}
width: {proxy: 16, target: 32}
train: {steps: 300, batch: 8, evaluate: {every: 100, batches: 2}}
search: {confirm: false, trials: ${trials}, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}}}
`;
writeFileSync(join(folder, "spec.yaml"), specText);
function sweep(out: string, checkpoint: string): number {
  const { seconds, value } = timed(() =>
    spawnSync(process.execPath, [bin, "sweep", "spec.yaml", "--out", out, "-q", "--checkpoint", checkpoint], { cwd: folder }),
  );
  if (value.status !== 0) throw new Error(value.stderr.toString());
  return seconds;
}

/** Every acknowledgement of the sweep once more, in the same sizes, timed. */
function journalSeconds(run: string): number {
  const records: JournalRecord[][] = [];
  const from = OpenFolder.make(join(folder, run));
  const { state } = readRun(from);
  const journal = Journal.open(from, runFiles.journal, () => undefined);
  const stack = Object.values(recallSetups(from))[0].arrangement.stackSize;
  for (const [index, { extent }] of state.trials.entries()) {
    if (index % stack === 0) records.push([]);
    records.at(-1)?.push(journal.read(extent));
  }
  journal.close();
  const copy = Journal.open(OpenFolder.make(join(folder, "again")), `${run}.jsonl`, () => undefined);
  const { seconds } = timed(() => records.forEach((each) => copy.append(each)));
  copy.close();
  console.log(`  ${records.length} acknowledgements, ${((1000 * seconds) / records.length).toFixed(2)} ms each`);
  return seconds;
}

const [off, on, shares]: [number[], number[], number[]] = [[], [], []];
for (let round = 0; round < 3; round++) {
  off.push(sweep(`off${round}`, "off"));
  on.push(sweep(`on${round}`, "5s"));
  shares.push(journalSeconds(`on${round}`) / on[round]);
}
console.log(`sweep of ${trials} trials: ${median(on).toFixed(1)} s; journal ${(100 * median(shares)).toFixed(2)} % of it (median of 3)`);
console.log(
  `with a checkpoint every 5 s against none: ${(100 * (median(on.map((s, i) => s / off[i])) - 1)).toFixed(1)} % (median of 3 pairs)`,
);

const count = 100_000;
const [long, name] = [OpenFolder.make(join(folder, "long")), runFiles.journal];
const begun = OpenFolder.make(join(folder, "on0"));
const { state: first } = readRun(begun);
const source = Journal.open(begun, name, () => undefined);
const records = first.trials.map(({ extent }) => source.read(extent));
source.close();
const journal = Journal.open(long, name, () => undefined);
if (first.run === undefined) throw new Error("the run has not begun");
// A plan with so many trials.
const spec = { ...first.run.spec, search: { ...first.run.spec.search, trials: count } };
journal.append([{ ...first.run, spec, spec_hash: hashOf(spec) }]);
for (let id = 0; id < count; id += trials)
  journal.append(
    records.map((record, index) => (record.record === "trial" ? { ...record, trial: { ...record.trial, id: id + index } } : record)),
  );
journal.close();
const replays: number[] = [];
let heapBytes = 0;
for (let round = 0; round < 5; round++) {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const state = new RunState();
  const { seconds } = timed(() => Journal.open(long, name, (record, extent) => state.apply(record, extent)).close());
  globalThis.gc?.();
  heapBytes = process.memoryUsage().heapUsed - before;
  if (state.trials.length !== count) throw new Error("the replay lost trials");
  replays.push(seconds);
}
console.log(
  `replay of ${count} records (${(statSync(join(long.path, name)).size / 1e6).toFixed(0)} MB): ${median(replays).toFixed(2)} s (median of ${replays.length}), ` +
    `${(heapBytes / count).toFixed(0)} bytes of memory a trial${globalThis.gc ? "" : " at most (run with --expose-gc)"}`,
);
rmSync(folder, { recursive: true });
