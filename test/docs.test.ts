/**
 * Every page says what is true: its commands run, or carry the reason why not; its specs are specs; its
 * tables are the program's; its links, files, scripts and options exist. UPDATE_DOCS=1 rewrites the tables.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { buildProgram } from "../src/cli/commands.ts";
import { describe as describeProgram } from "../src/cli/describe.ts";
import { Terminal } from "../src/cli/terminal.ts";
import { renderCommandLine } from "../src/report/command-line/reference.ts";
import { renderReference } from "../src/report/reference.ts";
import { readPlan } from "../src/spec/read.ts";
import { jsonSchema } from "../src/spec/schema.ts";
import { bin } from "./support/cli.ts";
import { anchorsOf, blocksOf, callsOn, commandsOf, inRepository, linksOn, misspelled, optionsOn, pages, textOf } from "./support/docs.ts";
import { temporaryFolder } from "./support/folder.ts";

const folder = temporaryFolder();
const blocks = pages.flatMap(blocksOf);
const program = buildProgram(new Terminal(), "0", () => undefined);

/** Why a command is not run here. One that something else runs names it, and that exists. */
const reasons =
  /^not run: (run by (?<by>\S+)|part of npm test|needs a GPU|takes half an hour|takes as long as the spec says|installs packages|rewrites pages)$/;
/** Commands that are not run here, and blocks that look like specs and are none: as many as are known, so that none is added unseen. */
const [notRun, noSpecs] = [42, 1];

/** Options of other programs that pages speak of: npm, xcode-select, benches, the crash harness, containers; and commander's own. */
const ofOthers = ["--install", "--ignore-scripts", "--target", "--rounds", "--cpus", "--help", "--global"];

/** Where the pages' commands are typed: one name leads to this build, and `npx` to that name. */
const path = join(folder, "path");
/** The smoke sweep and its target, which every page finds in runs/smoke. */
const prepared = join(folder, "prepared");
function type(command: string, cwd: string): { readonly status: number | null; readonly said: string } {
  const env = { ...process.env, NO_COLOR: "1", PATH: `${path}:${process.env["PATH"] ?? ""}` };
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd, env, encoding: "utf8", timeout: 60_000 });
  return { status, said: `${command}\n${stderr}${stdout}` };
}

