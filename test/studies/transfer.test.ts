/** Transfers as data: the target with its check before it, refusals, a stop, and the same bytes after going on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runFiles } from "../../src/run/run-folder.ts";
import { sweep } from "../../src/studies/sweep.ts";
import { transfer, type ResultsFile, type TransferOptions } from "../../src/studies/transfer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { itInCi } from "../support/long.ts";
import { cpuEngine } from "../support/native.ts";
import { surroundings, tinySpec } from "../support/study.ts";

const folder = temporaryFolder();
let results: ResultsFile;
const into = (name: string, more: Partial<TransferOptions> = {}): TransferOptions => ({
  ...{ out: join(folder, name), engine: cpuEngine, checkpoint: { steps: 10 }, force: true },
  ...more,
});
beforeAll(async () => {
  const options = { out: join(folder, "sweep"), engine: cpuEngine, checkpoint: {} };
  const { path } = await sweep({ text: tinySpec(), file: "tiny.yaml", directory: folder }, options, surroundings(folder).setting);
  results = { text: readFileSync(path, "utf8"), file: path };
});

describe("a transfer", () => {
  it("trains the target with the winner's hyperparameters, unchanged", async () => {
    const { setting, of } = surroundings(folder);
    const { record, outcome, best, launch, prediction, verdict } = await transfer(results, into("target"), setting);
    expect([verdict.word, verdict.reasons, record.verdict, record.reasons]).toEqual(["holds", [], "holds", []]);
    expect(launch.hyperparameters).toEqual(best.hyperparameters);
    expect(record).toMatchObject({ width: 16, proxy_width: 8, status: "completed", validation_loss: outcome.validationLoss });
    expect(JSON.parse(readFileSync(join(folder, "target", runFiles.transfer), "utf8"))).toEqual(JSON.parse(JSON.stringify(record)));
    expect([prediction, of("prelaunch_started").length, of("launch_planned").length]).toEqual([null, 0, 1]);
  });

  itInCi("checks a target that is much wider before it is launched", async () => {
    const { setting, of } = surroundings(folder);
    const { prediction } = await transfer(results, into("wide", { width: 64 }), setting);
    const [{ prelaunch }] = of("prelaunch_finished");
    expect([prelaunch.width, prelaunch.prediction]).toEqual([64, prediction]);
    expect(of("size_started").map(({ size, within }) => [size, within])).toEqual([64, 128, 256, 512].map((size) => [size, "prelaunch"]));
    expect(of("sweep_started").map(({ name }) => name)).toContain("target of width 64");
  });

  it("stops at a checkpoint when it is asked to, and goes on to the same weights", async () => {
    const stopped = surroundings(folder, (event, stop) => event.event === "stack_progress" && event.step >= 5 && stop());
    await expect(transfer(results, into("halved"), stopped.setting)).rejects.toMatchObject({ message: "stopped" });
    const again = surroundings(folder);
    await transfer(results, into("halved"), again.setting);
    expect(again.of("stack_resumed").length).toBe(1);
    for (const file of [runFiles.transfer, runFiles.weights])
      expect(readFileSync(join(folder, "halved", file)).equals(readFileSync(join(folder, "target", file))), file).toBe(true);
  });

  it("refuses to overwrite the target of another width, and says which that is", async () => {
    await expect(transfer(results, into("target", { width: 24 }), surroundings(folder).setting)).rejects.toMatchObject({
      kind: "disagreement",
      diagnostics: [{ code: "other_transfer", message: expect.stringContaining("width 16") as string }],
    });
  });
});
