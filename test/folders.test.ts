/** Folders are made with their parents, and where none can be made that is said at once. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFolder } from "../src/folders.ts";

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "mutransfer-folders-"))));
afterAll(() => rmSync(folder, { recursive: true }));

it("makes parents, and leaves what is there", () => {
  const path = join(folder, "a", "b", "c");
  makeFolder(path);
  makeFolder(path);
  expect(existsSync(path)).toBe(true);
});

it("says what is in the way", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => makeFolder(join(folder, "file"))).toThrow("EEXIST");
  expect(() => makeFolder(join(folder, "file", "a", "b"))).toThrow("ENOTDIR");
});

it.skipIf(!existsSync("/proc/self"))("does not try for ever in /proc", () => {
  for (const path of ["/proc/none", "/proc/none/a/b"]) expect(() => makeFolder(path)).toThrow("ENOENT");
});
