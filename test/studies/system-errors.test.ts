import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { asUserError } from "../../src/studies/system-errors.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const thrownBy = (work: () => void): unknown => {
  try {
    return void work();
  } catch (error) {
    return error;
  }
};

it("what the system says of a file is what a user can mend, with the way out", () => {
  const error = asUserError(thrownBy(() => readFileSync(join(folder, "absent"))));
  expect(error).toBeInstanceOf(UserError);
  expect(error).toMatchObject({ kind: "io", diagnostics: [{ code: "io_error", hint: expect.stringContaining("--out") as string }] });
  expect((error as UserError).message).toContain(join(folder, "absent"));
});
it("names the place where the system's own words do not", () => {
  const refused = Object.assign(new Error("no space left"), { code: "ENOSPC", path: "/somewhere" });
  expect(asUserError(refused)).toMatchObject({
    diagnostics: [{ message: "no space left (/somewhere)", hint: expect.stringContaining("free some space") as string }],
  });
});
it("anything else is what it was", () => {
  const user = new UserError({ code: "x", message: "y" });
  for (const error of [user, new Error("a bug"), Object.assign(new Error("refused"), { code: "ECONNREFUSED" }), undefined, "text"])
    expect(asUserError(error)).toBe(error);
});
