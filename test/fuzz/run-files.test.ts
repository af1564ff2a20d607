/** Ten thousand mutants each of results files and journals through the functions that the commands read them with. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { reopenPlan } from "../../src/spec/read.ts";
import { repairJournal } from "../../src/run/repair.ts";
import { parseResults } from "../../src/run/results.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { readRun, Run } from "../../src/run/run.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { planLaunch } from "../../src/studies/launch.ts";
import { fuzz, listing, mostMilliseconds } from "./fuzz.ts";
import { arena, cache, journalMutant, plan, resultsMutant } from "./inputs.ts";
import { sizesOf } from "../../src/spec/plan.ts";

const runFolder = join(arena, "run");

/** What may be written to. */
const own = ["arena/run", "arena/cache"];
const outside = join(arena, "..");
for (const name of own) mkdirSync(join(outside, name), { recursive: true });
const before = listing(outside, own);
afterAll(() => expect(listing(outside, own)).toEqual(before));

it(
  "results files",
  async () => {
    await fuzz(
      "results",
      (random) => resultsMutant(random),
      async (text) => {
        const results = parseResults(text, "results.json");
        const reopened = await reopenPlan(results.spec, arena, cache);
        if (results.best !== null) planLaunch(reopened, results, results.best, sizesOf(results.spec).target, 1);
      },
    );
  },
  mostMilliseconds,
);

it(
  "journals",
  async () => {
    await fuzz(
      "journal",
      (random) => journalMutant(random),
      (bytes) => {
        for (const name of readdirSync(runFolder)) rmSync(join(runFolder, name), { recursive: true });
        writeFileSync(join(runFolder, runFiles.journal), bytes);
        const folder = OpenFolder.make(runFolder);
        const { state, damages } = readRun(folder);
        if (state.spec !== undefined) openingTrials(state.spec);
        if (damages.length > 0) repairJournal(folder);
        const run = Run.open(folder);
        try {
          for (const trial of run.state.trials) run.result(trial);
          run.match({ spec: plan.spec, specHash: plan.specHash, data: plan.dataset }, true);
        } finally {
          run.close();
        }
      },
    );
  },
  mostMilliseconds,
);
