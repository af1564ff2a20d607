/** Temporary folders that are removed when the test file ends. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const made: string[] = [];

export function temporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, "mutransfer-test-"));
  made.push(folder);
  return folder;
}

/** In memory where the system has such a place: for tests that flush thousands of small files. */
export const memoryFolder = (): string => temporaryFolder(existsSync("/dev/shm") ? "/dev/shm" : tmpdir());

afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});
