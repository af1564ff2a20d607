/**
 * Where compiled kernels and tokens are kept between runs. What lies there is run and
 * trained on, so a folder that somebody else owns or can write to is not used: a
 * private one under the temporary folder is, and so where there is no home to keep
 * anything in. One line says so.
 */
import { accessSync, constants, lstatSync, mkdtempSync, readdirSync, realpathSync, rmSync, type Stats } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Host } from "./engines/engine.ts";
import { makeFolder } from "./folders.ts";

/** Permissions that let others write, and that let them in at all. */
const [othersWrite, othersEnter] = [0o022, 0o077];
const [worldWrites, sticky] = [0o002, 0o1000];

/** The home folder; undefined without one, as for a user that no password file knows. */
function home(): string | undefined {
  try {
    const folder = homedir();
    return isAbsolute(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** Where the cache is wanted, and whether somebody asked for that place. */
function wantedFolder(): { readonly folder: string | undefined; readonly isNamed: boolean } {
  const { MUTRANSFER_CACHE, XDG_CACHE_HOME } = process.env;
  if (MUTRANSFER_CACHE) return { folder: resolve(MUTRANSFER_CACHE), isNamed: true };
  const base = XDG_CACHE_HOME ? resolve(XDG_CACHE_HOME) : home();
  return { folder: base && join(base, XDG_CACHE_HOME ? "" : ".cache", "mutransfer"), isNamed: false };
}

/** Names in a folder; none in one that has just gone, as a finished build's has. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** What is in a folder and in its folders: the files that are used lie no deeper. */
function contents(folder: string, levels = 2): readonly { readonly path: string; readonly stats: Stats }[] {
  return namesIn(folder).flatMap((name) => {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return [];
    return [{ path, stats }, ...(stats.isDirectory() && levels > 1 ? contents(path, levels - 1) : [])];
  });
}

/** Who else could have put something into this folder, in words; undefined when nobody could. */
export function distrust(folder: string, user: number): string | undefined {
  const owners = [user, 0];
  const top = lstatSync(folder);
  if (!owners.includes(top.uid)) return "somebody else owns it";
  if (top.mode & othersWrite) return "others can write to it";
  for (let parent = dirname(folder); parent !== dirname(parent); parent = dirname(parent)) {
    const { mode } = lstatSync(parent);
    if (mode & worldWrites && !(mode & sticky)) return `others can replace it in ${parent}`;
  }
  const isOpen = (top.mode & othersEnter) !== 0;
  for (const { path, stats } of contents(folder)) {
    if (!owners.includes(stats.uid)) return `somebody else owns ${path}`;
    if (isOpen && !stats.isSymbolicLink() && stats.mode & othersWrite) return `others can write to ${path}`;
  }
  return undefined;
}

/** Makes the folder if need be, and says why it is not to be trusted; throws when nothing can be kept there. */
function inspect(wanted: string, user: number | undefined): string | undefined {
  makeFolder(wanted, 0o700);
  const folder = realpathSync(wanted);
  const why = user === undefined ? undefined : distrust(folder, user); // Windows has neither owners nor modes to look at
  if (why === undefined) accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  return why;
}

/** Whether a folder in a place where anybody may make one is this user's, entered by nobody else, and no link. */
function isPrivate(folder: string, user: number | undefined): boolean {
  try {
    if (inspect(folder, user) !== undefined) return false;
    const stats = lstatSync(folder);
    return stats.isDirectory() && (user === undefined || (stats.uid === user && (stats.mode & othersEnter) === 0));
  } catch {
    return false; // whatever has that name, nothing can be kept there
  }
}

/** A folder under the temporary folder: the same one each time, unless somebody has got hold of its name. */
function privateFolder(user: number | undefined): string {
  const folder = join(tmpdir(), `mutransfer-${user ?? "cache"}`);
  if (isPrivate(folder, user)) return folder;
  const own = mkdtempSync(join(tmpdir(), "mutransfer-"));
  process.on("exit", () => rmSync(own, { recursive: true, force: true }));
  return own;
}

function decide(say: (line: string) => void): string {
  const { folder, isNamed } = wantedFolder();
  const user = process.geteuid?.();
  let why: string | undefined = "this user has no home";
  if (folder !== undefined)
    try {
      why = inspect(folder, user);
    } catch (error) {
      // A place that was named and cannot be written to is an error of whoever writes there first.
      if (!isNamed) why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      else return folder;
    }
  if (folder !== undefined && why === undefined) return folder;
  const instead = privateFolder(user);
  say(`cache: ${folder === undefined ? why : `${folder} is not used (${why})`}; using ${instead} (name another with $MUTRANSFER_CACHE)`);
  return instead;
}

let decided: string | undefined;

/** Where things are kept between runs; the first call decides for this process, and says so in a line when it is not where it was wanted. */
export function cacheFolder(say: (line: string) => void = console.error): string {
  return (decided ??= decide(say));
}

/** What engines may know of this process; whoever they start keeps things in the same place. */
export function engineHost(say?: (line: string) => void): Host {
  const cache = cacheFolder(say);
  return { cache, environment: { ...process.env, MUTRANSFER_CACHE: cache } };
}
