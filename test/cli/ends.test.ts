/**
 * What ends, ends: every command × every early mistake exits with its documented code within
 * five seconds and leaves no process, on a machine with nothing but Node and on one that
 * seems to have everything.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { run, start } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { marked } from "../support/processes.ts";
import { cpuEngine } from "../support/native.ts";

const folder = temporaryFolder();
const limitSeconds = 5;
const tiny = `name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {base: 8, proxy: 8, target: 16}
train: {steps: 40, batch: 4, evaluate: {every: 40, batches: 2}}
search: {confirm: false, trials: 2, parameters: {learning_rate: {values: [0.01, 0.03]}}}
curves: {widths: [8, 16], learning_rates: {min: 0.001, max: 0.1, count: 4}, seeds: 1}
`;
const put = (name: string, content: string | Uint8Array): void => writeFileSync(join(folder, name), content);
put("good.yaml", tiny);
put("bad.yaml", `${tiny}bogus: 1\n`);
put("latin1.txt", Buffer.from("na\u00efve caf\u00e9 ".repeat(400), "latin1"));
put("unreadable.yaml", tiny.replace("moby-dick", "{files: [latin1.txt]}, tokenizer: characters"));
mkdirSync(join(folder, "empty"));

beforeAll(async () => {
  const swept = await run(["sweep", "good.yaml", "--out", "done", "-q", "--engine", cpuEngine], folder);
  expect([swept.code, swept.stderr]).toEqual([0, ""]);
});

/** How each command is given a mistake; where it takes nothing that could hold one, it is left out. OUT is a folder of its own. */
interface Mistakes {
  readonly missing?: readonly string[];
  readonly bad?: readonly string[];
  readonly unreadable?: readonly string[];
  /** Needs data that is not in the cache, or a place to write; the cache's disk is full. */
  readonly fullCache?: readonly string[];
  readonly noEngine?: readonly string[];
}
const ofSpec = (command: string, ...options: readonly string[]): Mistakes => ({
  missing: [command, "absent.yaml", ...options],
  bad: [command, "bad.yaml", ...options],
  unreadable: [command, "unreadable.yaml", ...options],
  fullCache: [command, "good.yaml", ...options],
});
const ofRun = (command: string, ...options: readonly string[]): Mistakes => ({
  missing: [command, "absent", ...options],
  bad: [command, "empty", ...options],
});
const commands: Readonly<Record<string, Mistakes>> = {
  sweep: { ...ofSpec("sweep", "--out", "OUT"), noEngine: ["sweep", "good.yaml", "--out", "OUT", "--engine", "cuda"] },
  "sweep --dry-run": { ...ofSpec("sweep", "--dry-run"), noEngine: ["sweep", "good.yaml", "--dry-run", "--engine", "cuda"] },
  plan: { ...ofSpec("plan"), noEngine: ["plan", "good.yaml", "--engine", "cuda"] },
  curves: { ...ofSpec("curves", "--out", "OUT"), noEngine: ["curves", "good.yaml", "--out", "OUT", "--engine", "cuda"] },
  "coord-check": { ...ofSpec("coord-check"), noEngine: ["coord-check", "good.yaml", "--engine", "cuda"] },
  validate: ofSpec("validate"),
  table: ofSpec("table"),
  transfer: {
    missing: ["transfer", "--best", "absent.json"],
    bad: ["transfer", "--best", "bad.yaml"],
    fullCache: ["transfer", "--best", "done/results.json", "--out", "OUT"],
    noEngine: ["transfer", "--best", "done/results.json", "--out", "OUT", "--engine", "cuda"],
  },
  retry: {
    ...ofRun("retry", "0"),
    fullCache: ["retry", "done", "0"],
  },
  status: ofRun("status"),
  report: ofRun("report"),
  repair: ofRun("repair"),
  init: { bad: ["init", "good.yaml"], missing: ["init", "absent/sweep.yaml"] },
};
/** Exit codes that docs/command-line.md gives for each mistake. */
const codes: { readonly [M in keyof Required<Mistakes>]: readonly number[] } = {
  missing: [2],
  bad: [2],
  unreadable: [2],
  fullCache: [6],
  noEngine: [7],
};
const exceptions: Readonly<Record<string, readonly number[]>> = { "init missing": [6] };

/** A Vulkan loader that cannot be loaded hides the machine's own; one without a driver stands in where there is none. */
const hidden = join(folder, "hidden");
const stub = join(folder, "stub");
for (const path of [hidden, stub]) mkdirSync(path);
put("hidden/libvulkan.so.1", "");
const calls = ["CreateInstance", "DestroyInstance", "EnumeratePhysicalDevices", "GetPhysicalDeviceProperties"];
put("stub.c", [...calls, "GetPhysicalDeviceMemoryProperties"].map((name) => `int vk${name}(void) { return -9; }\n`).join("")); // no driver
const compiler = ["cc", "gcc", "clang"].find((name) => spawnSync(name, ["--version"]).status === 0);
if (compiler !== undefined) execFileSync(compiler, ["-shared", "-fPIC", "-o", join(stub, "libvulkan.so.1"), join(folder, "stub.c")]);
put("stub/nvidia-smi", "#!/bin/sh\necho '0, GPU-0, Imagined GPU, 8192, 550.0, 9.0'\n");
execFileSync("chmod", ["+x", join(stub, "nvidia-smi")]);

/** Variables that make a machine of it. */
const machines: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "nothing but Node": { PATH: "/nonexistent", LD_LIBRARY_PATH: hidden, VK_ICD_FILENAMES: "" },
  "a compiler, a Vulkan loader and an NVIDIA driver": {
    PATH: `${stub}:${process.env["PATH"] ?? ""}`,
    LD_LIBRARY_PATH: stub,
    VK_ICD_FILENAMES: "",
  },
};
/** A cache folder on a disk that has no room, where the machine lets one be mounted. */
const full = join(folder, "full");
mkdirSync(full);
const onFullDisk = [
  "/usr/bin/unshare",
  "--mount",
  "/bin/sh",
  "-c",
  `/bin/mount -t tmpfs -o size=4k,mode=700 none '${full}' && exec "$@"`,
  "sh",
];
const canMount = spawnSync(onFullDisk[0], [...onFullDisk.slice(1), "/bin/true"]).status === 0;
const cases = Object.entries(commands).flatMap(([name, mistakes]) =>
  (Object.entries(mistakes) as [keyof Mistakes, readonly string[]][]).map(([mistake, args]) => ({ name, mistake, args })),
);

describe.each(Object.entries(machines))("on a machine with %s", (_, variables) => {
  it.concurrent.each(cases)("$name × $mistake", async ({ name, mistake, args }) => {
    const isFull = mistake === "fullCache";
    if (isFull && !canMount) return expect(process.env["MUTRANSFER_CI"], "a full disk cannot be mounted here").toBeUndefined();
    const { env, alive } = marked();
    const { finished } = start(
      args.map((arg) => (arg === "OUT" ? randomUUID() : arg)),
      {
        cwd: folder,
        limitSeconds,
        env: { ...env, ...variables, ...(isFull && { MUTRANSFER_CACHE: full }) },
        within: isFull ? onFullDisk : [],
      },
    );
    const { code, stderr } = await finished;
    expect(exceptions[`${name} ${mistake}`] ?? codes[mistake], stderr).toContain(code);
    expect(stderr).not.toMatch(/\n\s+at .*\(|internal error/);
    expect(stderr.trim()).not.toBe("");
    expect(alive()).toEqual([]);
  });
});
