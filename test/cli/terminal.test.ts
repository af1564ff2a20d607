/** The repainting block leaves nothing behind: after an echo of ^C, in a window that became narrower, and where it is taller than that. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Terminal } from "../../src/cli/terminal.ts";

let written: string;
const before = { isTTY: process.stderr.isTTY, columns: process.stderr.columns, rows: process.stderr.rows };
beforeEach(() => {
  written = "";
  vi.useFakeTimers();
  vi.stubEnv("TERM", "xterm");
  vi.stubEnv("NO_COLOR", "1");
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((written += String(text)), true));
  Object.assign(process.stderr, { isTTY: true, columns: 40, rows: 24 });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  Object.assign(process.stderr, before);
});

function shown(block: readonly string[]): Terminal {
  const terminal = new Terminal();
  terminal.live({ block: () => block, line: () => "" });
  vi.advanceTimersByTime(100);
  return terminal;
}

it("erases from the start of the line, where ^C may stand", () => {
  const terminal = shown(["one", "two"]);
  written = "";
  terminal.rest();
  expect(written).toBe("\r\u001b[2A\u001b[J");
});

it("erases lines that a narrower window shows in several", () => {
  const terminal = shown(["x".repeat(60), "模".repeat(30)]);
  expect(written).toBe(`${"x".repeat(39)}\n${"模".repeat(19)}\n`);
  process.stderr.columns = 20;
  written = "";
  terminal.rest();
  expect(written).toBe("\r\u001b[4A\u001b[J");
});

it("shows no more lines than the window has", () => {
  process.stderr.rows = 6;
  shown(Array.from({ length: 9 }, (_, index) => `line ${index}`)).rest();
  expect(written).toBe("line 0\nline 1\nline 2\n  … and 6 more\n\r\u001b[4A\u001b[J");
});

it("is as wide as the window is now, and where there is none as $COLUMNS says", () => {
  const terminal = new Terminal();
  process.stderr.columns = 33;
  expect(terminal.errStyle.columns).toBe(33);
  process.stderr.isTTY = false;
  expect(terminal.errStyle.columns).toBe(Number(process.env["COLUMNS"]) || Infinity);
  vi.stubEnv("COLUMNS", "50");
  expect(terminal.errStyle.columns).toBe(50);
});
