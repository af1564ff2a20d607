/** The files that a person names, on a command line or in a program: spec files and results files. What is wrong with one is a mistake of usage. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UserError } from "../errors.ts";
import type { SpecFile } from "../spec/read.ts";
import { mostResultsBytes } from "./transfer.ts";

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

/** Reads a UTF-8 text file that the user named, of at most `mostBytes`; throws a UserError when it is missing or no text. */
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
export const readResultsFile = (path: string): string => readNamedFile(path, "the results.json of a sweep", mostResultsBytes, false);

/** A grid of the most trials that there may be, written with all digits. */
const mostSpecBytes = 4 * 2 ** 20;

/** The text of a spec, and where its relative paths start. */
export const readSpec = (path: string): SpecFile => ({
  text: readNamedFile(path, "a sweep spec; `mutransfer init` writes one", mostSpecBytes, true),
  file: path,
  directory: dirname(resolve(path)),
});
