/** From the names and globs of a spec to files, each of them a file and each name worth something. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { glob } from "tinyglobby";
import { UserError, type Diagnostic } from "../errors.ts";

const isExcluding = (pattern: string): boolean => pattern.startsWith("!");

/** What lies at a path; nothing when there is nothing, or when it cannot be a path. */
function at(path: string): "file" | "folder" | "other" | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() ? "file" : stat.isDirectory() ? "folder" : "other";
  } catch {
    return undefined;
  }
}

/** Files that patterns name, relative to `directory`, in path order; throws a UserError at the spec's `key` for each that names none. */
export async function filesOf(patterns: readonly string[], directory: string, key: string): Promise<readonly string[]> {
  const excluded = patterns.filter(isExcluding);
  const found = new Set<string>();
  const problems: Diagnostic[] = [];
  for (const pattern of patterns.filter((each) => !isExcluding(each))) {
    const path = resolve(directory, pattern);
    // A name is a name, whatever it would mean as a glob.
    const isName = at(path) === "file" && excluded.length === 0;
    try {
      const paths = isName ? [path] : await glob([pattern, ...excluded], { cwd: directory, absolute: true, expandDirectories: false });
      const files = paths.filter((each) => at(each) === "file");
      for (const file of files) found.add(file);
      if (files.length === 0) problems.push({ code: "no_files", path: key, ...nothingAt(pattern, path, directory) });
    } catch (error) {
      const message = `${pattern} cannot be looked for: ${(error as Error).message}`;
      problems.push({ code: "bad_glob", path: key, message, hint: "globs are relative to the config file" });
    }
  }
  if (problems.length > 0) throw new UserError(problems);
  if (found.size === 0) throw new UserError({ code: "no_files", path: key, message: "every pattern excludes files, and none names any" });
  return [...found].sort();
}

function nothingAt(pattern: string, path: string, directory: string): Pick<Diagnostic, "message" | "hint"> {
  if (pattern.startsWith("~"))
    return { message: `no file matches ${pattern}`, hint: "`~` is a shell's word for the home folder: write the path out" };
  const there = at(path);
  if (there === "folder") return { message: `${pattern} is a folder`, hint: `for all files in it give ${pattern.replace(/\/$/, "")}/**` };
  if (there === "other") return { message: `${pattern} is neither a file nor a folder`, hint: "give a file" };
  return { message: `no file matches ${pattern} in ${directory}`, hint: "names and globs are relative to the config file" };
}
