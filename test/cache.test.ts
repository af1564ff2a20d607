/** Which cache folder is used: processes of their own ask, as users, homes and temporary folders differ between them. */
import { execFile } from "node:child_process";
import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { distrust } from "../src/cache.ts";
import { temporaryFolder } from "./support/folder.ts";

const folder = temporaryFolder();
chmodSync(folder, 0o755);
const self = process.geteuid?.() ?? -1;
const stranger = 12345;
/** Owners and users are changed below, which only root may. */
const needsRoot = it.skipIf(self !== 0 && !process.env["MUTRANSFER_CI"]);

function made(name: string, mode: number, owner = self): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  chownSync(path, owner, -1);
  chmodSync(path, mode);
  return path;
}

const module = fileURLToPath(new URL("../dist/src/cache.js", import.meta.url));
const ask = `import { cacheFolder } from ${JSON.stringify(module)}; cacheFolder(); process.stdout.write(cacheFolder());`;

interface Answer {
  readonly cache: string;
  readonly said: string;
}

/** Temporary folders are open to all, as /tmp is. */
async function cacheOf(name: string, environment: Readonly<Record<string, string>>, user?: number): Promise<Answer> {
  const TMPDIR = made(`tmp-${name}`, 0o1777);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", ask], {
    env: { PATH: process.env["PATH"] ?? "", TMPDIR, ...environment },
    cwd: TMPDIR,
    ...(user !== undefined && { uid: user, gid: user }),
  });
  return { cache: stdout, said: stderr };
}

describe("a folder", () => {
  it("of one's own that nobody else can write to is trusted, with what is in it", () => {
    const own = made("own", 0o755);
    mkdirSync(join(own, "native"));
    writeFileSync(join(own, "native", "library"), "", { mode: 0o644 });
    expect(distrust(own, self)).toBeUndefined();
  });
  needsRoot("of somebody else is not, nor what somebody else has put into one's own", () => {
    expect(distrust(made("strange", 0o700, stranger), 0)).toMatch(/somebody else owns it/);
    made("mixed/native", 0o755, stranger);
    expect(distrust(made("mixed", 0o700), 0)).toMatch(/somebody else owns .*native/);
  });
  it.each([0o777, 0o775, 0o757, 0o1777])("that others can write to (%o) is not", (mode) =>
    expect(distrust(made(`open-${mode}`, mode), self)).toMatch(/others can write to it/),
  );
  it("in which a file or folder can be written to by others is not, unless they cannot get there", () => {
    made("inner/native", 0o777);
    expect(distrust(made("inner", 0o755), self)).toMatch(/others can write to .*native/);
    expect(distrust(made("inner", 0o700), self)).toBeUndefined();
  });
  it("that others can replace is not", () => {
    const parent = made("replaceable", 0o777);
    const child = made("replaceable/cache", 0o700);
    expect(distrust(child, self)).toMatch(/others can replace it/);
    chmodSync(parent, 0o1777);
    expect(distrust(child, self)).toBeUndefined();
  });
});

describe("the cache", () => {
  it("is where it is wanted, without a word", async () => {
    const home = made("home", 0o755);
    expect(await cacheOf("home", { HOME: home })).toEqual({ cache: join(home, ".cache/mutransfer"), said: "" });
    expect(lstatSync(join(home, ".cache/mutransfer")).mode & 0o777).toBe(0o700);
    const named = join(folder, "named");
    expect(await cacheOf("named", { MUTRANSFER_CACHE: named })).toEqual({ cache: named, said: "" });
  });

  it("is a private folder, said in one line, where others can write to the wanted one", async () => {
    const open = made("open-cache", 0o777);
    const { cache, said } = await cacheOf("open", { MUTRANSFER_CACHE: open });
    expect(cache).toBe(join(folder, "tmp-open", `mutransfer-${self}`));
    expect(lstatSync(cache).mode & 0o777).toBe(0o700);
    expect(said.trim().split("\n")).toEqual([
      `cache: ${open} is not used (others can write to it); using ${cache} (name another with $MUTRANSFER_CACHE)`,
    ]);
  });

  needsRoot("is under the temporary folder for a user without home or name", async () => {
    for (const environment of [
      {},
      { HOME: "/" },
      { HOME: "" },
      { HOME: "relative" },
      { HOME: "/root" },
      { HOME: made("root-owned", 0o755) },
    ]) {
      const { cache, said } = await cacheOf("nobody", environment, stranger);
      expect(cache).toBe(join(folder, "tmp-nobody", `mutransfer-${stranger}`));
      expect(said.trim().split("\n")).toHaveLength(1);
    }
  });

  needsRoot("is not one that only somebody else can write to", async () => {
    const { cache, said } = await cacheOf("foreign", { MUTRANSFER_CACHE: made("foreign", 0o755, stranger + 1) }, stranger);
    expect([cache, said]).toEqual([
      join(folder, "tmp-foreign", `mutransfer-${stranger}`),
      expect.stringContaining("somebody else owns it"),
    ]);
  });

  needsRoot("is not the folder that somebody else has put where one's own would be, nor a link", async () => {
    made("tmp-taken", 0o1777);
    const taken = made(`tmp-taken/mutransfer-${stranger}`, 0o777, stranger + 1);
    const first = await cacheOf("taken", {}, stranger);
    expect(first.cache).toMatch(/tmp-taken\/mutransfer-\w{6}$/);
    expect(first.cache).not.toBe(taken);
    made("tmp-linked", 0o1777);
    symlinkSync(made("elsewhere", 0o755, stranger), join(folder, "tmp-linked", `mutransfer-${stranger}`));
    expect((await cacheOf("linked", {}, stranger)).cache).toMatch(/tmp-linked\/mutransfer-\w{6}$/);
  });

  it("that was named and cannot be made stays an error of whoever writes there", async () => {
    writeFileSync(join(folder, "file"), "");
    const named = join(folder, "file", "cache");
    expect(await cacheOf("file", { MUTRANSFER_CACHE: named })).toEqual({ cache: named, said: "" });
  });
});
