/**
 * Files of token ids, read by offset: raw uint16 (nanoGPT's, and this project's
 * cache) and llm.c's, with their headers checked. Files may be far larger than memory.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { UserError } from "../errors.ts";

/** A run of tokens inside a file. */
export interface TokenFile {
  readonly path: string;
  readonly bytesPerToken: 2 | 4;
  /** Where token 0 of the run lies. */
  readonly byteOffset: number;
  readonly count: number;
}

/** llm.c headers: 256 little-endian int32, of which magic, version and token count are used. */
const llmcHeaderBytes = 1024;
const llmcFormats: ReadonlyMap<number, { readonly version: number; readonly bytesPerToken: 2 | 4 }> = new Map([
  [20240520, { version: 1, bytesPerToken: 2 }],
  [20240801, { version: 7, bytesPerToken: 4 }],
]);

const malformed = (path: string, message: string, hint: string): UserError =>
  new UserError({ code: "token_file", message: `${path}: ${message}`, hint });

/** Recognizes the format of a token file and checks that its size agrees; throws a UserError when it does not. */
export function describeTokenFile(path: string): TokenFile {
  const descriptor = openSync(path, "r");
  try {
    const bytes = fstatSync(descriptor).size;
    const header = Buffer.alloc(12);
    const read = readSync(descriptor, header, 0, header.length, 0);
    const format = read === header.length ? llmcFormats.get(header.readInt32LE(0)) : undefined;
    if (format === undefined) {
      if (bytes === 0 || bytes % 2 !== 0)
        throw malformed(path, `${bytes} bytes are no sequence of uint16 tokens`, "expected raw uint16 ids (nanoGPT) or an llm.c file");
      return { path, bytesPerToken: 2, byteOffset: 0, count: bytes / 2 };
    }
    const [version, count] = [header.readInt32LE(4), header.readInt32LE(8)];
    if (version !== format.version) throw malformed(path, `llm.c version ${version} is not known`, `expected version ${format.version}`);
    if (count < 0) throw malformed(path, `its header says ${count} tokens`, "the file is damaged: make it again");
    const expected = llmcHeaderBytes + count * format.bytesPerToken;
    if (bytes !== expected)
      throw malformed(
        path,
        `its header says ${count} tokens, which is ${expected} bytes, but it has ${bytes}`,
        "the file is cut short or damaged: make it again",
      );
    return { path, bytesPerToken: format.bytesPerToken, byteOffset: llmcHeaderBytes, count };
  } finally {
    closeSync(descriptor);
  }
}

/** Splits a run in two: the first `count` tokens, and the rest. */
export function splitTokens(file: TokenFile, count: number): readonly [TokenFile, TokenFile] {
  return [
    { ...file, count },
    { ...file, byteOffset: file.byteOffset + count * file.bytesPerToken, count: file.count - count },
  ];
}

/** An array for `count` tokens as they are stored. */
function storage({ bytesPerToken }: TokenFile, count: number): Uint16Array | Uint32Array {
  return bytesPerToken === 2 ? new Uint16Array(count) : new Uint32Array(count);
}

/** Fills `into` with the tokens from `start` on. */
function readStored(descriptor: number, file: TokenFile, start: number, into: Uint16Array | Uint32Array): void {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  const got = readSync(descriptor, bytes, 0, bytes.length, file.byteOffset + start * file.bytesPerToken);
  if (got !== bytes.length)
    throw malformed(file.path, `ended before token ${start + into.length}`, "the file changed while it was being read");
}

/** Tokens per block of a scan. */
const scanBlock = 1 << 20;

/** One pass over a run: the sha256 of its bytes (hex) and its largest id. */
export function scanTokens(file: TokenFile): { readonly sha256: string; readonly largestId: number } {
  const hash = createHash("sha256");
  const descriptor = openSync(file.path, "r");
  try {
    let largestId = 0;
    for (let start = 0; start < file.count; start += scanBlock) {
      const ids = storage(file, Math.min(scanBlock, file.count - start));
      readStored(descriptor, file, start, ids);
      hash.update(ids);
      for (let i = 0; i < ids.length; i++) if (ids[i] > largestId) largestId = ids[i];
    }
    return { sha256: hash.digest("hex"), largestId };
  } finally {
    closeSync(descriptor);
  }
}

export interface TokenReader {
  /** Fills `into` with the tokens from `start` on; the run must reach that far. */
  read(start: number, into: Int32Array): void;
  close(): void;
}

/** A training step's windows are many and small, so runs up to this size are read whole. */
const wholeBytes = 64 * 2 ** 20;

/** Opens a run for reading: runs above `readWholeUpTo` bytes by offset, smaller ones from memory. */
export function openTokens(file: TokenFile, readWholeUpTo = wholeBytes): TokenReader {
  const descriptor = openSync(file.path, "r");
  if (file.count * file.bytesPerToken > readWholeUpTo) {
    return {
      read: (start, into) => {
        const stored = storage(file, into.length);
        readStored(descriptor, file, start, stored);
        into.set(stored);
      },
      close: () => closeSync(descriptor),
    };
  }
  try {
    const whole = storage(file, file.count);
    readStored(descriptor, file, 0, whole);
    return { read: (start, into) => into.set(whole.subarray(start, start + into.length)), close: () => undefined };
  } finally {
    closeSync(descriptor);
  }
}
