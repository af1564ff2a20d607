/** `mutransfer coord-check` as a user runs it: exit codes, the record it leaves, and what it refuses. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { coordCheckSchema } from "../../src/evidence/records.ts";
import { run } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { itInCi } from "../support/long.ts";

const folder = temporaryFolder();
const smoke = readFileSync(fileURLToPath(new URL("../../configs/smoke.yaml", import.meta.url)), "utf8");
writeFileSync(join(folder, "sp.yaml"), `${smoke}parametrization: sp\n`);
const quick = ["--sizes", "16,32,64,128", "--seeds", "2", "--steps", "2"] as const;
const check = (...args: string[]) => run(["coord-check", "sp.yaml", ...args], folder);

it("fails SP with exit 8, names the tensor and the rule, and leaves the record", async () => {
  const { code, stdout, stderr } = await check(...quick, "--out", "made");
  expect(code).toBe(8);
  expect(stdout).toMatch(/^FAIL .*: look at hidden × init_std$/m);
  expect(stdout).toContain("blocks.*.attention.logits");
  expect(stderr).toContain("width 16 is too small to judge: comparing 32, 64, 128, 256 instead");
  expect(stderr).toContain("wrote made/coord-check.json");
  const record = coordCheckSchema.parse(JSON.parse(readFileSync(join(folder, "made", "coord-check.json"), "utf8")));
  expect(record).toMatchObject({ name: "smoke", axis: "width", sizes: [32, 64, 128, 256], seeds: 2, steps: 2, verdict: "FAIL" });
});

itInCi("is inconclusive, exit 9, when nothing moves under μP", async () => {
  writeFileSync(join(folder, "mup.yaml"), smoke);
  const { code, stdout } = await run(["coord-check", "mup.yaml", ...quick, "--learning-rate", "1e-30", "--json", "-q"], folder);
  expect(code).toBe(9);
  expect(coordCheckSchema.parse(JSON.parse(stdout)).verdict).toBe("INCONCLUSIVE");
});

it.each([
  [["--sizes", "16,32,64"], "bad_sizes"],
  [["--sizes", "16,32,64,100"], "bad_sizes"],
  [["--sizes", "16,32,64,130"], "--sizes: head_dim"],
  [["--sizes", "16,32,64,65536"], "does_not_fit"],
  [["--seeds", "1"], "at least 2"],
  [["--axis", "batch"], "Allowed choices"],
])("%j is exit 2", async (args, message) => {
  const { code, stdout, stderr } = await check(...args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});
