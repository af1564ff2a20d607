/** A folder that is held open: what it opens, what it refuses, and what happens when it is no longer in its place. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { OpenFolder } from "../../src/run/open-folder.ts";
import { temporaryFolder } from "../support/folder.ts";

const parent = temporaryFolder();
let made = 0;
const fresh = (): string => join(parent, `folder-${made++}`);
function refusal(work: () => unknown): string {
  try {
    work();
    return "";
  } catch (error) {
    if (error instanceof UserError) return `${exitCodes[error.kind]} ${error.diagnostics[0].code}`;
    throw error;
  }
}

describe("a folder in its place", () => {
  it("replaces whole files, and leaves the old one when the new one cannot be written", () => {
    const folder = OpenFolder.make(fresh());
    folder.write("a", ["one", Buffer.from("two")]);
    expect(folder.text("a")).toBe("onetwo");
    const broken = function* (): Generator<string> {
      yield "half";
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    };
    expect(() => folder.write("a", broken())).toThrow("full");
    expect([folder.text("a"), folder.text("b"), readdirSync(folder.path)]).toEqual(["onetwo", undefined, ["a"]]);
  });
  it("has no file outside of itself", () => {
    const folder = OpenFolder.make(fresh());
    for (const name of ["../x", "a/b", "..", ".", ""]) expect(() => folder.text(name)).toThrow("is no name");
  });
  it("may be named through a link, and is told from another by whoever opens it again", () => {
    const path = fresh();
    const folder = OpenFolder.make(path);
    symlinkSync(path, `${path}-link`);
    const linked = OpenFolder.open(`${path}-link`);
    linked?.write("a", ["x"]);
    expect(folder.text("a")).toBe("x");
    expect(OpenFolder.reopen(folder.handle).text("a")).toBe("x");
    expect(refusal(() => OpenFolder.reopen({ ...folder.handle, path: OpenFolder.make(fresh()).path }))).toBe("6 folder_gone");
  });
  it.skipIf(process.platform === "win32")("names what it cannot do by the path that people know", () => {
    const folder = OpenFolder.make(fresh());
    folder.write("taken", ["x"]);
    expect(() => folder.create("taken")).toThrow(`EEXIST: file already exists, open '${join(folder.path, "taken")}'`);
  });
});

describe.skipIf(process.platform === "win32")("a folder that is gone", () => {
  const other = (path: string): void => {
    mkdirSync(path);
    writeFileSync(join(path, "a"), "another's");
  };
  const gone: Readonly<Record<string, (path: string) => void>> = {
    deleted: (path) => rmSync(path, { recursive: true }),
    "deleted and made again": (path) => {
      rmSync(path, { recursive: true });
      other(path);
    },
    moved: (path) => renameSync(path, `${path}-moved`),
    "moved and replaced": (path) => {
      renameSync(path, `${path}-moved`);
      other(path);
    },
    "moved and replaced by a link to another": (path) => {
      renameSync(path, `${path}-moved`);
      other(`${path}-other`);
      symlinkSync(`${path}-other`, path);
    },
    "moved and replaced by a link to itself": (path) => {
      renameSync(path, `${path}-moved`);
      symlinkSync(`${path}-moved`, path);
    },
    "replaced by a link that leads to itself": (path) => {
      renameSync(path, `${path}-moved`);
      symlinkSync(path, path);
    },
  };
  it.each(Object.keys(gone))("%s is noticed by every write, which changes nothing there", (how) => {
    const path = fresh();
    const folder = OpenFolder.make(path);
    folder.write("a", ["mine"]);
    const inner = folder.makeInside("inner");
    const file = folder.open("a", "update") as number;
    gone[how](path);
    const writes: readonly (() => unknown)[] = [
      () => folder.write("a", ["more"]),
      () => folder.create("b"),
      () => folder.remove("a"),
      () => folder.makeInside("c"),
      () => folder.removeInside("inner"),
      () => folder.checkHeld("a", file),
      () => inner.write("d", ["more"]),
      () => OpenFolder.reopen(folder.handle),
    ];
    expect(writes.map(refusal)).toEqual(writes.map(() => "6 folder_gone"));
    closeSync(file);
    for (const at of [path, `${path}-other`])
      if (spawnSync("test", ["-d", at]).status === 0 && how !== "moved and replaced by a link to itself")
        expect([readdirSync(at), readFileSync(join(at, "a"), "utf8")]).toEqual([["a"], "another's"]);
  });
  it("says where it is now", () => {
    const path = fresh();
    const folder = OpenFolder.make(path);
    gone["moved"](path);
    try {
      folder.check();
      expect.unreachable();
    } catch (error) {
      if (process.platform === "linux") expect((error as UserError).diagnostics[0].hint).toContain(`${path}-moved`);
    }
  });
  it("and so is a file that was deleted or replaced while it was open", () => {
    const folder = OpenFolder.make(fresh());
    folder.write("a", ["mine"]);
    const file = folder.open("a", "update") as number;
    expect(refusal(() => folder.checkHeld("a", file))).toBe("");
    folder.write("a", ["another"]);
    expect(refusal(() => folder.checkHeld("a", file))).toBe("6 folder_gone");
    folder.remove("a");
    expect(refusal(() => folder.checkHeld("a", file))).toBe("6 folder_gone");
    closeSync(file);
  });
});
