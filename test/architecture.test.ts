/** The layout's rules: who may import whom, no cycles, and where process, console, files and clocks may be used. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { reportNames, runFiles, runFolders } from "../src/sweep/run-folder.ts";

const root = fileURLToPath(new URL("../src/", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const source = new Map(files.map((name) => [name, readFileSync(join(root, name), "utf8")]));

/** Files a file imports, type imports included. */
function importsOf(name: string): string[] {
  const specifiers = [...(source.get(name) ?? "").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map((match) => match[1]);
  return specifiers.map((specifier) => relative(root, resolve(root, dirname(name), specifier)));
}
/** Top folder, or the file itself at the top; each engine is a folder of its own. */
const areaOf = (name: string): string => {
  const [top, second] = name.split("/");
  if (top === "engines" && name.split("/").length > 2) return `engines/${second}`;
  return name.includes("/") ? top : name;
};

const foundation = ["errors.ts", "failpoints.ts", "hash.ts", "libc.ts", "rng.ts", "statistics.ts"];
const allowed: Readonly<Record<string, readonly string[]>> = {
  "errors.ts": [],
  "failpoints.ts": [],
  "hash.ts": [],
  "libc.ts": [],
  "rng.ts": [],
  "statistics.ts": [],
  parametrization: [],
  search: [],
  program: [],
  data: [],
  model: ["program", "parametrization"],
  engines: ["program", "engines/onnxruntime", "engines/native", "engines/cuda", "engines/tfjs", "engines/small-ops"],
  "engines/small-ops": ["program", "engines"],
  "engines/onnxruntime": ["program", "engines", "engines/small-ops"],
  "engines/tfjs": ["program", "engines", "engines/small-ops"],
  "engines/native": ["program", "engines", "engines/lowered"],
  "engines/cuda": ["program", "engines", "engines/lowered"],
  "engines/lowered": ["program", "engines"],
  training: ["program", "model", "parametrization", "data", "engines"],
  spec: ["data", "model", "parametrization", "search", "engines"],
  sweep: ["training", "search", "spec", "model", "parametrization", "engines", "data"],
  transfer: ["sweep", "training", "spec", "model", "program", "parametrization"],
  evidence: ["training", "model", "parametrization", "program", "engines"],
  report: ["sweep", "training", "spec", "engines", "transfer", "evidence"],
  cli: ["spec", "data", "parametrization", "model", "program", "engines", "training", "search", "sweep", "transfer", "evidence", "report"],
};

describe("imports", () => {
  it.each(files)("%s stays within its area's neighbours", (name) => {
    const area = areaOf(name);
    const permitted = [area, ...foundation, ...(allowed[area] ?? [])];
    for (const imported of importsOf(name)) expect(permitted, `${name} imports ${imported}`).toContain(areaOf(imported));
  });

  it("model and transfer know no scale rules", () => {
    for (const name of files.filter((each) => /^model\//.test(each)))
      for (const imported of importsOf(name)) expect(imported).not.toMatch(/parametrization\/(table|resolve)/);
  });

  it("report imports types only, from outside itself", () => {
    for (const name of files.filter((each) => each.startsWith("report/"))) {
      const values = [...(source.get(name) ?? "").matchAll(/^import (?!type)[^;]*?from\s+"(\.\.[^"]+)"/gm)].map((match) => match[1]);
      const outside = values.filter((specifier) => areaOf(relative(root, resolve(root, dirname(name), specifier))) !== "report");
      expect(outside, name).toEqual([]);
    }
  });

  it("load Vega when a figure is drawn, and not before", () => {
    for (const [name, text] of source) expect(/^import (?!type)[^;]*?from\s+"vega/m.test(text), name).toBe(false);
  });

  it("have no cycle", () => {
    const done = new Set<string>();
    const walk = (name: string, path: readonly string[]): void => {
      expect(path, `cycle: ${[...path, name].join(" → ")}`).not.toContain(name);
      if (done.has(name)) return;
      for (const imported of importsOf(name)) walk(imported, [...path, name]);
      done.add(name);
    };
    for (const name of files) walk(name, []);
  });
});

describe("side effects", () => {
  const outside = (pattern: RegExp, places: RegExp): string[] =>
    files.filter((name) => !places.test(name) && pattern.test(source.get(name) ?? ""));

  it("process and console are used in cli only", () => expect(outside(/(?<![-\w])process\.[a-z]|\bconsole\./, /^cli\//)).toEqual([]));
  it("files are touched in data, the run folder, what engines build or look for, what the system tells of its cores, and a few places of cli only", () =>
    expect(
      outside(
        /["']node:fs|["']fs["']/,
        /^(data\/(checked-file|corpus|globs|remembered|token-file|token-run|tokenized)|sweep\/(checkpoints|journal|kernel|lock|open-folder)|engines\/(cores|sources|cuda\/sources|native\/(build|cpu|prebuilt|web-assembly)|tfjs\/saved-models)|cli\/(cache|faults|files|init))\.ts$/,
      ),
    ).toEqual([]));
  it("a run folder's files are opened in one place", () => {
    // The journal, checkpoints and the lock read and write what is open already; files that people name are not a run's content.
    const withOpenFiles = new Set(["closeSync", "fdatasyncSync", "fstatSync", "ftruncateSync", "readSync", "writeSync"]);
    const imported = (name: string): readonly string[] =>
      [...(source.get(name) ?? "").matchAll(/import ([^;]*?) from "node:fs/g)].flatMap(([, names]) =>
        names.replace(/[{}]/g, "").split(","),
      );
    for (const name of ["sweep/journal.ts", "sweep/checkpoints.ts", "sweep/lock.ts"])
      expect(
        imported(name).filter((each) => !withOpenFiles.has(each.trim())),
        name,
      ).toEqual([]);
    expect(imported("sweep/journal.ts").length).toBeGreaterThan(0);
    // Whoever does not know what a file is called cannot open it past that place.
    const names = [...Object.values(runFiles), runFolders.checkpoints, reportNames.page];
    const said = (name: string): readonly string[] => names.filter((each) => (source.get(name) ?? "").includes(`"${each}"`));
    expect(files.filter((name) => said(name).length > 0)).toEqual(["sweep/run-folder.ts"]);
  });
  it("cores are counted in one place, which knows of quotas", () =>
    expect(outside(/availableParallelism|cpus\(\)\.length/, /^engines\/cores\.ts$/)).toEqual([]));
  it("clocks are passed in, and randomness comes from seeds", () => {
    expect(outside(/Date\.now|performance\.now|new Date\(/, /^cli\//)).toEqual([]);
    expect(outside(/Math\.random/, /^$/)).toEqual([]);
  });
});

it("no file is one that a reader gives up on, and each says at its head what it owns", () => {
  for (const [name, text] of source) {
    expect(text.split("\n").length, name).toBeLessThanOrEqual(400);
    expect(text.startsWith("/**"), `${name} has no head`).toBe(true);
  }
});
