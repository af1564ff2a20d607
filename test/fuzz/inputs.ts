/** Sound files of each kind, and the mutants that are made of them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { decodeSafetensors, encodeSealed } from "../../src/data/safetensors.ts";
import { hashOf } from "../../src/hash.ts";
import { randomStream, type RandomStream } from "../../src/rng.ts";
import { readPlan } from "../../src/spec/read.ts";
import { specTemplate } from "../../src/spec/template.ts";
import { memberLabels } from "../../src/run/checkpoints.ts";
import { encodeLine } from "../../src/run/journal-lines.ts";
import { resultsText, type Results } from "../../src/run/results.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { encodeCheckpoint, trainingIdentity } from "../../src/training/checkpoint.ts";
import { initialState } from "../../src/training/initialize.ts";
import { programOf } from "../../src/training/train.ts";
import { shapeOf } from "../../src/program/program.ts";
import { memoryFolder } from "../support/folder.ts";
import { resultsFileOf } from "../support/results.ts";
import { runRecord } from "../support/run.ts";
import { npy } from "../support/tokens.ts";
import { mutateBytes, mutateText, mutateTree, pick } from "./mutate.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { sizesOf } from "../../src/spec/plan.ts";

/** In a folder of its own, so that what is written beside it is noticed. */
export const arena = join(memoryFolder(), "arena");
mkdirSync(arena);
export const cache = join(arena, "cache");
const random = randomStream(1, "inputs");
export const tokens = Buffer.from(Uint16Array.from({ length: 600 }, () => random.integer(50)).buffer);

const small = {
  name: "tiny",
  seed: 3,
  data: { source: { tokens: "tokens.bin", vocab_size: 50 } },
  model: { layers: 1, head_dim: 4, context: 8, biases: true },
  width: { proxy: 8, target: 16 },
  train: { steps: 40, batch: 2, evaluate: { every: 20, batches: 1 } },
  search: {
    trials: 3,
    parameters: { learning_rate: { values: [0.001, 0.01, 0.1] }, init_std: { distribution: "uniform", min: 1, max: 2 } },
  },
};
mkdirSync(join(arena, "texts"));
writeFileSync(join(arena, "tokens.bin"), tokens);
for (const name of ["a", "b"]) writeFileSync(join(arena, "texts", `${name}.txt`), `${name} whale `.repeat(200));

const fromFiles = { ...small, data: { source: { files: ["texts/*.txt"] }, tokenizer: "characters", validation: 0.2 } };
export const texts = [
  stringify(small),
  stringify(fromFiles),
  JSON.stringify(small),
  specTemplate.replace("source: moby-dick", 'source: {files: ["texts/a.txt"]}'),
];
export const plan = await readPlan({ text: texts[0], file: "tiny.yaml", directory: arena }, cache);

export function specMutant(random: RandomStream): string {
  if (random.integer(3) > 0) return mutateText(pick(texts, random), random, pick(texts, random));
  const tree = mutateTree(pick([small, fromFiles], random), random, pick([small.search, fromFiles], random));
  return random.integer(4) === 0 ? stringify(tree) : JSON.stringify(tree);
}

const trials = openingTrials(plan.spec).map(({ id, seed, hyperparameters }) => ({
  id,
  seed,
  hyperparameters: { ...hyperparameters },
  status: id === 1 ? ("diverged" as const) : ("completed" as const),
  validation_loss: id === 1 ? null : 3 + id,
  steps: 40,
  curve: [{ step: 0, training_loss: null, validation_loss: 4 }],
}));
const environment = { ...runRecord.environment, data_hash: plan.dataset.hash, data_directory: ".." };
export const resultsFile = resultsFileOf(plan, trials, environment);

export const without = (of: object, ...keys: readonly string[]): object =>
  Object.fromEntries(Object.entries(of).filter(([key]) => !keys.includes(key)));

/** A results file that says anything, with a digest that agrees. */
export function sealResults(of: object): string {
  const { trials: list, ...head } = without(of, "digest") as Results;
  return [...resultsText(head, () => (Array.isArray(list) ? list : []))].join("");
}

const parsedResults = JSON.parse(resultsFile) as Results;
export function resultsMutant(random: RandomStream): string {
  if (random.integer(3) === 0) return mutateText(resultsFile, random, mutateText(resultsFile, random, ""));
  if (random.integer(6) === 0) return mutateBytes(Buffer.from(resultsFile), random, Buffer.from(resultsFile)).toString();
  const tree = mutateTree(random.integer(2) === 0 ? parsedResults : withMutant(parsedResults, "spec", random), random, small);
  if (typeof tree !== "object" || tree === null || random.integer(8) === 0) return JSON.stringify(tree);
  return sealResults(random.integer(2) === 0 ? tree : { ...tree, spec_hash: hashOf((tree as Results).spec ?? null) });
}
const withMutant = <T extends object>(of: T, key: keyof T, random: RandomStream): T => ({ ...of, [key]: mutateTree(of[key], random, of) });

