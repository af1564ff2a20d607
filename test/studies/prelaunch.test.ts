/** The check before a launch, as a transfer has it made: found once, heeded, overruled, and made again for what it does not speak of. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it, vi } from "vitest";
import { sealed, type Prelaunch } from "../../src/evidence/records.ts";
import { jsonText } from "../../src/json.ts";
import { runFiles } from "../../src/run/run-folder.ts";
import { readPlan } from "../../src/spec/read.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { Stopped } from "../../src/studies/stopping.ts";
import { sweep } from "../../src/studies/sweep.ts";
import { transfer, type ResultsFile, type TransferOptions } from "../../src/studies/transfer.ts";
import { temporaryFolder } from "../support/folder.ts";
import { itInCi } from "../support/long.ts";
import { cpuEngine } from "../support/native.ts";
import { resultsFileOf } from "../support/results.ts";
import { surroundings } from "../support/study.ts";

const folder = temporaryFolder();
/** One trial at a stated rate: it has no edge. */
const text = `name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {base: 8, proxy: 8, target: 40}
train: {steps: 40, batch: 4, evaluate: {every: 20, batches: 2}}
search: {trials: 1, confirm: false, parameters: {learning_rate: {value: 0.03}}}
`;
let results: ResultsFile;
const options: TransferOptions = { out: join(folder, "target"), engine: cpuEngine, checkpoint: { steps: 10 } };
const file = join(folder, "target", runFiles.prelaunch);
const written = (): Prelaunch => JSON.parse(readFileSync(file, "utf8")) as Prelaunch;
/** Has the record say something else, as if the check had found it. */
function rewrite(change: Partial<Prelaunch>): void {
  const content: Partial<Prelaunch> = { ...written(), ...change };
  delete (content as { digest?: string }).digest;
  writeFileSync(file, jsonText(sealed(content as Prelaunch)));
}

beforeAll(async () => {
  const into = { out: join(folder, "sweep"), engine: cpuEngine, checkpoint: {} };
  const { path } = await sweep({ text, file: "tiny.yaml", directory: folder }, into, surroundings(folder).setting);
  results = { text: readFileSync(path, "utf8"), file: path };
});

itInCi("is not written down before its end, and goes on from its checkpoints", async () => {
  const { setting, of } = surroundings(folder, (event, stop) => event.event === "stack_progress" && event.step >= 10 && stop());
  await expect(transfer(results, options, setting)).rejects.toBeInstanceOf(Stopped);
  expect([existsSync(file), of("prelaunch_started").length, of("sweep_started").map(({ name }) => name)]).toEqual([
    ...[false, 1, ["check at width 16"]],
  ]);
});

it("is written down before the target's first step, prints nothing, and is not made again", async () => {
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write").mockReturnValue(true));
  const stopped = surroundings(folder, (event, stop) => {
    if (event.event === "sweep_started" && event.name.startsWith("target")) setTimeout(stop);
  });
  await expect(transfer(results, { ...options, force: true }, stopped.setting)).rejects.toBeInstanceOf(Stopped);
  const said = spies.map(({ mock }) => mock.calls);
  vi.restoreAllMocks();
  expect(said).toEqual([[], []]);
  // From the checkpoints of the test before, where that was run.
  expect(stopped.of("stack_resumed").length).toBe(process.env["MUTRANSFER_CI"] ? 1 : 0);
  expect(stopped.of("prelaunch_finished").map(({ prelaunch }) => prelaunch)).toEqual([written()]);
  const again = surroundings(folder, (event, stop) => event.event === "prelaunch_finished" && stop());
  await expect(transfer(results, { ...options, force: true }, again.setting)).rejects.toBeInstanceOf(Stopped);
  expect([again.of("prelaunch_started"), again.of("size_started"), again.of("prelaunch_finished").length]).toEqual([[], [], 1]);
});

it("refuses a launch that it speaks against, and says so again without another check", async () => {
  rewrite({ objections: ["the optimum moved"] });
  for (let time = 0; time < 2; time++) {
    const { setting, of } = surroundings(folder);
    await expect(transfer(results, options, setting)).rejects.toMatchObject({
      kind: "noSurvivor",
      diagnostics: [{ code: "prelaunch_failed", message: "not launched: the optimum moved" }],
    });
    expect([of("prelaunch_started"), of("prelaunch_finished").length, of("sweep_started")]).toEqual([[], 1, []]);
  }
  expect(existsSync(join(folder, "target", runFiles.transfer))).toBe(false);
});

it("is made again for another width, and where its record was changed", async () => {
  const stopAtCheck = (): ReturnType<typeof surroundings> =>
    surroundings(folder, (event, stop) => event.event === "prelaunch_started" && setTimeout(stop));
  const wider = stopAtCheck();
  await expect(transfer(results, { ...options, width: 48 }, wider.setting)).rejects.toBeInstanceOf(Stopped);
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.replace("the optimum moved", "all is well"));
  const changed = stopAtCheck();
  await expect(transfer(results, options, changed.setting)).rejects.toBeInstanceOf(Stopped);
  expect([wider, changed].map(({ of }) => of("prelaunch_started").length)).toEqual([1, 1]);
  writeFileSync(file, before);
});

it("is overruled by whoever wants that, and its prediction is recorded with the target", async () => {
  const { setting, of } = surroundings(folder);
  const { record, prediction } = await transfer(results, { ...options, force: true }, setting);
  expect(of("objections_overruled")).toEqual([{ event: "objections_overruled", objections: ["the optimum moved"] }]);
  expect([record.predicted_validation_loss, prediction]).toEqual([written().prediction?.validation_loss ?? null, written().prediction]);
});

it("is left out where that is wanted", async () => {
  const { setting, of } = surroundings(folder);
  await transfer(results, { ...options, out: join(folder, "unchecked"), skipCheck: true }, setting);
  expect([of("prelaunch_started"), of("prelaunch_finished")]).toEqual([[], []]);
});

itInCi("objects to hyperparameters that learn nothing, and predicts nothing of them", async () => {
  const still = text.replace("{value: 0.03}", "{value: 1.0e-9}").replace("steps: 40", "steps: 20");
  const plan = await readPlan({ text: still, file: "still.yaml", directory: folder }, join(folder, "cache"));
  const [trial] = openingTrials(plan.spec);
  const curve = [5.6, 5.2].map((loss, index) => ({ step: 20 * index, training_loss: index === 0 ? null : loss, validation_loss: loss }));
  const environment = { mutransfer: "0", node: "v20", engine: "e", device: "cpu", data_hash: plan.dataset.hash, data_directory: folder };
  const claimed = resultsFileOf(plan, [{ ...trial, status: "completed", validation_loss: 5.2, steps: 20, curve }], environment);
  const { setting, of } = surroundings(folder);
  const out = join(folder, "still");
  await expect(transfer({ text: claimed, file: join(folder, "still.json") }, { ...options, out }, setting)).rejects.toMatchObject({
    diagnostics: [
      { code: "prelaunch_failed", message: expect.stringContaining("at width 16 the winner's hyperparameters learn nothing") as string },
    ],
  });
  const [{ prelaunch }] = of("prelaunch_finished");
  expect([prelaunch.prediction, prelaunch.between.winner]).toEqual([null, expect.closeTo(Math.log(256), 1)]);
});
