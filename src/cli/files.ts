/** The files that a command line names: spec files, results files. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UserError } from "../errors.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Plan } from "../spec/plan.ts";
import { mostTextBytes, type OpenFolder } from "../sweep/open-folder.ts";
import { cacheFolder } from "./cache.ts";

/** The bytes of a file, or of a pipe where that may be one, as long as they are no more than `most`. */
function readUpTo(path: string, most: number, mayBePipe: boolean): Buffer {
  // A pipe that nobody writes to is not waited for where none is expected.
  const file = openSync(path, constants.O_RDONLY | (mayBePipe ? 0 : constants.O_NONBLOCK));
  try {
    if (!mayBePipe && !fstatSync(file).isFile()) throw new Error("it is no file");
    const blocks: Buffer[] = [];
    for (let bytes = 0; ;) {
      const block = Buffer.alloc(1 << 20);
      const got = readSync(file, block, 0, block.length, null);
      if (got === 0) return Buffer.concat(blocks);
      blocks.push(block.subarray(0, got));
      if ((bytes += got) > most) throw new Error(`it has more than ${most / 2 ** 20} MiB`);
    }
  } finally {
    closeSync(file);
  }
}

const isUtf16 = (bytes: Buffer): boolean => bytes.length > 1 && [0xfffe, 0xfeff].includes(bytes.readUInt16BE(0));

/** Reads a UTF-8 text file that the user named, of at most `mostBytes`; one that is missing or no text is a mistake of usage. */
function readNamedFile(path: string, what: string, mostBytes: number, mayBePipe: boolean): string {
  try {
    const bytes = readUpTo(path, mostBytes, mayBePipe);
    if (isUtf16(bytes)) throw new Error("it is UTF-16; save it as UTF-8");
    return bytes.toString("utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "it is a folder"
          : code === "EACCES"
            ? "it may not be read"
            : (error as Error).message;
    throw new UserError({ code: "unreadable_file", message: `${path}: ${why}`, hint: `expected ${what}` });
  }
}

/** The text of a sweep's results.json; it lies in a run folder, so it is no pipe. */
export const readResultsFile = (path: string): string => readNamedFile(path, "the results.json of a sweep", mostTextBytes, false);

/** The fields of a JSON file this program wrote earlier into a run folder; none when it is anything else. */
export function fieldsOf(folder: OpenFolder, name: string): Readonly<Record<string, unknown>> {
  const text = folder.text(name);
  try {
    return { ...(JSON.parse(text ?? "{}") as object | null) };
  } catch {
    return {};
  }
}

/** A grid of the most trials that there may be, written with all digits. */
const mostSpecBytes = 4 * 2 ** 20;

/** Reads and checks the spec at `path`; `beforeData` may throw before its data, of which there may be much, are read. */
export async function openPlan(path: string, beforeData?: (spec: CompleteSpec, leastVocabulary: number) => void): Promise<Plan> {
  const text = readNamedFile(path, "a sweep spec; `mutransfer init` writes one", mostSpecBytes, true);
  const { readPlan } = await import("../spec/read.ts");
  return readPlan({ text, file: path, directory: dirname(resolve(path)) }, cacheFolder(), beforeData);
}
