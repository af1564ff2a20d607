/** The files and folders a command line names: spec files, results files, run folders. */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import type { Plan } from "../spec/plan.ts";
import type { Self } from "../sweep/lock.ts";
import { refuseLinks } from "../sweep/run-dir.ts";
import { journalName } from "../sweep/run.ts";
import { cacheFolder } from "./cache.ts";

/** The bytes of a file or pipe, as long as they are no more than `most`. */
function readUpTo(path: string, most: number): Buffer {
  const file = openSync(path, "r");
  try {
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
export function readNamedFile(path: string, what: string, mostBytes: number): string {
  try {
    const bytes = readUpTo(path, mostBytes);
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

/** A folder named on the command line must hold a run. */
export function requireRun(folder: string): void {
  if (existsSync(join(folder, journalName))) return refuseLinks(folder);
  throw new UserError({ code: "no_run", message: `${folder} holds no run`, hint: "give the folder that `mutransfer sweep` wrote" });
}

/** The fields of a JSON file this program wrote earlier; none when it is anything else. */
export function fieldsOf(path: string): Readonly<Record<string, unknown>> {
  try {
    return { ...(JSON.parse(readFileSync(path, "utf8")) as object | null) };
  } catch {
    return {};
  }
}

/** This process, as locks know it. */
export const self: Self = {
  pid: process.pid,
  isAlive: (pid) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's process is alive too
    }
  },
};

/** A grid of the most trials that there may be, written with all digits. */
const mostSpecBytes = 4 * 2 ** 20;

/** Reads and checks the spec at `path`. */
export async function openPlan(path: string): Promise<Plan> {
  const text = readNamedFile(path, "a sweep spec; `mutransfer init` writes one", mostSpecBytes);
  const { readPlan } = await import("../spec/read.ts");
  return readPlan({ text, file: path, directory: dirname(resolve(path)) }, cacheFolder());
}