const longer = { ...plan.spec, search: { ...plan.spec.search, trials: 4 } };
const records: readonly object[] = [
  { ...runRecord, spec: plan.spec, spec_hash: plan.specHash, environment },
  ...trials.slice(0, 2).map((trial) => ({ record: "trial", trial })),
  { record: "again", trials: [1] },
  { record: "extended", spec: longer, spec_hash: hashOf(longer) },
  { record: "trial", trial: { ...trials[2], status: "failed", validation_loss: null, reason: "it died" } },
];
const linesOf = (of: readonly object[]): readonly string[] => of.map((record, seq) => encodeLine(seq, record));
export const journal = Buffer.from(linesOf(records).join(""));

export function journalMutant(random: RandomStream): Buffer {
  const kind = random.integer(4);
  if (kind === 0) return mutateBytes(journal, random, journal);
  if (kind === 1) return Buffer.from(mutateText(journal.toString(), random, journal.toString()));
  // Lines that say anything, with checksums that agree.
  const at = random.integer(records.length);
  const mutant = mutateTree(records[at], random, pick(records, random));
  const changed = typeof mutant === "object" && mutant !== null ? mutant : { record: mutant };
  const lines = linesOf(records.map((record, index) => (index === at ? changed : record)));
  return Buffer.from(
    (kind === 2 ? lines : lines.map((line, seq) => (seq === at ? encodeLine(pick([seq, -1, 2 ** 53], random), changed) : line))).join(""),
  );
}

function llmc(magic: number, version: number, ids: Uint16Array | Uint32Array): Buffer {
  const header = Buffer.alloc(1024);
  [magic, version, ids.length].forEach((value, index) => header.writeInt32LE(value, 4 * index));
  return Buffer.concat([header, new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)]);
}
const ids = Uint16Array.from({ length: 300 }, (_, index) => index % 50);
/** Sound ones of every format, and some that are read as ids by mistake. */
export const tokenFiles: readonly Buffer[] = [
  ...[tokens, llmc(20240520, 1, ids), llmc(20240801, 7, Uint32Array.from(ids))],
  npy("<u2", [300], Buffer.from(ids.buffer)),
  npy("<i8", [3, 100], Buffer.from(BigInt64Array.from(ids, BigInt).buffer)),
  Buffer.from(Uint32Array.from(ids).buffer),
  gzipSync(tokens),
  Buffer.from("Call me Ishmael. ".repeat(40)),
];
export const tokenMutant = (random: RandomStream): Buffer => mutateBytes(pick(tokenFiles, random), random, pick(tokenFiles, random));

export const training = trainingOf(plan, openingTrials(plan.spec).slice(0, 2), sizesOf(plan.spec).proxy, 1);
export const identity = trainingIdentity(training, "e");
const program = programOf(training);
const lanes = training.lanes.map(() => ({
  curve: [{ step: 0, trainingLoss: null, validationLoss: 4 }],
  lossSum: 1,
  lossCount: 1,
  divergedAt: null,
}));
export const checkpoint = Buffer.concat([
  ...encodeCheckpoint(
    { state: initialState(training.model, training.scaling, training.lanes, program), lanes },
    identity,
    memberLabels(openingTrials(plan.spec).slice(0, 2)),
    (ref) => shapeOf(program, ref),
  ),
]);

/** A checkpoint with another header; `seal` makes its digest agree. */
function withHeader(header: unknown, data: Buffer): Buffer {
  const json = Buffer.from(JSON.stringify(header) ?? "");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}
const dataStart = 8 + Number(checkpoint.readBigUInt64LE(0));
const header = JSON.parse(checkpoint.toString("utf8", 8, dataStart)) as { readonly __metadata__: Readonly<Record<string, string>> };

export function checkpointMutant(random: RandomStream): Buffer {
  const kind = random.integer(4);
  if (kind < 2) return mutateBytes(checkpoint, random, checkpoint);
  if (kind === 2) return withHeader(mutateTree(header, random, header.__metadata__), checkpoint.subarray(dataStart));
  // Metadata that say anything under a seal that holds.
  const metadata = without(header.__metadata__, "digest");
  const lanesText = JSON.stringify(mutateTree(lanes, random, lanes));
  const tree = mutateTree({ ...metadata, ...(random.integer(2) === 0 && { lanes: lanesText }) }, random, metadata);
  const strings = Object.entries(typeof tree === "object" && tree !== null ? tree : {}).map(([key, value]) => [
    key,
    typeof value === "string" ? value : (JSON.stringify(value) ?? ""),
  ]);
  return Buffer.concat([
    ...encodeSealed(
      random.integer(2) === 0 ? tensors : tensors.slice(random.integer(9)),
      Object.fromEntries(strings) as Record<string, string>,
    ),
  ]);
}
const decoded = decodeSafetensors(checkpoint);
const tensors = typeof decoded === "string" ? [] : decoded.tensors;
