/** What is printed to be typed next is, pasted into a shell, the path that was meant. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { shellWord } from "../src/shell.ts";

const paths = [
  ...["runs/first", "a b", "it's", 'a"b', "$HOME", "~", "~/x", "-x", "--out", "a\\b", "a;b", "a&b", "*", "?", "{a,b}", "#x", "!x", "=x"],
  ...["größe", "模型", "🚀 run", "a\nb", "a\n", "a\tb", "\u001b[31m", "100%\u0007\\", "-\u0001'", "`id`", "$(id)", "a  b ", "(x)", "<x>"],
];

describe.each(["sh", "bash"])("a path in a command of %s", (shell) => {
  it("is one word, and the path", () => {
    const script = paths.map((path) => `said ${shellWord(path)}`).join("\n");
    const printed = execFileSync(shell, ["-c", `said() { printf '%s|%s\\0' $# "$1"; }\n${script}`], { encoding: "utf8" });
    expect(printed.split("\0").slice(0, -1)).toEqual(paths.map((path) => `1|${path.startsWith("-") ? "./" : ""}${path}`));
  });
});

it("plain paths are left as they are, and no control character is printed but a last newline", () => {
  expect(["runs/first/results.json", "/tmp/größe", "-x"].map(shellWord)).toEqual(["runs/first/results.json", "/tmp/größe", "./-x"]);
  for (const path of paths.filter((each) => !each.endsWith("\n"))) expect(shellWord(path)).not.toMatch(/\p{Cc}/u);
});
