/** That what is read is what was checked: across commands by what the system says and by hash, and within one by block. */
import { copyFileSync, linkSync, readFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openDataset, type DataConfig, type Dataset } from "../../src/data/dataset.ts";
import { refuseChangedData } from "../../src/data/manifest.ts";
import { openTokens, runOf } from "../../src/data/token-run.ts";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "../support/folder.ts";
import { idsIn } from "../support/tokens.ts";

const folder = temporaryFolder();
const cache = join(folder, "cache");
const path = join(folder, "tokens.bin");
const config: DataConfig = { source: { tokens: ["tokens.bin"], vocabSize: 60 }, tokenizer: "bytes", validation: 0.1 };
const bytesOf = (ids: readonly number[]): Buffer => Buffer.from(Uint16Array.from(ids).buffer);
const count = 20_000;
const ids = Array.from({ length: count }, (_, index) => (index * 7) % 50);
const others = ids.map((id) => (id + 1) % 50);
const beyond = ids.map((id) => id + 40);
const open = (of = config): Promise<Dataset> => openDataset(of, folder, cache);
const codeOf = async (of: () => unknown): Promise<string> => {
  try {
    await of();
    return "";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [{ code, message }] = error.diagnostics;
    return `${exitCodes[error.kind]} ${code} ${/[\w.-]+\.(bin|txt)/.exec(message)?.[0] ?? message}`;
  }
};

beforeEach(() => writeFileSync(path, bytesOf(ids)));

describe("a file with another's size and time", () => {
  /** Puts other content in its place, by each way that leaves name, size and time as they were. */
  const swaps: readonly (readonly [string, (content: Buffer) => void])[] = [
    ["written over", (content) => writeFileSync(path, content)],
    [
      "moved into its place",
      (content) => {
        writeFileSync(`${path}.new`, content);
        renameSync(`${path}.new`, path);
      },
    ],
    [
      "linked into its place",
      (content) => {
        writeFileSync(`${path}.linked`, content);
        rmSync(path);
        linkSync(`${path}.linked`, path);
        rmSync(`${path}.linked`);
      },
    ],
  ];
  it.each(swaps)("%s is read again", async (_, swap) => {
    const before = await open();
    const { atime, mtime } = statSync(path);
    const put = (content: readonly number[]): void => {
      swap(bytesOf(content));
      utimesSync(path, atime, mtime);
    };
    put(others);
    const after = await open();
    expect(after.hash).not.toBe(before.hash);
    expect(idsIn(after.train)).toEqual(others.slice(0, 18_000));
    put(beyond);
    expect(await codeOf(open)).toMatch(/^2 id_beyond_vocabulary/);
    put(ids);
    expect((await open()).hash).toBe(before.hash);
  });

  it("is the same data when its bytes are the same, and told of by name when they are not", async () => {
    const before = await open();
    copyFileSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
    expect(await codeOf(async () => refuseChangedData(await open(), before.hash, "r"))).toBe("");
    writeFileSync(path, bytesOf(others));
    expect(await codeOf(async () => refuseChangedData(await open(), before.hash, "r"))).toBe("3 data_changed tokens.bin");
  });

  it("of several is told of by name: those that changed, came and went", async () => {
    const several = (names: readonly string[]): DataConfig => ({ ...config, source: { tokens: names, vocabSize: 60 } });
    for (const [name, content] of [
      ["a.bin", ids],
      ["b.bin", others],
      ["c.bin", beyond.map((id) => id % 60)],
    ] as const)
      writeFileSync(join(folder, name), bytesOf(content));
    const before = await open(several(["a.bin", "b.bin"]));
    writeFileSync(join(folder, "b.bin"), bytesOf(ids.toReversed()));
    const now = await open(several(["b.bin", "c.bin"]));
    expect(() => refuseChangedData(now, before.hash, "r")).toThrow(/b\.bin has changed, .*c\.bin is new, .*a\.bin is gone$/);
  });
});

describe.each([
  ["from memory", undefined],
  ["by offset", 0],
])("while it is read %s, a file", (_, wholeBytes) => {
  /** Reads every token, in windows, after `change`. */
  const readAfter = async (change: (dataset: Dataset) => void): Promise<string> => {
    const dataset = await open();
    change(dataset);
    const read = codeOf(() => {
      const reader = openTokens(dataset.train, wholeBytes);
      try {
        const window = new Int32Array(100);
        for (let start = 0; start + 100 <= dataset.train.count; start += 100) reader.read(start, window);
      } finally {
        reader.close();
      }
    });
    return read;
  };

  it("that is as it was is read", async () => {
    expect(await readAfter(() => undefined)).toBe("");
  });

  it.each([0, 1, 2047, 2048, 20_001, 35_999])("of which byte %i changed ends the run, and is read whole the next time", async (at) => {
    const bytes = bytesOf(ids);
    bytes[at] ^= 1;
    expect(await readAfter(() => writeFileSync(path, bytes))).toBe("3 data_changed tokens.bin");
    expect(await codeOf(open)).toBe(at % 2 === 0 ? "" : "2 id_beyond_vocabulary tokens.bin");
  });

  it.each([
    ["cut short", () => truncateSync(path, 1000)],
    ["emptied", () => truncateSync(path, 0)],
    ["removed", () => rmSync(path)],
    ["written over", () => writeFileSync(path, bytesOf(others))],
  ])("that was %s ends the run", async (_how, change) => {
    expect(await readAfter(change)).toBe("3 data_changed tokens.bin");
  });

  it("whose checksums are gone or changed ends the run", async () => {
    expect(await readAfter(({ train }) => rmSync(train.pieces[0].file.table.path))).toBe("3 data_changed tokens.bin");
    expect(await readAfter(({ train }) => writeFileSync(train.pieces[0].file.table.path, Buffer.alloc(80)))).toBe(
      "3 data_changed tokens.bin",
    );
  });

  it("with ids beyond the vocabulary it was checked against ends the run, whatever the cache remembers of it", async () => {
    writeFileSync(path, bytesOf(beyond.map((id) => id % 60)));
    const { train } = await open();
    const reader = (): void => openTokens(runOf(train.pieces, 50), wholeBytes).read(0, new Int32Array(1000));
    expect(await codeOf(reader)).toBe("3 data_changed tokens.bin");
  });
});

it("tokens in the cache are checked as files are", async () => {
  writeFileSync(join(folder, "text.txt"), "whale and ship ".repeat(4000));
  const of = { source: { files: ["text.txt"] }, tokenizer: "bytes", validation: 0.1 } as const;
  const before = await open(of);
  const { path: cached } = before.train.pieces[0].file;
  const bytes = readFileSync(cached);
  bytes[30_000] ^= 1;
  writeFileSync(cached, bytes);
  expect(await codeOf(() => idsIn(before.train))).toMatch(/^3 data_changed \w+\.bin$/);
  const after = await open(of);
  expect(after.hash).toBe(before.hash);
  expect(Buffer.from(idsIn(after.train)).toString()).toBe("whale and ship ".repeat(3600));
});
