/** What is made of the commands: completion in each shell, the man page, and the docs. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildProgram } from "../../src/cli/commands.ts";
import { describe as describeProgram } from "../../src/cli/describe.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { completionScripts, type Shell } from "../../src/report/command-line/completion.ts";
import { renderCommandLine, renderManPage } from "../../src/report/command-line/reference.ts";

const packageFile = fileURLToPath(new URL("../../package.json", import.meta.url));
const manFile = fileURLToPath(new URL("../../man/mutransfer.1", import.meta.url));
const { version } = JSON.parse(readFileSync(packageFile, "utf8")) as { version: string };
const silent = { out: () => undefined, err: () => undefined } as unknown as Terminal;
const commandLine = describeProgram(buildProgram(silent, version, () => undefined));
const has = (command: string): boolean => spawnSync(command, ["--version"]).error === undefined;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mutransfer-completion-"));
  mkdirSync(join(folder, "my runs"));
  writeFileSync(join(folder, "my spec.yaml"), "");
  for (const shell of Object.keys(completionScripts) as Shell[]) writeFileSync(join(folder, shell), completionScripts[shell](commandLine));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("completion in bash", () => {
  const offered = (...words: readonly string[]): readonly string[] => {
    const typed = ["mutransfer", ...words].map((word) => `'${word}'`).join(" ");
    const script = `source ./bash; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _mutransfer 2> /dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["--norc", "-c", script], { cwd: folder, encoding: "utf8" }).split("\n").filter(Boolean).sort();
  };
  it.each<[string, readonly string[], readonly string[]]>([
    ["commands", ["s"], ["schema", "status", "sweep"]],
    ["options", ["sweep", "--e"], ["--engine", "--events", "--extend"]],
    ["choices", ["coord-check", "x.yaml", "--axis", ""], ["depth", "width"]],
    ["choices of an argument", ["completion", "b"], ["bash"]],
    ["files for a spec", ["sweep", "my"], ["my runs", "my spec.yaml"]],
    ["folders for a run", ["status", "my"], ["my runs"]],
    ["folders after --out", ["sweep", "x.yaml", "--out", "m"], ["my runs"]],
    ["files after --best", ["transfer", "--best", "my s"], ["my spec.yaml"]],
    ["choices after =", ["sweep", "x.yaml", "--engine", "=", "n"], ["native"]],
    ["all choices after =", ["coord-check", "x.yaml", "--axis", "="], ["depth", "width"]],
    ["commands after help", ["help", "st"], ["status"]],
    ["nothing more after help", ["help", "status", ""], []],
    ["nothing for a number", ["sweep", "--jobs", ""], []],
  ])("offers %s", (_, words, found) => expect(offered(...words)).toEqual(found));
  it("is asked for by the command's name", () =>
    expect(execFileSync("bash", ["--norc", "-c", "source ./bash; complete -p mutransfer"], { cwd: folder, encoding: "utf8" })).toContain(
      "-F _mutransfer mutransfer",
    ));
});

it.skipIf(!has("zsh"))("completion in zsh is a script that zsh takes, and names every command", () => {
  execFileSync("zsh", ["-f", "-c", "autoload -Uz compinit; compinit -D -u; source ./zsh; (( $+functions[_mutransfer] ))"], { cwd: folder });
});

it.skipIf(!has("fish"))("completion in fish offers commands and options", () => {
  const offered = (line: string): string =>
    execFileSync("fish", ["--no-config", "-c", `source ./fish; complete -C ${JSON.stringify(line)}`], { cwd: folder, encoding: "utf8" });
  expect(offered("mutransfer sw")).toMatch(/^sweep\b/);
  expect(offered("mutransfer sweep --eng")).toMatch(/^--engine\b/);
  expect(offered("mutransfer coord-check --axis ")).toMatch(/depth/);
  expect(offered("mutransfer sweep --engine=n")).toMatch(/^--engine=native\b/);
  expect(offered("mutransfer help st")).toMatch(/^status\b/);
});

describe("the man page", () => {
  it("generated: it is what the commands say", () => {
    const page = renderManPage(commandLine);
    if (process.env["UPDATE_DOCS"]) writeFileSync(manFile, page);
    else expect(readFileSync(manFile, "utf8")).toBe(page);
  });
  it.skipIf(!has("groff"))("is sound, and names every command, exit code and variable", () => {
    const { stdout, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-k", manFile], { encoding: "utf8" });
    expect(stderr).toBe("");
    for (const { name } of [...commandLine.commands, ...commandLine.variables]) expect(stdout.replace(/.\u0008/gu, "")).toContain(name);
  });
});

it("the docs have every command, option, exit code and variable", () => {
  const text = renderCommandLine(commandLine);
  for (const { name, options } of commandLine.commands) {
    expect(text).toContain(`### mutransfer ${name}\n`);
    for (const { flags } of options) expect(text).toContain(`| \`${flags}\` |`);
  }
  for (const { code } of commandLine.exits) expect(text).toContain(`| ${code} |`);
});
