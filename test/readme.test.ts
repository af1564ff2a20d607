/** The README says what is true: its spec reference is the schema's, and its files and commands exist. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { renderReference } from "../src/report/reference.ts";
import { jsonSchema } from "../src/spec/schema.ts";

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const readme = readFileSync(path("README.md"), "utf8");
const [start, end] = ["<!-- reference: npm run docs -->\n", "\n<!-- /reference -->"];

describe("README.md", () => {
  it("holds the reference that `mutransfer schema --markdown` prints", () => {
    const current = `${readme.split(start)[0]}${start}${renderReference(jsonSchema())}${end}${readme.split(end)[1]}`;
    if (process.env["UPDATE_README"]) writeFileSync(path("README.md"), current);
    else expect(readme).toBe(current);
  });

  it.each(["README.md", "docs/glossary.md"])("names only files that exist: %s", (page) => {
    const named = [...readFileSync(path(page), "utf8").matchAll(/`((?:src|configs|bench|test|bin)\/[\w./-]+\.\w+)`/g)].map(
      (match) => match[1],
    );
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(existsSync(path(name)), name).toBe(true);
  });

  it("names only scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(path("package.json"), "utf8")) as { scripts: Record<string, string> };
    for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(name);
  });
});
