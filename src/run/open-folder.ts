/**
 * A folder that is held open: its files are opened by their names inside of it, never through
 * a link, never waiting for a pipe, and never in another folder that has taken its place. The
 * only way to a run folder's files, for reading and writing; what they hold is others' business.
 */
import * as fs from "node:fs";
import { platform } from "node:os";
import { basename, join } from "node:path";
import { invariant, option, UserError } from "../errors.ts";
import { failpoint } from "../failpoints.ts";
import { makeFolder } from "../folders.ts";

/** A folder as another process can open it, and make sure that it is the same. */
export interface FolderHandle {
  readonly path: string;
  readonly identity: string;
}

/** How a file that is there is opened. */
type Mode = "read" | "update";
/** Windows lacks the last three, which count as 0 there: it has no such links and pipes. */
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = fs.constants;
const flagsOf: { readonly [M in Mode]: number } = { read: O_RDONLY, update: O_RDWR };

/** The longest text that there can be. */
export const mostTextBytes = 500 * 2 ** 20;

const numbersOf = ({ dev, ino }: fs.BigIntStats): string => `${String(dev)}:${String(ino)}`;

/** A link that leads to itself. */
const leadsNowhere = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ELOOP";

const exactly = { bigint: true, throwIfNoEntry: false } as const;
/** What a path names, and what that leads to, or is said to; undefined when it leads nowhere. */
function identityAt(path: string, descriptor?: number): string | undefined {
  try {
    const named = fs.lstatSync(path, exactly);
    const led = descriptor === undefined ? fs.statSync(path, exactly) : fs.fstatSync(descriptor, { bigint: true });
    return named && led && `${numbersOf(named)} ${numbersOf(led)}`;
  } catch (error) {
    if (leadsNowhere(error)) return undefined;
    throw error;
  }
}

/** Linux names what is held open; a path below that stays in the folder wherever it is moved to. */
function heldPath(descriptor: number | undefined): string | undefined {
  if (descriptor === undefined) return undefined;
  const path = `/proc/self/fd/${descriptor}`;
  try {
    return numbersOf(fs.statSync(path, { bigint: true })) === numbersOf(fs.fstatSync(descriptor, { bigint: true })) ? path : undefined;
  } catch {
    return undefined; // another system, or a /proc that is hidden: the path is checked before each write instead
  }
}

/** A folder that is held open, so that whatever is read or written by name is in this one and no other that takes its place. */
export class OpenFolder {
  /** As it was named. */
  readonly path: string;
  private readonly identity: string;
  private readonly descriptor: number | undefined;
  /** Where its files are found. */
  private readonly root: string;
  private readonly parent: OpenFolder | undefined;

  /** `place` is where it is now, if its parent knows better than its path. */
  private constructor(path: string, parent?: OpenFolder, place = path) {
    this.path = path;
    this.parent = parent;
    // Windows cannot open folders.
    this.descriptor = platform() === "win32" ? undefined : fs.openSync(place, O_RDONLY | O_DIRECTORY | (parent ? O_NOFOLLOW : 0));
    this.identity = identityAt(place, this.descriptor) ?? "";
    this.root = heldPath(this.descriptor) ?? place;
  }

  /** Whether a path leads to a folder. */
  static isThere(path: string): boolean {
    try {
      return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
    } catch (error) {
      if (leadsNowhere(error)) return false;
      throw error;
    }
  }

  /** Opens a folder that a person has named, through links if need be; undefined when there is none. */
  static open(path: string): OpenFolder | undefined {
    return OpenFolder.isThere(path) ? new OpenFolder(path) : undefined;
  }

  /** The same, and creates it with its parents when it is not there. */
  static make(path: string): OpenFolder {
    makeFolder(path);
    return new OpenFolder(path);
  }

  /** Opens what another process has open; throws a UserError of kind io when it is no longer in its place. */
  static reopen({ path, identity }: FolderHandle): OpenFolder {
    const folder = OpenFolder.open(path);
    if (folder?.identity === identity) return folder;
    folder?.close();
    throw goneError(path, undefined);
  }

  /** What another process opens it by. */
  get handle(): FolderHandle {
    return { path: this.path, identity: this.identity };
  }

  /** A folder in this one; undefined when there is none. Throws a UserError of kind disagreement for anything else of that name. */
  inside(name: string): OpenFolder | undefined {
    const stat = this.statOf(name);
    if (stat === undefined) return undefined;
    if (!stat.isDirectory()) throw this.refusal(name, stat, "folder");
    return new OpenFolder(join(this.path, name), this, this.at(name));
  }

