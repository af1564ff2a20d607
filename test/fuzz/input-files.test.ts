/** Ten thousand mutants each of specs, token files and checkpoints through the functions that the commands read them with. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openDataset } from "../../src/data/dataset.ts";
import { decodeSafetensors } from "../../src/data/safetensors.ts";
import { openTokens } from "../../src/data/token-run.ts";
import { UserError } from "../../src/errors.ts";
import { renderDiagnostics } from "../../src/report/diagnostics.ts";
import { plain } from "../../src/report/style.ts";
import { readPlan } from "../../src/spec/read.ts";
import { checkpointedStacks, checkpointStem, checkpointsOf, cleanCheckpoints, loadCheckpoint } from "../../src/run/checkpoints.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { decodeCheckpoint } from "../../src/training/checkpoint.ts";
import { randomStream } from "../../src/rng.ts";
import { checkedRun } from "../support/tokens.ts";
import { pick } from "./mutate.ts";
import { checkRefusal, fuzz, listing, mostMilliseconds } from "./fuzz.ts";
import { arena, cache, checkpoint, checkpointMutant, identity, training, plan, specMutant, tokenMutant } from "./inputs.ts";

const runFolder = join(arena, "run");

/** What may be written to. */
const own = ["arena/run", "arena/cache"];
const outside = join(arena, "..");
for (const name of own) mkdirSync(join(outside, name), { recursive: true });
const before = listing(outside, own);
afterAll(() => expect(listing(outside, own)).toEqual(before));

const refuse = (why: string): never => {
  throw new UserError({ code: why.replace(/\W+/g, "_").slice(-20), message: why });
};

it(
  "specs",
  async () => {
    const refused = await fuzz(
      "spec",
      (random) => specMutant(random),
      (text) => readPlan({ text, file: "x.yaml", directory: arena }, cache),
    );
    for (const { input } of refused)
      await readPlan({ text: input, file: "x.yaml", directory: arena }, cache).catch((error: unknown) =>
        expect(renderDiagnostics(checkRefusal(error).diagnostics, plain).length).toBeLessThan(200_000),
      );
  },
  mostMilliseconds,
);

it(
  "token files",
  async () => {
    await fuzz(
      "tokens",
      (random) => tokenMutant(random),
      async (bytes, index) => {
        const path = join(runFolder, `${index}.bin`);
        writeFileSync(path, bytes);
        try {
          const run = checkedRun(path, 2 ** 33, pick([undefined, "uint16", "uint32"], randomStream(1, "dtype", index)));
          const reader = openTokens(run, index % 2 === 0 ? 0 : undefined);
          if (run.count > 8) reader.read(run.count - 8, new Int32Array(8));
          reader.close();
          if (index % 4 === 0)
            await openDataset(
              { source: { tokens: [path], vocabSize: 50 }, tokenizer: "bytes", validation: 0.1 },
              arena,
              join(runFolder, "cache"),
            );
        } finally {
          rmSync(path);
        }
      },
    );
  },
  mostMilliseconds,
);

it(
  "safetensors files and checkpoints",
  async () => {
    const run = OpenFolder.make(runFolder);
    const stem = checkpointStem(openingTrials(plan.spec).slice(0, 2));
    const checkpoints = join(runFolder, "checkpoints");
    mkdirSync(checkpoints, { recursive: true });
    await fuzz(
      "checkpoint",
      (random) => checkpointMutant(random),
      (bytes, index) => {
        if (index % 8 === 0) {
          writeFileSync(join(checkpoints, `${stem}-7.safetensors`), bytes);
          writeFileSync(join(checkpoints, `${stem}-6.safetensors`), checkpoint);
          checkpointedStacks(run);
          expect(loadCheckpoint(run, stem, identity, training, () => undefined)?.lanes).toHaveLength(2);
          cleanCheckpoints(run, () => true);
          expect(checkpointsOf(run, stem).length).toBeGreaterThan(0);
        }
        const content = decodeSafetensors(bytes);
        if (typeof content === "string") refuse(content);
        const decoded = decodeCheckpoint(bytes, identity, training);
        if (typeof decoded === "string") refuse(decoded);
      },
    );
  },
  mostMilliseconds,
);
