/**
 * The formats of files of token ids: raw uint16 (nanoGPT's, and this project's cache) or
 * uint32, llm.c's and NumPy's, with their headers checked. Reading ids is token-run.ts's
 * business.
 */
import { fstatSync, readSync } from "node:fs";
import { UserError } from "../errors.ts";
import { idsProblem } from "./content.ts";
import { markedBytes, markedKind } from "./magic.ts";

/** How raw ids are stored, where a spec says so. */
export const tokenTypes = ["uint16", "uint32"] as const;
/** How a token file holds each of its tokens. */
export type TokenType = (typeof tokenTypes)[number];

/** Where a file's ids lie, and how: little-endian, one after the other. */
export interface TokenFile {
  readonly path: string;
  readonly bytesPerToken: 2 | 4 | 8;
  /** Where token 0 lies. */
  readonly byteOffset: number;
  readonly count: number;
}

/** llm.c headers: 256 little-endian int32, of which magic, version and token count are used. */
const llmcHeaderBytes = 1024;
const llmcFormats: ReadonlyMap<number, { readonly version: number; readonly bytesPerToken: 2 | 4 }> = new Map([
  [20240520, { version: 1, bytesPerToken: 2 }],
  [20240801, { version: 7, bytesPerToken: 4 }],
]);

/** NumPy's names of little-endian integers that ids may be saved as. */
const numpyTypes: ReadonlyMap<string, TokenFile["bytesPerToken"]> = new Map([
  ...(["<u2"] as const).map((name) => [name, 2] as const),
  ...(["<u4", "<i4"] as const).map((name) => [name, 4] as const),
  ...(["<u8", "<i8"] as const).map((name) => [name, 8] as const),
]);
const numpyMark = "\x93NUMPY";

const malformed = (path: string, message: string, hint: string): UserError =>
  new UserError({ code: "token_file", message: `${path}: ${message}`, hint });
const foreign = (path: string, looks: string, hint: string): UserError =>
  new UserError({ code: "not_token_ids", message: `${path} looks like ${looks}`, hint });

const expected = "expected raw uint16 or uint32 ids (nanoGPT), an llm.c file, or a .npy file";

/** An open file, as far as its format is concerned. */
interface Opened {
  readonly path: string;
  readonly bytes: number;
  /** Reads up to `length` bytes from `position` on. */
  readonly read: (position: number, length: number) => Buffer;
}

/** Recognizes the format of an open token file; throws a UserError when its header and size disagree, or its content is no ids. */
export function describeTokenFile(path: string, descriptor: number, dtype?: TokenType): TokenFile {
  const file: Opened = {
    path,
    bytes: fstatSync(descriptor).size,
    read: (position, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, length, position));
    },
  };
  const head = file.read(0, markedBytes);
  const format = head.length >= 12 ? llmcFormats.get(head.readInt32LE(0)) : undefined;
  if (format !== undefined) return llmcFile(file, head, format);
  if (head.toString("latin1", 0, numpyMark.length) === numpyMark) return numpyFile(file, head);
  const kind = markedKind(head, file.read(file.bytes - 1, 1).at(0));
  if (kind !== undefined) throw foreign(path, kind, expected);
  return rawFile(file, dtype);
}

function llmcFile({ path, bytes }: Opened, head: Buffer, format: { readonly version: number; readonly bytesPerToken: 2 | 4 }): TokenFile {
  const [version, count] = [head.readInt32LE(4), head.readInt32LE(8)];
  if (version !== format.version) throw malformed(path, `llm.c version ${version} is not known`, `expected version ${format.version}`);
  if (count < 0) throw malformed(path, `its header says ${count} tokens`, "the file is damaged: make it again");
  return ofSize({ path, bytesPerToken: format.bytesPerToken, byteOffset: llmcHeaderBytes, count }, bytes);
}

/** Refuses a file whose header promises another size. */
function ofSize(file: TokenFile, bytes: number): TokenFile {
  const size = file.byteOffset + file.count * file.bytesPerToken;
  if (bytes === size) return file;
  throw malformed(
    file.path,
    `its header says ${file.count} tokens, which is ${size} bytes, but it has ${bytes}`,
    "the file is cut short or damaged: make it again",
  );
}

/** Reads the header of a NumPy file. Source of the format: numpy.lib.format, versions 1 to 3. */
function numpyFile({ path, bytes, read }: Opened, head: Buffer): TokenFile {
  const refuse = (message: string): UserError =>
    malformed(path, message, "save the ids with np.save(path, ids.astype(np.uint32)), or as np.uint16 where they fit");
  const [version] = head.subarray(numpyMark.length);
  const lengthBytes = version === 1 ? 2 : 4;
  const lengthAt = numpyMark.length + 2;
  if (version === undefined || version < 1 || version > 3 || head.length < lengthAt + lengthBytes) throw refuse("its header is damaged");
  const headerBytes = head.readUIntLE(lengthAt, lengthBytes);
  const byteOffset = lengthAt + lengthBytes + headerBytes;
  if (byteOffset > Math.min(bytes, 65536)) throw refuse("its header is damaged");
  const header = read(lengthAt + lengthBytes, headerBytes).toString("latin1");
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (type === undefined || shape === undefined) throw refuse("it is no array of numbers");
  const bytesPerToken = numpyTypes.get(type);
  if (bytesPerToken === undefined) throw refuse(`its values are ${type}, and ids are <u2, <u4, <i4 or <i8`);
  const sizes = shape
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  if (/'fortran_order':\s*True/.test(header) && sizes.filter((size) => size > 1).length > 1) throw refuse("it is stored by columns");
  return ofSize({ path, bytesPerToken, byteOffset, count: sizes.reduce((product, size) => product * size, 1) }, bytes);
}

function rawFile({ path, bytes, read }: Opened, dtype: TokenType = "uint16"): TokenFile {
  const bytesPerToken = dtype === "uint16" ? 2 : 4;
  if (bytes === 0) throw malformed(path, "the file is empty", expected);
  const problem = idsProblem(sampleOf(bytes, read), bytesPerToken);
  if (problem !== undefined) throw foreign(path, problem.looks, problem.hint);
  if (bytes % bytesPerToken !== 0) throw malformed(path, `${bytes} bytes are no sequence of ${dtype} tokens`, expected);
  return { path, bytesPerToken, byteOffset: 0, count: bytes / bytesPerToken };
}

/** How much of a file is looked at to tell what it is: so many places, of so many bytes. */
const [sampledPlaces, sampledBytes] = [16, 4096];

/** Places spread evenly over a file, each at a multiple of 8 bytes; the whole of a small one. */
function sampleOf(bytes: number, read: Opened["read"]): Buffer {
  if (bytes <= sampledPlaces * sampledBytes) return read(0, bytes);
  const step = (bytes - sampledBytes) / (sampledPlaces - 1);
  return Buffer.concat(Array.from({ length: sampledPlaces }, (_, index) => read(8 * Math.floor((index * step) / 8), sampledBytes)));
}