  makeInside(name: string): OpenFolder {
    this.check();
    if (this.statOf(name) === undefined) this.act(name, (place) => fs.mkdirSync(place, { recursive: true }));
    const folder = this.inside(name);
    invariant(folder !== undefined, "OpenFolder.makeInside", `${name} was not made`);
    return folder;
  }

  /** Removes a folder in this one when nothing is in it. */
  removeInside(name: string): void {
    this.check();
    try {
      this.act(name, (place) => fs.rmdirSync(place));
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }

  /** Throws a UserError of kind io when the path no longer leads here: what is written would be lost, or would change what is another's. */
  check(): void {
    this.parent?.check();
    if (!this.isInPlace) throw goneError(this.path, this.descriptor);
  }
  private get isInPlace(): boolean {
    return (this.parent?.isInPlace ?? true) && identityAt(this.path) === this.identity;
  }

  /** Names of the files in it; links, pipes and folders are none. */
  get names(): readonly string[] {
    return this.entries.flatMap((entry) => (entry.isFile() ? [entry.name] : []));
  }
  /** Names of the folders in it. */
  get folders(): readonly string[] {
    return this.entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  }
  private get entries(): readonly fs.Dirent[] {
    return fs.readdirSync(this.root, { withFileTypes: true });
  }

  /** Throws a UserError of kind disagreement when anything but a file, or a folder, has a name that is kept for one. */
  refuseOthers(kindOf: (name: string) => "file" | "folder" | undefined): void {
    for (const entry of this.entries) {
      const kind = kindOf(entry.name);
      if ((kind === "file" && !entry.isFile()) || (kind === "folder" && !entry.isDirectory())) throw this.refusal(entry.name, entry, kind);
    }
  }

  /** Whether it has a file of this name; throws a UserError of kind disagreement for anything else. */
  has(name: string): boolean {
    const stat = this.statOf(name);
    if (stat !== undefined && !stat.isFile()) throw this.refusal(name, stat, "file");
    return stat !== undefined;
  }

  /** What changes when a file does, or is replaced: its number, its size and its time; empty when there is none. */
  stampOf(name: string): string {
    const stat = fs.lstatSync(this.at(name), exactly);
    return stat === undefined ? "" : `${String(stat.ino)} ${String(stat.size)} ${String(stat.mtimeNs)}`;
  }

  /** Opens a file; undefined when there is none. Throws a UserError of kind disagreement for anything else of that name. */
  open(name: string, mode: Mode): number | undefined {
    if (!this.has(name)) return undefined;
    return this.act(name, (place) => {
      const file = fs.openSync(place, flagsOf[mode] | O_NOFOLLOW | O_NONBLOCK);
      const stat = fs.fstatSync(file);
      if (stat.isFile()) return file;
      fs.closeSync(file);
      throw this.refusal(name, stat, "file");
    });
  }

  /** Creates a file that is not there yet, open for reading and writing. */
  create(name: string): number {
    this.check();
    return this.act(name, (place) => fs.openSync(place, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666));
  }

  /** A UTF-8 text; undefined when there is none. Throws when it is longer than a text can be. */
  text(name: string): string | undefined {
    const file = this.open(name, "read");
    if (file === undefined) return undefined;
    try {
      if (fs.fstatSync(file).size > mostTextBytes) throw new Error(`it has more than ${mostTextBytes / 2 ** 20} MiB`);
      return fs.readFileSync(file, "utf8");
    } finally {
      fs.closeSync(file);
    }
  }

  /** At most so many bytes from a file's beginning, as text; nothing when there is none. */
  beginning(name: string, most: number): string {
    const file = this.open(name, "read");
    if (file === undefined) return "";
    try {
      const bytes = Buffer.alloc(most);
      return bytes.toString("utf8", 0, fs.readSync(file, bytes, 0, most, 0));
    } finally {
      fs.closeSync(file);
    }
  }

  /** Replaces a file by the given pieces, all or nothing, so that a reader never sees half of it; `what` names its failpoints. */
  write(name: string, pieces: Iterable<string | Uint8Array>, what?: "results" | "checkpoint"): void {
    this.replace(name, pieces, true, what);
    this.sync();
    if (what) failpoint(`${what}.renamed`);
  }

  /** The same for what nobody misses after a power failure: it waits for no disk, and there may be nothing of it then. */
  writeInPassing(name: string, text: string): void {
    this.replace(name, [text], false);
  }

  private replace(name: string, pieces: Iterable<string | Uint8Array>, isDurable: boolean, what?: "results" | "checkpoint"): void {
    const temporary = `${name}.tmp`;
    this.has(name);
    try {
      if (what) failpoint(`${what}.before`);
      this.remove(temporary);
      const file = this.create(temporary);
      this.act(temporary, () => writeAll(file, pieces, isDurable));
      if (what) failpoint(`${what}.written`);
      this.check();
      this.act(name, (place) => fs.renameSync(this.at(temporary), place));
    } catch (error) {
      try {
        this.remove(temporary);
      } catch {
        // Why it was not written is what there is to tell.
      }
      throw error;
    }
  }

  /** Removes a file, if it is there. */
  remove(name: string): void {
    this.check();
    if (this.has(name)) this.act(name, (place) => fs.rmSync(place, { force: true }));
  }

  /** Throws a UserError of kind io when an open file is no longer the one of this name. */
  checkHeld(name: string, file: number): void {
    this.check();
    if (!this.isHeld(name, file)) throw goneError(join(this.path, name), file);
  }

  /** Whether an open file is still the one of this name, in a folder that is still in its place. */
  isHeld(name: string, file: number): boolean {
    if (!this.isInPlace) return false;
    const stat = fs.lstatSync(this.at(name), exactly);
    return stat !== undefined && numbersOf(stat) === numbersOf(fs.fstatSync(file, { bigint: true }));
  }

  /** Makes what was created, renamed or removed in it durable; Windows needs no such call. */
  sync(): void {
    if (this.descriptor !== undefined) fs.fsyncSync(this.descriptor);
  }

  close(): void {
    if (this.descriptor !== undefined) fs.closeSync(this.descriptor);
  }

  private at(name: string): string {
    invariant(basename(name) === name && !["", ".", ".."].includes(name), "OpenFolder.at", `${name} is no name`);
    return join(this.root, name);
  }

  private statOf(name: string): fs.Stats | undefined {
    return fs.lstatSync(this.at(name), { throwIfNoEntry: false });
  }

  /** Does something to a file; that the folder is gone is the reason, whatever the system says, and errors name the path that people know. */
  private act<T>(name: string, action: (place: string) => T): T {
    try {
      return action(this.at(name));
    } catch (error) {
      this.check();
      if (!(error instanceof UserError)) Object.assign(error as Error, this.namesOf(error as NodeJS.ErrnoException));
      throw error;
    }
  }
  private namesOf({ message, path }: NodeJS.ErrnoException): { readonly message: string; readonly path?: string } {
    const known = (text: string): string => text.replaceAll(this.root, this.path);
    return { message: known(message), ...(path !== undefined && { path: known(path) }) };
  }

  private refusal(name: string, found: Pick<fs.Stats, "isSymbolicLink" | "isDirectory" | "isFile">, wanted: "file" | "folder"): UserError {
    const what = found.isSymbolicLink() ? "a link" : found.isDirectory() ? "a folder" : found.isFile() ? "a file" : "a pipe or a device";
    return new UserError(
      {
        code: "no_plain_file",
        message: `${this.path}: ${name} is no ${wanted} of its own, but ${what}`,
        hint: `move it away, or give another folder with ${option("out")}`,
      },
      "disagreement",
    );
  }
}

/** What comes of an action that a folder is opened for; the folder is closed when it throws. */
export function closedUnless<T>(folder: OpenFolder, action: () => T): T {
  try {
    return action();
  } catch (error) {
    folder.close();
    throw error;
  }
}

function writeAll(file: number, pieces: Iterable<string | Uint8Array>, isDurable: boolean): void {
  try {
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
      for (let written = 0; written < bytes.length;) written += fs.writeSync(file, bytes, written);
    }
    if (isDurable) fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** Where Linux says that an open file or folder is now. */
function whereabouts(descriptor: number | undefined): string | undefined {
  try {
    return descriptor === undefined ? undefined : fs.readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined; // other systems do not say
  }
}

function goneError(path: string, descriptor: number | undefined): UserError {
  const now = whereabouts(descriptor);
  const isDeleted = now?.endsWith(" (deleted)") ?? false;
  const [what, hint] = isDeleted
    ? ["was deleted", "what was in it is lost; the same command begins again"]
    : ["was moved or replaced", `${now === undefined ? "find it" : `it is ${now} now: move it back`}, and the same command continues`];
  return new UserError(
    { code: "folder_gone", message: `${path} ${what} while it was in use; nothing was written to what is there now`, hint },
    "io",
  );
}
