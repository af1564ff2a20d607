/** The layout's rules: who may import whom, no cycles, and where process, console, files and clocks may be used. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { reportNames, runFiles, runFolders } from "../src/run/run-folder.ts";

/** What the command line knows besides studies and reports: how a spec is read and what its bounds are, and how engines are called. */
const cliKnows = ["engines", "spec"];
/** Lines that options, studies' calls and their texts may take. */
const mostCliLines = 1400;

const root = fileURLToPath(new URL("../src/", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .sort();
const source = new Map(files.map((name) => [name, readFileSync(join(root, name), "utf8")]));
/** A file without its comments. */
const codeOf = (name: string): string => (source.get(name) ?? "").replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");

interface Import {
  readonly file: string;
  /** Whether anything but types is imported. */
  readonly hasValues: boolean;
}
/** Imports and re-exports of a file, of packages not. */
function importsOf(name: string): readonly Import[] {
  const text = source.get(name) ?? "";
  const fileOf = (specifier: string): string => relative(root, resolve(root, dirname(name), specifier));
  const isType = (names: string): boolean =>
    /^type\s/.test(names) || (/^\{[^}]*\}$/.test(names) && /^[\s{]*(type\s[^,]*,?\s*)+\}?$/.test(names));
  const named = [...text.matchAll(/^(?:import|export)\s+([^;"']*?)\s+from\s+"(\.[^"]+)"/gm)];
  const bare = [...text.matchAll(/import(?:\(|\s+)"(\.[^"]+)"/g)];
  return [
    ...named.map(([, names, specifier]) => ({ file: fileOf(specifier), hasValues: !isType(names) })),
    ...bare.map(([, specifier]) => ({ file: fileOf(specifier), hasValues: true })),
  ];
}
/** Top folder, or the file itself at the top; each engine is a folder of its own. */
const areaOf = (name: string): string => {
  const [top, second] = name.split("/");
  if (top === "engines" && name.split("/").length > 2) return `engines/${second}`;
  return name.includes("/") ? top : name;
};

/** Files at the top, which anybody may import, and what they import. */
const foundation: Readonly<Record<string, readonly string[]>> = {
  // Whose folder it is that engines keep what they build in is said in the engines' words.
  "cache.ts": ["engines"],
  ...{
    "errors.ts": [],
    "failpoints.ts": [],
    "faults.ts": [],
    "folders.ts": [],
    "hash.ts": [],
    "json.ts": [],
    "libc.ts": [],
    "numbers.ts": [],
  },
  ...{ "rng.ts": [], "shell.ts": [], "signals.ts": [], "statistics.ts": [] },
};
const floors = {
  training: ["program", "model", "parametrization", "data", "engines"],
  spec: ["program", "data", "model", "parametrization", "search", "engines", "training"],
  // What checks, curves and the check before a launch leave in a run folder has its form where it is made.
  run: ["evidence", "spec", "search", "training", "program", "model", "parametrization", "data", "engines"],
  workers: ["run", "training", "program", "model", "parametrization", "data", "engines"],
} as const;
const below = [...new Set(["workers", "spec", ...floors.run, "run"])];
/** Who may import whom, from the ground up; a floor knows nothing of those above it. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  ...foundation,
  ...{ parametrization: [], search: [], program: [], data: [] },
  model: ["program", "parametrization"],
  // An engine receives numbers: it knows no width, no hyperparameter and no file of a run.
  engines: ["program", "engines/onnxruntime", "engines/native", "engines/cuda", "engines/tfjs", "engines/small-ops"],
  "engines/small-ops": ["program", "engines"],
  "engines/onnxruntime": ["program", "engines", "engines/small-ops"],
  "engines/tfjs": ["program", "engines", "engines/small-ops"],
  "engines/native": ["program", "engines", "engines/lowered"],
  "engines/cuda": ["program", "engines", "engines/lowered"],
  "engines/lowered": ["program", "engines"],
  ...floors,
  placement: below,
  sweep: [...below, "placement"],
  // Statistics over numbers: it may know what others call them, and nothing that others do.
  evidence: ["search", "training", "program", "model", "parametrization", "data", "engines"],
  studies: [...below, "placement", "sweep", "evidence"],
  report: [...below, "placement", "sweep", "evidence", "studies"],
  // How a page gets to a browser: it knows no run, as whoever reads runs knows no browser.
  serve: [],
  library: [...below, "placement", "sweep", "evidence", "studies"],
  "index.ts": ["library", ...below, "placement", "sweep", "evidence", "studies"],
  cli: ["studies", "report", "serve", ...cliKnows],
};

describe("imports", () => {
  it("stay within their floor's neighbours", () => {
    const past = files.flatMap((name) => {
      const permitted = [areaOf(name), ...Object.keys(foundation), ...(allowed[areaOf(name)] ?? [])];
      return importsOf(name).flatMap(({ file }) => (permitted.includes(areaOf(file)) ? [] : [`${name}: ${file}`]));
    });
    expect(past).toEqual([]);
  });
  it("are of folders that are known here", () =>
    expect([...new Set(files.map(areaOf))].filter((area) => allowed[area] === undefined)).toEqual([]));

  it("model knows no scale rules", () => {
    for (const name of files.filter((each) => each.startsWith("model/")))
      for (const { file } of importsOf(name)) expect(file, name).not.toMatch(/parametrization\/(table|resolve)/);
  });

  /** Values that an area has from others, the foundation aside. */
  const valuesFrom = (area: string): readonly string[] =>
    files
      .filter((name) => areaOf(name) === area)
      .flatMap((name) =>
        importsOf(name)
          .filter(({ file, hasValues }) => hasValues && areaOf(file) !== area && foundation[file] === undefined)
          .map(({ file }) => `${name}: ${file}`),
      );
  it("report imports types only, from outside itself: it draws what it is given", () => expect(valuesFrom("report")).toEqual([]));
  it("evidence imports types only, but for what is estimated from numbers alone: it judges them, whoever made them", () =>
    expect(valuesFrom("evidence")).toEqual(["evidence/optimum.ts: search/optimum.ts"]));

  it("load Vega when a figure is drawn, and not before", () => {
    for (const [name, text] of source) expect(/^import (?!type)[^;]*?from\s+"vega/m.test(text), name).toBe(false);
  });

  it("have no cycle", () => {
    const done = new Set<string>();
    const walk = (name: string, path: readonly string[]): void => {
      expect(path, `cycle: ${[...path, name].join(" → ")}`).not.toContain(name);
      if (done.has(name)) return;
      for (const { file } of importsOf(name)) walk(file, [...path, name]);
      done.add(name);
    };
    for (const name of files) walk(name, []);
  });
});

describe("side effects", () => {
  const outside = (pattern: RegExp, places: RegExp): string[] => files.filter((name) => !places.test(name) && pattern.test(codeOf(name)));

  it("process and console are the command line's, a worker's, and of the few files that ask the system", () =>
    expect(
      outside(
        /(?<![-\w])process[.[]|\bconsole\.|node:process/,
        /^(cli\/.*|library\/study|workers\/(worker|perform|prepare)|signals|faults|cache|libc)\.ts$/,
      ),
    ).toEqual([]));
  it("a study says nothing and ends nothing: whoever calls it does, on a terminal or not", () =>
    expect(
      files.filter(
        (name) =>
          name.startsWith("studies/") &&
          (/(?<![-\w])process[.[]|\bconsole\.|\b[eE]xitCodes?\b|\bTerminal\b|--[a-z]/.test(codeOf(name)) ||
            importsOf(name).some(({ file }) => /^(report|cli)\//.test(file))),
      ),
    ).toEqual([]));
  it("run folders are written to by run only, which knows what is in them and in which order", () =>
    // Who may not import run has no such folder; a terminal's streams are none.
    expect(
      files.filter(
        (name) =>
          allowed[areaOf(name)].includes("run") &&
          /(?<!process\.std(?:out|err))\.(?:write|remove|makeInside|removeInside)\(/.test(codeOf(name)),
      ),
    ).toEqual([]));
  it("engines are opened by workers only, or it would be decided twice which one computes", () =>
    // Before the first use the kernels are built by workers/prepare.ts.
    expect(
      outside(
        /\b(?:engines|registry)(?:\.\w+|\[[^\]]+\])\.open\(|\bopen(?:Native|Cuda|Tfjs|Onnxruntime)\(/,
        /^(workers\/.*|engines\/.*)\.ts$/,
      ),
    ).toEqual([]));
  it("files are touched in data, the run folder, what engines build or look for, what the system tells of its cores, and a few places of cli only", () =>
    expect(
      outside(
        /["']node:fs|["']fs["']/,
        /^(data\/(checked-file|corpus|globs|remembered|token-file|token-run|tokenized)|run\/(checkpoints|journal|kernel|lock|open-folder)|engines\/(cores|sources|cuda\/sources|native\/(build|cpu|prebuilt|web-assembly)|tfjs\/saved-models)|cli\/(files|init)|studies\/named-files|cache|faults|folders)\.ts$/,
      ),
    ).toEqual([]));
  it("a run folder's files are opened in one place", () => {
    // The journal, checkpoints and the lock read and write what is open already; files that people name are not a run's content.
    const withOpenFiles = new Set(["closeSync", "fdatasyncSync", "fstatSync", "ftruncateSync", "readSync", "writeSync"]);
    const imported = (name: string): readonly string[] =>
      [...(source.get(name) ?? "").matchAll(/import ([^;]*?) from "node:fs/g)].flatMap(([, names]) =>
        names.replace(/[{}]/g, "").split(","),
      );
    for (const name of ["run/journal.ts", "run/checkpoints.ts", "run/lock.ts"])
      expect(
        imported(name).filter((each) => !withOpenFiles.has(each.trim())),
        name,
      ).toEqual([]);
    expect(imported("run/journal.ts").length).toBeGreaterThan(0);
    // Whoever does not know what a file is called cannot open it past that place.
    const names = [...Object.values(runFiles), runFolders.checkpoints, reportNames.page];
    const said = (name: string): readonly string[] => names.filter((each) => (source.get(name) ?? "").includes(`"${each}"`));
    expect(files.filter((name) => said(name).length > 0)).toEqual(["run/run-folder.ts"]);
  });
  it("cores are counted in one place, which knows of quotas", () =>
    expect(outside(/availableParallelism|cpus\(\)\.length/, /^engines\/cores\.ts$/)).toEqual([]));
  it("clocks are passed in, and randomness comes from seeds", () => {
    expect(outside(/Date\.now|performance\.now|new Date\(/, /^(cli\/.*|library\/study|workers\/perform)\.ts$/)).toEqual([]);
    expect(outside(/Math\.random/, /^$/)).toEqual([]);
  });
});

describe("words", () => {
  it("a word that could be anything's is one thing's", () => {
    for (const word of ["Place", "Lane", "Group", "Space", "Entry", "Environment"]) {
      const declares = new RegExp(`^\\s*(?:export )?(?:abstract )?(?:type|interface|class) ${word}\\b`, "m");
      const places = files.filter((name) => declares.test(codeOf(name)));
      expect(places.length, `${word} is declared in ${places.join(", ")}`).toBeLessThanOrEqual(1);
    }
  });
  it("nothing is called a job but the count of stacks trained at a time: a training is a training", () => {
    const named = [...source].flatMap(([name, text]) =>
      [...new Set(text.match(/\w*job\w*/gi))].filter((each) => !/^(jobs|\w+Jobs)$/.test(each)).map((each) => `${name}: ${each}`),
    );
    expect(named).toEqual([]);
  });
  it("no comment begins with Of: what it is of should be in the name", () => {
    const top = join(root, "..");
    const all = ["src", "test", "bench", "packing"].flatMap((folder) =>
      readdirSync(join(top, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.m?[tj]s$/.test(name))
        .map((name) => join(folder, name)),
    );
    const found = all.flatMap((name) =>
      readFileSync(join(top, name), "utf8")
        .split("\n")
        .flatMap((line, index) => (/(?:^|\s)(?:\/\/|\/\*\*?) Of /.test(line) ? [`${name}:${index + 1}`] : [])),
    );
    expect(found).toEqual([]);
  });
  it("the layer norm's ε is stated once, so that no two engines and no exported weights can differ in it", () => {
    const places = files.flatMap((name) => [...codeOf(name).matchAll(/\b1e-0?5\b|\b0\.00001\b/gi)].map(() => name));
    expect(places).toEqual(["program/ops.ts"]);
  });
});

describe("sizes", () => {
  it("the command line is options, a study and its text, and no longer than that takes", () => {
    const lines = files
      .filter((name) => name.startsWith("cli/"))
      .reduce((sum, name) => sum + (source.get(name) ?? "").split("\n").length - 1, 0);
    expect(lines).toBeLessThanOrEqual(mostCliLines);
  });
  it("no file is one that a reader gives up on, and each says at its head what it owns", () => {
    for (const [name, text] of source) {
      expect(text.split("\n").length, name).toBeLessThanOrEqual(400);
      expect(text.startsWith("/**"), `${name} has no head`).toBe(true);
    }
  });
});
