/**
 * What the cache remembers of token files between commands: that a file was read whole, what
 * was found, and what the system said of it then. A file of which the system says anything
 * else now is read again; whether its bytes are other ones is for its hash to say.
 */
import { createHash, randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { readTable, scanTokens, tableDigest, dataChanged, type CheckedFile, type TokenScan } from "./checked-file.ts";
import type { TokenFile } from "./token-file.ts";
import { makeFolder } from "../folders.ts";

/** Everything about a file that changes when somebody writes to it, replaces it or mounts another over it. */
const systemSchema = z.strictObject({ size: z.string(), modified: z.string(), changed: z.string(), inode: z.string(), device: z.string() });
type System = z.infer<typeof systemSchema>;

const memorySchema = z.strictObject({
  system: systemSchema,
  bytesPerToken: z.literal([2, 4, 8]),
  byteOffset: z.int().nonnegative(),
  count: z.int().nonnegative(),
  sha256: z.string(),
  largestId: z.number(),
  table: z.string(),
});

/** Counts changes of what is remembered, and of what files are refused for. */
const checks = 2;

/** A file as it was checked. */
export interface Known extends Pick<TokenScan, "sha256" | "largestId"> {
  readonly file: CheckedFile;
}

/** sha256 of a text, in hex. */
export const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A JSON file of the cache; nothing when it is absent or damaged: it is made again. */
export function recall<T>(path: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Writes a file of the cache all at once, or not at all. */
export function remember(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  makeFolder(dirname(path));
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function systemOf(descriptor: number): System {
  const { size, mtimeNs, ctimeNs, ino, dev } = fstatSync(descriptor, { bigint: true });
  return { size: `${size}`, modified: `${mtimeNs}`, changed: `${ctimeNs}`, inode: `${ino}`, device: `${dev}` };
}
const sameSystem = (a: System, b: System): boolean => (Object.keys(a) as (keyof System)[]).every((key) => a[key] === b[key]);

/**
 * Checks the file at `path`, or remembers that it was: `describe` finds its format in the open file, and `how`
 * names what else decides that. Throws `data_changed` when it is written to meanwhile, and what `describe` throws.
 */
export function checkFile(path: string, how: string, describe: (descriptor: number) => TokenFile, cache: string): Known {
  const stem = join(cache, digestOf(`checked ${checks}\n${how}\n${path}`));
  const table = `${stem}.blocks`;
  const descriptor = openSync(path, "r");
  try {
    const system = systemOf(descriptor);
    const memory = recall(`${stem}.json`, memorySchema);
    if (memory !== undefined && sameSystem(memory.system, system)) {
      const { bytesPerToken, byteOffset, count, sha256, largestId } = memory;
      const file = { path, bytesPerToken, byteOffset, count, table: { path: table, sha256: memory.table } };
      if (hasTable(file)) return { file, sha256, largestId };
    }
    const file = describe(descriptor);
    const { sha256, largestId, checksums } = scanTokens(file, descriptor);
    if (!sameSystem(systemOf(descriptor), system)) throw dataChanged(path, "was written to while it was read");
    const bytes = new Uint8Array(checksums.buffer);
    const { bytesPerToken, byteOffset, count } = file;
    remember(table, bytes);
    const made = { system, bytesPerToken, byteOffset, count, sha256, largestId, table: tableDigest(bytes) };
    remember(`${stem}.json`, JSON.stringify(made satisfies z.infer<typeof memorySchema>));
    return { file: { ...file, table: { path: table, sha256: made.table } }, sha256, largestId };
  } finally {
    closeSync(descriptor);
  }
}

function hasTable(file: CheckedFile): boolean {
  try {
    readTable(file);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
