/**
 * The pages that people read, taken apart: blocks with the mark before them, the commands in
 * blocks and in prose, links and the anchors that they may name. What is right of all that is
 * test/docs.test.ts's.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";

/** Where a file of the repository lies. */
export const inRepository = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Every page, by its name from the repository's top. */
export const pages: readonly string[] = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...readdirSync(inRepository("docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
export const textOf = (page: string): string => readFileSync(inRepository(page), "utf8");

/** A fenced block. */
export interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
  /** The comment on the line before it, such as `not run: needs a GPU` or `exit 2`. */
  readonly mark: string | undefined;
}
export function blocksOf(page: string): readonly Block[] {
  const found = textOf(page).matchAll(/(?:^<!-- (.*) -->\n+)?^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, mark, language = "", text = ""]) => ({ page, language, text, mark }));
}
/** A page without its blocks. */
export const proseOf = (page: string): string => textOf(page).replace(/^```[\s\S]*?^```$/gm, "");

/** The commands of a block, each in one line; of a transcript, what was typed. */
export function commandsOf({ language, text }: Block): readonly string[] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  if (language === "console") return lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  return language === "sh" ? lines.filter((line) => line.trim() !== "" && !line.startsWith("#")) : [];
}
/** Whatever calls this program, or a script of npm's, anywhere on a page. */
export function callsOn(page: string): readonly string[] {
  const inProse = [...proseOf(page).matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
  const typed = blocksOf(page).flatMap((block) => (block.language === "yaml" ? block.text.split("\n") : commandsOf(block)));
  return [...inProse, ...typed].flatMap((code) =>
    [...code.matchAll(/(?<![\w./-])(?:mutransfer|npm run) +[^&|;]+/g)].map(([call]) => call.trim()),
  );
}
/** Long options in a page's prose, those of whole calls aside. */
export const optionsOn = (page: string): readonly string[] =>
  [...proseOf(page).matchAll(/`([^`\n]+)`/g)]
    .filter(([, code = ""]) => !code.startsWith("mutransfer "))
    .flatMap(([code]) => [...code.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option));

/** Why a call of this program cannot be typed; undefined for one that can. */
export function misspelled(program: Command, call: string): string | undefined {
  const [, name = "", ...rest] = (call.split(/\s[#>]/)[0] ?? "").split(/\s+/);
  const isOf = (command: Command, word: string): boolean =>
    word === "--help" || command.options.some(({ long, short }) => word === long || word === short);
  if (/^(…|COMMAND)$/.test(name)) return undefined;
  const command = program.commands.find((each) => each.name() === name);
  if (command === undefined) return isOf(program, name) ? undefined : `there is no command ${name}`;
  const unknown = rest.map((word) => word.replace(/[=,].*$/, "")).find((word) => /^--?[a-z]/.test(word) && !isOf(command, word));
  return unknown === undefined ? undefined : `${name} has no option ${unknown}`;
}

/** GitHub's anchors of a page's headings. */
export function anchorsOf(page: string): readonly string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
/** Where a page's links and images lead, web addresses aside. */
export const linksOn = (page: string): readonly string[] =>
  [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target).filter((target) => !/^https?:/.test(target));
