/**
 * Files of tokens whose every byte has been read once: what was found, and a checksum of
 * each block, so that whoever reads a block later knows that it is still the same. The
 * table of checksums lies in the cache; identity over time is remembered.ts's business.
 */
import { createHash } from "node:crypto";
import { readSync, readFileSync, rmSync } from "node:fs";
import { crc32 } from "node:zlib";
import { UserError } from "../errors.ts";
import type { TokenFile } from "./token-file.ts";

/** Bytes of a block, counted from token 0: windows are small, and each reads the blocks that it lies in. */
export const blockBytes = 2048;

/** A token file with the checksums that its blocks are read by. */
export interface CheckedFile extends TokenFile {
  /** CRC-32 of each block, as little-endian uint32. */
  readonly table: { readonly path: string; readonly sha256: string };
}

/** What one pass over a file finds. */
export interface TokenScan {
  /** sha256 of the tokens' bytes, in hex. */
  readonly sha256: string;
  readonly largestId: number;
  readonly checksums: Uint32Array;
}

/** Ends a command: the bytes at `path` are not those that were checked. */
export function dataChanged(path: string, how: string): UserError {
  return new UserError(
    {
      code: "data_changed",
      message: `${path} ${how}`,
      hint: "nothing that was read from it is kept; restore it, or begin another run once nobody writes to it any longer",
    },
    "disagreement",
  );
}

/** Bytes of one reading, a multiple of a block. */
const readBytes = 512 * blockBytes;

/** Reads all of an open file's tokens. */
export function scanTokens(file: TokenFile, descriptor: number): TokenScan {
  const hash = createHash("sha256");
  const bytes = file.count * file.bytesPerToken;
  const checksums = new Uint32Array(Math.ceil(bytes / blockBytes));
  let largestId = 0;
  const buffer = Buffer.alloc(Math.min(bytes, readBytes));
  for (let position = 0; position < bytes; position += readBytes) {
    const part = buffer.subarray(0, Math.min(readBytes, bytes - position));
    if (readSync(descriptor, part, 0, part.length, file.byteOffset + position) !== part.length)
      throw dataChanged(file.path, "was cut short while it was read");
    hash.update(part);
    for (let at = 0; at < part.length; at += blockBytes)
      checksums[(position + at) / blockBytes] = crc32(part.subarray(at, at + blockBytes));
    largestId = Math.max(largestId, largestOf(idsOf(part, file.bytesPerToken)));
  }
  return { sha256: hash.digest("hex"), largestId, checksums };
}

/** Ids of 64 bits beyond this are all alike: too large for any vocabulary. */
const beyondIds = 2 ** 32;

/** The ids in some bytes, which begin at a multiple of their size. */
export function idsOf(bytes: Buffer, bytesPerToken: TokenFile["bytesPerToken"]): Uint16Array | Uint32Array | Float64Array {
  const count = bytes.length / bytesPerToken;
  if (bytesPerToken === 2) return new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (bytesPerToken === 4) return words;
  return Float64Array.from({ length: count }, (_, index) => (words[2 * index + 1] === 0 ? words[2 * index] : beyondIds));
}

function largestOf(ids: ArrayLike<number>): number {
  let largest = 0;
  for (let index = 0; index < ids.length; index++) if (ids[index] > largest) largest = ids[index];
  return largest;
}

/** Text of a table's digest. */
export const tableDigest = (table: Uint8Array): string => createHash("sha256").update(table).digest("hex");

/** The checksums that a file was checked into; throws `data_changed` when it has been checked anew since, or the table is gone. */
export function readTable({ path, table }: CheckedFile): Uint32Array {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(table.path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw dataChanged(path, "can no longer be checked: what was remembered of it is gone from the cache");
  }
  if (tableDigest(bytes) !== table.sha256) throw dataChanged(path, "can no longer be checked: what was remembered of it has changed");
  return new Uint32Array(bytes.buffer);
}

/** Forgets what is remembered of a file that turned out to be another one, so that the next command reads all of it again. */
export function forget({ table }: CheckedFile): void {
  rmSync(table.path, { force: true });
}
