/**
 * Every name that a run folder has, taken by a link, a pipe, a folder or a device, and every command:
 * each refuses it with a documented code, promptly, and nothing is read or written where the name leads.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import pLimit from "p-limit";
import { describe, expect, it } from "vitest";
import { curves } from "../../src/cli/curves.ts";
import { repair } from "../../src/cli/repair.ts";
import { report } from "../../src/cli/report.ts";
import { retry } from "../../src/cli/retry.ts";
import { status } from "../../src/cli/status.ts";
import { sweep } from "../../src/cli/sweep.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import { transfer } from "../../src/cli/transfer.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { plain } from "../../src/report/style.ts";
import { reportNames, runFiles, runFolders } from "../../src/run/run-folder.ts";
import { start } from "../support/cli.ts";
import { arena, cache, journal, resultsFile, sealResults, texts } from "./inputs.ts";
import type { Results } from "../../src/run/results.ts";
import { cpuEngine } from "../support/native.ts";

process.env["MUTRANSFER_CACHE"] = cache;
const terminal: Terminal = Object.assign(Object.create(Terminal.prototype) as Terminal, {
  errStyle: plain,
  outStyle: plain,
  err: () => undefined,
  out: () => undefined,
  now: () => 0,
});
const results = JSON.parse(resultsFile) as Results;
const best = join(arena, "best.json");
writeFileSync(best, sealResults({ ...results, environment: { ...results.environment, data_directory: "." } }));
const spec = join(arena, "sweep.yaml");
writeFileSync(spec, texts[0]);
const withCurves = join(arena, "curves.yaml");
const overWidths = "curves: {widths: [8, 16], learning_rates: {min: 0.001, max: 0.1, count: 4}, seeds: 1}\n";
writeFileSync(withCurves, texts[0].replace(/^ {4}init_std:[^]*/m, "") + overWidths);

const keep = { checkpoint: {}, engine: cpuEngine, quiet: true } as const;
/** Each on a run folder, as a call and as a command line. */
const commands: Readonly<
  Record<string, { readonly call: (folder: string) => Promise<number>; readonly line: (folder: string) => readonly string[] }>
> = {
  status: { call: (folder) => status(folder, {}, terminal), line: (folder) => ["status", folder] },
  report: { call: (folder) => report(folder, { quiet: true }, terminal), line: (folder) => ["report", folder] },
  repair: { call: (folder) => repair(folder, terminal), line: (folder) => ["repair", folder] },
  retry: { call: (folder) => retry(folder, [], { ...keep, failed: true }, terminal, "0"), line: (folder) => ["retry", folder, "--failed"] },
  sweep: {
    call: (folder) => sweep(spec, { ...keep, out: folder }, terminal, "0"),
    line: (folder) => ["sweep", spec, "--out", folder, "--engine", cpuEngine],
  },
  transfer: {
    call: (folder) => transfer({ ...keep, best, out: folder }, terminal, "0"),
    line: (folder) => ["transfer", "--best", best, "--out", folder],
  },
};

const pipe = (path: string): unknown => spawnSync("mkfifo", [path]);
const outside = join(arena, "outside");
let folders = 0;
const kinds: Readonly<Record<string, (path: string) => unknown>> = {
  "a link to a file": (path) => symlinkSync(join(outside, "precious"), path),
  "a link to nothing": (path) => symlinkSync("nowhere", path),
  "a link to a folder": (path) => symlinkSync(outside, path),
  "a folder": (path) => mkdirSync(path),
  // Who may not make one has a link to one.
  "a device": (path) => spawnSync("mknod", [path, "c", "1", "5"]).status !== 0 && symlinkSync("/dev/zero", path),
};
/** A sound run folder in which `name` is something else. */
function spoiled(name: string, make: (path: string) => unknown): string {
  const folder = join(arena, `named-${folders++}`);
  mkdirSync(folder);
  rmSync(outside, { recursive: true, force: true });
  mkdirSync(outside);
  writeFileSync(join(outside, "precious"), "precious");
  writeFileSync(join(folder, runFiles.journal), journal);
  rmSync(join(folder, name), { force: true });
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  make(join(folder, name));
  return folder;
}
const untouched = (): void => {
  expect(readdirSync(outside)).toEqual(["precious"]);
  expect(readFileSync(join(outside, "precious"), "utf8")).toBe("precious");
};
async function refusal(work: () => Promise<number>): Promise<string> {
  try {
    return String(await work());
  } catch (error) {
    if (error instanceof UserError) return `${exitCodes[error.kind]} ${error.diagnostics[0].code}`;
    throw error;
  }
}
const figure = join(runFolders.report, reportNames.figures, "history.svg");
const drawn = [runFolders.report, join(runFolders.report, reportNames.page), join(runFolders.report, reportNames.figures), figure];
const isFolder = (name: string): boolean => [runFolders.checkpoints, drawn[0], drawn[2]].includes(name);