beforeAll(() => {
  mkdirSync(path);
  writeFileSync(join(path, "mutransfer"), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`, { mode: 0o755 });
  writeFileSync(join(path, "npx"), `#!/bin/sh\nexec "$@"\n`, { mode: 0o755 });
  mkdirSync(prepared);
  symlinkSync(inRepository("configs"), join(prepared, "configs"));
  for (const command of ["mutransfer sweep configs/smoke.yaml -q", "mutransfer transfer --best runs/smoke/results.json -q"]) {
    const { status, said } = type(command, prepared);
    expect(status, said).toBe(0);
  }
});

/** What a command is about: the word after the program, or the program. */
const subjectOf = (command: string): string => {
  const [first = "", second = "", third = ""] = command.split(/\s+/);
  return first === "mutransfer" ? second : first === "npm" ? (second === "run" ? third : second) : first;
};

describe("commands", () => {
  const isShell = ({ language }: { readonly language: string }): boolean => language === "sh" || language === "console";
  const isRun = ({ mark = "" }: { readonly mark?: string | undefined }): boolean => !mark.startsWith("not run");

  it.each(pages.filter((page) => blocksOf(page).some((block) => isShell(block) && isRun(block))))("run: %s", (page) => {
    const here = join(folder, page.replaceAll("/", "-"));
    cpSync(prepared, here, { recursive: true, verbatimSymlinks: true });
    for (const block of blocksOf(page).filter((each) => isShell(each) && isRun(each)))
      for (const command of commandsOf(block)) {
        expect(command, "only this program is run here; what else a page has typed carries a reason").toMatch(/^(npx )?mutransfer /);
        const { status, said } = type(command, here);
        expect(status, said).toBe(Number(/^exit (\d+)$/.exec(block.mark ?? "exit 0")?.[1]));
      }
  });

  it("that are not run have a reason, and are as many as are known", () => {
    const left = blocks.filter((block) => isShell(block) && !isRun(block));
    for (const block of left) {
      const { page, mark = "", text } = block;
      const reason = reasons.exec(mark);
      expect(reason, `${page}: ${mark}\n${text}`).not.toBeNull();
      const by = reason?.groups?.["by"];
      if (by !== undefined) for (const command of commandsOf(block)) expect(textOf(by), `${page}: ${by}`).toContain(subjectOf(command));
    }
    expect(left.flatMap(commandsOf).length).toBe(notRun);
  });

  it("in prose, in blocks and in transcripts have names and options that exist", () => {
    const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
    const wrong = pages.flatMap((page) =>
      callsOn(page).flatMap((call) => {
        const [, name] = /^npm run ([\w:]+)/.exec(call) ?? [];
        const problem =
          name === undefined ? misspelled(program, call) : scripts[name] === undefined ? "there is no such script" : undefined;
        return problem === undefined ? [] : [`${page}: ${call}: ${problem}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it("and options that prose names alone are some command's", () => {
    const known = [program, ...program.commands].flatMap(({ options }) => options.map(({ long }) => long));
    const wrong = pages.flatMap((page) =>
      optionsOn(page)
        .filter((each) => !known.includes(each) && !ofOthers.includes(each))
        .map((each) => `${page}: ${each}`),
    );
    expect(wrong).toEqual([]);
  });

  it("are in blocks of known languages", () =>
    expect([...new Set(blocks.map(({ language }) => language))].filter((each) => !["sh", "console", "yaml", "ts"].includes(each))).toEqual(
      [],
    ));
});

describe("specs", () => {
  const specs = blocks.filter(({ language, mark }) => language === "yaml" && mark !== "not a spec");
  it("are as many as are marked as such", () =>
    expect(blocks.filter(({ language }) => language === "yaml").length - specs.length).toBe(noSpecs));

  it.each(specs)("of $page are valid: $text", async ({ text, mark }) => {
    const part = /^part of a spec: ([\w.]+)$/.exec(mark ?? "")?.[1];
    // Files that a page only speaks of are not there, so that a part with them is read up to its data.
    const whole =
      part === undefined
        ? text
        : stringify(part.split(".").reduceRight((value: unknown, key) => ({ [key]: value }), parse(text) as unknown));
    const rest = { name: "part", data: { source: "moby-dick" }, width: { proxy: 16, target: 32 } };
    const missing = Object.entries(rest).filter(([key]) => !new RegExp(`^${key}:`, "m").test(whole));
    const completed = whole + (missing.length > 0 ? stringify(Object.fromEntries(missing)) : "");
    const codes = await readPlan({ text: completed, file: "page.yaml", directory: folder }, join(folder, "cache")).then(
      () => [],
      (error: unknown) => (error as { readonly diagnostics: readonly { readonly code: string }[] }).diagnostics.map(({ code }) => code),
    );
    expect(codes.filter((code) => part !== "data" || code !== "no_files")).toEqual([]);
  });
});

it("programs in TypeScript are from the examples, which run", () => {
  const examples = readdirSync(inRepository("examples")).map((name) => textOf(`examples/${name}`));
  const programs = blocks.filter(({ language }) => language === "ts");
  expect(programs.length).toBeGreaterThan(0);
  for (const { text } of programs)
    expect(
      examples.some((example) => example.includes(text)),
      text,
    ).toBe(true);
});

describe("tables", () => {
  const generated = [
    { page: "docs/spec.md", name: "reference", content: renderReference(jsonSchema()) },
    { page: "docs/command-line.md", name: "commands", content: renderCommandLine(describeProgram(program)) },
  ];
  it.each(generated)("generated: $page", ({ page, name, content }) => {
    const [start, end] = [`<!-- ${name}: npm run docs -->\n`, `\n<!-- /${name} -->`];
    const text = textOf(page);
    const [before, after] = [text.split(start)[0], text.split(end)[1]];
    expect(after).toBeDefined();
    const current = `${before}${start}${content}${end}${after}`;
    if (process.env["UPDATE_DOCS"]) writeFileSync(inRepository(page), current);
    else expect(text).toBe(current);
  });
});

describe("names", () => {
  it.each(pages)("of files and folders are right: %s", (page) => {
    for (const [, name = ""] of textOf(page).matchAll(/`((?:src|configs|bench|test|bin|docs|ptx|packing)\/[\w./-]*)`/g))
      expect(existsSync(inRepository(name)), `${page}: ${name}`).toBe(true);
  });

  it.each(pages)("of links and anchors lead somewhere: %s", (page) => {
    for (const link of linksOn(page)) {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? page : join(dirname(page), file);
      expect(existsSync(inRepository(target)), `${page}: ${link}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target), `${page}: ${link}`).toContain(anchor);
    }
  });

  it("every page can be come to from the README", () => {
    const seen = new Set<string>();
    const walk = (page: string): void => {
      if (seen.has(page) || !page.endsWith(".md")) return;
      seen.add(page);
      for (const link of linksOn(page)) if (!link.startsWith("#")) walk(join(dirname(page), link.split("#")[0] ?? ""));
    };
    walk("README.md");
    expect(pages.filter((page) => !seen.has(page))).toEqual([]);
  });
  it("the README is short", () => expect(textOf("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(150));
});
