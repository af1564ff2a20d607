/** Memory of a worker: the engine's and its own, on one device or on two. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parameterCount } from "../../src/model/counts.ts";
import { workerMemory } from "../../src/placement/memory.ts";
import { sizesOf } from "../../src/spec/plan.ts";
import { readPlan } from "../../src/spec/read.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import type { Training } from "../../src/training/train.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const entry = { processBytes: 1e6, footprint: () => Promise.resolve({ bytes: 1e9, largestTensorBytes: 1e8 }) };

/** A stack of so many models that reads as many bytes of text. */
async function trainingOn(bytes: number, stack: number): Promise<Training> {
  writeFileSync(join(folder, `${bytes}.txt`), "some text of words. ".repeat(bytes / 20));
  const text = `name: x\ndata: {source: {files: [${bytes}.txt]}}\nwidth: {proxy: 16, target: 32}\n`;
  const plan = await readPlan({ text, file: "x.yaml", directory: folder }, join(folder, "cache"));
  return trainingOf(plan, openingTrials(plan.spec).slice(0, stack), sizesOf(plan.spec).proxy, 1);
}

const [one, three, onMore] = [await trainingOn(100_000, 1), await trainingOn(100_000, 3), await trainingOn(200_000, 1)];

it("is all on the host with a CPU, and apart with a GPU", async () => {
  const [cpu, gpu] = [await workerMemory(entry, one, "cpu"), await workerMemory(entry, one, "gpu")];
  expect(cpu).toEqual({ deviceBytes: gpu.hostBytes + 1e9, hostBytes: gpu.hostBytes + 1e9, largestTensorBytes: 1e8 });
  expect(gpu.deviceBytes).toBe(1e6 + 1e9);
});

it("grows with the weights of a stack, each of which is there several times, and with tokens that are read whole", async () => {
  const bytesOf = async (training: Training): Promise<number> => (await workerMemory(entry, training, "cpu")).hostBytes;
  expect((await bytesOf(three)) - (await bytesOf(one))).toBeGreaterThan(2 * 36 * parameterCount(one.model));
  expect((await bytesOf(onMore)) - (await bytesOf(one))).toBe(4 * 100_000);
});