describe.skipIf(process.platform === "win32")("what is not the run's own", () => {
  describe.each([...Object.values(runFiles), runFolders.checkpoints])("under the name %s", (name) => {
    it.each(Object.keys(kinds).filter((kind) => kind !== "a folder" || !isFolder(name)))("as %s", async (kind) => {
      for (const [command, { call }] of Object.entries(commands)) {
        const folder = spoiled(name, kinds[kind]);
        expect(await refusal(() => call(folder)), command).toBe("3 no_plain_file");
        untouched();
      }
    });
  });

  // In processes of their own, which can be ended when they wait; each command meets several of the names.
  it("as a pipe is not waited for", async () => {
    const limit = pLimit(2);
    const names = [...Object.values(runFiles), runFolders.checkpoints];
    const lines = Object.entries(commands);
    const refused = names.flatMap((name, index) =>
      [commands["report"], lines[index % lines.length][1]].map(({ line }) =>
        limit(async () => {
          const folder = spoiled(name, pipe);
          const { child, finished } = start(line(folder), { cwd: arena, env: { MUTRANSFER_CACHE: cache } });
          const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
          const { code, stderr } = await finished;
          clearTimeout(late);
          expect(`${String(code)} ${stderr}`, line(folder).join(" ")).toMatch(/^3 [^]*\[no_plain_file\]/);
        }),
      ),
    );
    await Promise.all(refused);
  });

  it.each(drawn)("under %s is not drawn to", async (name) => {
    for (const [kind, make] of Object.entries(kinds)) {
      if (kind === "a folder" && isFolder(name)) continue;
      const folder = spoiled(name, make);
      expect(await refusal(() => report(folder, { quiet: true }, terminal)), kind).toBe("3 no_plain_file");
      untouched();
    }
  });

  it("is not drawn to either where another place for the page is named", async () => {
    const folder = spoiled(runFiles.probe, (path) => writeFileSync(path, ""));
    const out = join(arena, "pages");
    for (const [kind, make] of Object.entries(kinds)) {
      if (kind === "a folder") continue;
      for (const name of ["page.html", reportNames.figures]) {
        rmSync(out, { recursive: true, force: true });
        mkdirSync(out);
        make(join(out, name));
        const code = await refusal(() => report(folder, { quiet: true, out: join(out, "page.html") }, terminal));
        // A link to a folder is a folder to whoever names it.
        expect(code, `${kind} ${name}`).toBe(kind === "a link to a folder" && name === "page.html" ? "2 not_a_file" : "3 no_plain_file");
        untouched();
      }
    }
    expect(existsSync("/dev/figures")).toBe(false);
  });

  it("is no curve's folder", async () => {
    for (const kind of ["a link to a file", "a link to nothing", "a link to a folder", "a device"]) {
      const folder = spoiled("mup-8", kinds[kind]);
      const code = await refusal(() => curves(withCurves, { ...keep, out: folder }, terminal, "0"));
      expect(code, kind).toBe("3 no_plain_file");
      untouched();
    }
  });

  it("is no results file to launch from, and a pipe is none that is waited for", async () => {
    for (const [kind, make] of [...Object.entries(kinds), ["a pipe", pipe] as const]) {
      const folder = spoiled(runFiles.results, make);
      const code = await refusal(() => transfer({ ...keep, best: join(folder, runFiles.results) }, terminal, "0"));
      expect(code, kind).toMatch(/^2 (unreadable_file|results_not_json)$/);
      untouched();
    }
    // A link to sound results is read, being named, and its folder is refused.
    const folder = spoiled(runFiles.results, (path) => symlinkSync(best, path));
    cpSync(join(arena, "tokens.bin"), join(folder, "tokens.bin"));
    expect(await refusal(() => transfer({ ...keep, best: join(folder, runFiles.results) }, terminal, "0"))).toBe("3 no_plain_file");
  });
});
