/**
 * What the operating system reports about files, as what a user can mend. Studies leave such errors as they come;
 * whoever shows them, on the command line or in a program, has them here with code and way out.
 */
import { option, UserError } from "../errors.ts";

const elsewhere = (): string => `choose another place: ${option("out")} for runs, $MUTRANSFER_CACHE for what is kept between runs`;
const makeRoom = (): string => "free some space; the same command continues";
/** The system's errors by their names, each with its way out. */
const hints: ReadonlyMap<string, () => string> = new Map([
  ["EACCES", elsewhere],
  ["EPERM", elsewhere],
  ["EROFS", elsewhere],
  ["ENOENT", elsewhere],
  ["ENOTDIR", elsewhere],
  ["EISDIR", elsewhere],
  ["EEXIST", elsewhere],
  ["ENAMETOOLONG", elsewhere],
  ["ELOOP", elsewhere],
  ["ENOSPC", makeRoom],
  ["EDQUOT", makeRoom],
  ["EFBIG", makeRoom],
  ["EIO", () => "the disk reports an error; the same command continues elsewhere when the run folder is copied"],
  ["EMFILE", () => "raise the limit of open files (ulimit -n)"],
]);

/** A system's error about files as a UserError of kind io, with code io_error; any other as it is. */
export function asUserError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, path, message } = error as NodeJS.ErrnoException;
  const hint = code === undefined ? undefined : hints.get(code)?.();
  if (hint === undefined) return error;
  const place = path === undefined || message.includes(path) ? "" : ` (${path})`;
  return new UserError({ code: "io_error", message: message + place, hint }, "io");
}
