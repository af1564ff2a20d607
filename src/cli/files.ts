/** The files that a command line names, as plans or as text to hand on; how they are read is studies' business. */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { cacheFolder } from "../cache.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Plan } from "../spec/plan.ts";
import { readSpec } from "../studies/named-files.ts";

/** Reads and checks the spec at `path`; `beforeData` may throw before its data, of which there may be much, are read. */
export async function openPlan(path: string, beforeData?: (spec: CompleteSpec, leastVocabulary: number) => void): Promise<Plan> {
  const spec = readSpec(path);
  const { readPlan } = await import("../spec/read.ts");
  return readPlan(spec, cacheFolder(), beforeData);
}

/** Hands on a file's text, a piece at a time. */
export function copyFile(path: string, take: (piece: string) => void): void {
  const file = openSync(path, "r");
  const decoder = new StringDecoder("utf8");
  const block = Buffer.alloc(1 << 20);
  try {
    for (let got = readSync(file, block); got > 0; got = readSync(file, block)) take(decoder.write(block.subarray(0, got)));
    take(decoder.end());
  } finally {
    closeSync(file);
  }
}
