/** Ten thousand mutants of each kind of file through the functions that the commands read them with. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openDataset } from "../../src/data/dataset.ts";
import { decodeSafetensors } from "../../src/data/safetensors.ts";
import { describeTokenFile, openTokens, scanTokens } from "../../src/data/token-file.ts";
import { UserError } from "../../src/errors.ts";
import { renderDiagnostics } from "../../src/report/diagnostics.ts";
import { plain } from "../../src/report/style.ts";
import { readPlan, reopenPlan } from "../../src/spec/read.ts";
import { checkpointedStacks, checkpointStem, checkpointsOf, cleanCheckpoints, loadCheckpoint } from "../../src/sweep/checkpoints.ts";
import { repairJournal } from "../../src/sweep/repair.ts";
import { parseResults } from "../../src/sweep/results.ts";
import { journalName, readRun, Run } from "../../src/sweep/run.ts";
import { planTrials } from "../../src/sweep/trials.ts";
import { decodeCheckpoint } from "../../src/training/checkpoint.ts";
import { planLaunch } from "../../src/transfer/transfer.ts";
import { checkRefusal, fuzz, listing } from "./fuzz.ts";
import {
  arena,
  cache,
  checkpoint,
  checkpointMutant,
  identity,
  job,
  journalMutant,
  plan,
  resultsMutant,
  specMutant,
  tokenMutant,
} from "./inputs.ts";

const runFolder = join(arena, "run");
const self = { pid: process.pid, isAlive: () => true };
/** What may be written to. */
const own = ["run", "cache"];
let before: readonly string[];
beforeAll(() => {
  for (const name of own) mkdirSync(join(arena, name), { recursive: true });
  before = listing(arena, own);
});
afterAll(() => expect(listing(arena, own)).toEqual(before));

const refuse = (why: string): never => {
  throw new UserError({ code: why.replace(/\W+/g, "_").slice(-20), message: why });
};

it("specs", async () => {
  const refused = await fuzz(
    "spec",
    (random) => specMutant(random),
    (text) => readPlan({ text, file: "x.yaml", directory: arena }, cache),
  );
  for (const { input } of refused)
    await readPlan({ text: input, file: "x.yaml", directory: arena }, cache).catch((error: unknown) =>
      expect(renderDiagnostics(checkRefusal(error).diagnostics, plain).length).toBeLessThan(200_000),
    );
});

it("results files", async () => {
  await fuzz(
    "results",
    (random) => resultsMutant(random),
    async (text) => {
      const results = parseResults(text, "results.json");
      const reopened = await reopenPlan(results.spec, arena, cache);
      if (results.best !== null) planLaunch(reopened, results, results.best, results.spec.width.target, 1);
    },
  );
});

it("journals", async () => {
  await fuzz(
    "journal",
    (random) => journalMutant(random),
    (bytes) => {
      for (const name of readdirSync(runFolder)) rmSync(join(runFolder, name), { recursive: true });
      writeFileSync(join(runFolder, journalName), bytes);
      const { state, damages } = readRun(runFolder);
      if (state.spec !== undefined) planTrials({ spec: state.spec });
      if (damages.length > 0) repairJournal(runFolder);
      const run = Run.open(runFolder, self);
      try {
        for (const trial of run.state.trials) run.result(trial);
        run.match({ spec: plan.spec, specHash: plan.specHash, dataHash: plan.dataset.hash }, true);
      } finally {
        run.close();
      }
    },
  );
});

it("token files", async () => {
  await fuzz(
    "tokens",
    (random) => tokenMutant(random),
    async (bytes, index) => {
      const path = join(runFolder, `${index}.bin`);
      writeFileSync(path, bytes);
      try {
        const file = describeTokenFile(path);
        expect(scanTokens(file).largestId).toBeLessThan(2 ** 32);
        const reader = openTokens(file, index % 2 === 0 ? 0 : undefined);
        if (file.count > 8) reader.read(file.count - 8, new Int32Array(8));
        reader.close();
        if (index % 4 === 0)
          await openDataset(
            { source: { tokens: path, vocabSize: 50 }, tokenizer: "bytes", validation: 0.1 },
            arena,
            join(runFolder, "cache"),
          );
      } finally {
        rmSync(path);
      }
    },
  );
});

it("safetensors files and checkpoints", async () => {
  const stem = checkpointStem(runFolder, planTrials(plan).slice(0, 2));
  mkdirSync(join(runFolder, "checkpoints"), { recursive: true });
  await fuzz(
    "checkpoint",
    (random) => checkpointMutant(random),
    (bytes, index) => {
      if (index % 8 === 0) {
        writeFileSync(`${stem}-7.safetensors`, bytes);
        writeFileSync(`${stem}-6.safetensors`, checkpoint);
        checkpointedStacks(runFolder);
        expect(loadCheckpoint(stem, identity, job, () => undefined)?.lanes).toHaveLength(2);
        cleanCheckpoints(runFolder, () => true);
        expect(checkpointsOf(stem).length).toBeGreaterThan(0);
      }
      const content = decodeSafetensors(bytes);
      if (typeof content === "string") refuse(content);
      const decoded = decodeCheckpoint(bytes, identity, job);
      if (typeof decoded === "string") refuse(decoded);
    },
  );
});
