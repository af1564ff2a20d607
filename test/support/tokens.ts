/** Token files as the program reads them: checked whole, with their table in a folder of its own. */
import { checkFile } from "../../src/data/remembered.ts";
import { describeTokenFile, type TokenType } from "../../src/data/token-file.ts";
import { openTokens, runOf, type TokenRun } from "../../src/data/token-run.ts";
import { temporaryFolder } from "./folder.ts";

const cache = temporaryFolder();

/** All tokens of a file, as one run. */
export function checkedRun(path: string, vocabSize: number, dtype?: TokenType): TokenRun {
  const { file } = checkFile(path, dtype ?? "", (descriptor) => describeTokenFile(path, descriptor, dtype), cache);
  return runOf([{ file, start: 0, count: file.count }], vocabSize);
}

/** Every id of a run. */
export function idsIn(run: TokenRun): number[] {
  const reader = openTokens(run);
  const all = new Int32Array(run.count);
  reader.read(0, all);
  reader.close();
  return [...all];
}

/** A .npy file of version 1.0, as numpy.lib.format describes it. */
export function npy(type: string, shape: readonly number[], data: Uint8Array, fortran: "True" | "False" = "False"): Buffer {
  const text = `{'descr': '${type}', 'fortran_order': ${fortran}, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const padded = text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length + 1);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), length, Buffer.from(`${padded}\n`), data]);
}
