/**
 * `npm run check:gpu`: is anything wrong with the cuda engine on this card? Losses in each kind of
 * products, the time of compiling kernels, a trial's bits in any stack, whole sweeps. To be run
 * before anything is timed: under two minutes on a card. `--small` tries the check itself on the
 * tests' stand-in for a card. Writes bench/results/<device>-check.json; ends with 1 if anything is wrong.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fileNameOf, findCard, provenance } from "./card.ts";
import { checkBits } from "./check/bits.ts";
import type { Finding } from "./check/finding.ts";
import { checkLosses, cudaWith } from "./check/losses.ts";
import { checkSweeps } from "./check/sweeps.ts";
import { paddedLines, wholeLines } from "./check/steps.ts";
import { chunkOf, loaded } from "./ours.ts";
import { gpuProxy } from "./work.ts";

const { values: options } = parseArgs({
  options: {
    small: { type: "boolean", default: false },
    only: { type: "string", default: "compilation,losses,bits,sweeps" },
    out: { type: "string", default: "bench/results" },
    /** Whether this process only times its first step. */
    first: { type: "boolean", default: false },
  },
});

// Such a process only times how long its first loss takes, most of which is the driver's compiling.
if (options.first) {
  const begun = performance.now();
  const work = { ...gpuProxy, width: 64, stack: 1, device: "cpu", ...(options.small && { layers: 1, context: 16, batch: 2 }) } as const;
  const executable = await loaded(await cudaWith("f32"), work, { threads: 1, precision: "float32" });
  await executable.train(chunkOf(work, 1));
  console.log((performance.now() - begun) / 1000);
  process.exit(0);
}

/** The first step's seconds with the driver's cache off, with one that is empty, and with the same one again. */
// eslint-disable-next-line @typescript-eslint/require-await -- a generator like the other checks, though its processes are waited for in place
async function* checkCompilation(isSmall: boolean): AsyncGenerator<Finding> {
  const folder = mkdtempSync(join(tmpdir(), "mutransfer-check-"));
  const first = (environment: Readonly<Record<string, string>>): number => {
    const args = [fileURLToPath(import.meta.url), "--first", ...(isSmall ? ["--small"] : [])];
    return Number(execFileSync(process.execPath, args, { encoding: "utf8", env: { ...process.env, ...environment } }));
  };
  const kept = { CUDA_CACHE_PATH: folder, CUDA_CACHE_DISABLE: "0" };
  const seconds = { uncached: first({ CUDA_CACHE_DISABLE: "1" }), first: first(kept), second: first(kept) };
  rmSync(folder, { recursive: true });
  yield { check: "the first step's seconds, most of which is compiling", ok: seconds.second < 10, seconds };
}

const checks: Readonly<Record<string, (isSmall: boolean) => AsyncGenerator<Finding>>> = {
  compilation: checkCompilation,
  losses: checkLosses,
  bits: checkBits,
  sweeps: checkSweeps,
  whole: wholeLines,
  padded: paddedLines,
};

const card = await findCard();
mkdirSync(options.out, { recursive: true });
const path = join(options.out, `${fileNameOf(card)}-check.json`);
const findings: Finding[] = [];
const note = (finding: Finding): void => {
  findings.push(finding);
  const { name: device, driver, compute_capability, cuda } = card;
  writeFileSync(path, `${JSON.stringify({ device, driver, compute_capability, cuda, ...provenance(), findings }, null, 1)}\n`);
  const { check, ok, ...figures } = finding;
  console.log(`${ok ? "right" : "WRONG"}: ${check} ${JSON.stringify({ ...figures, losses: undefined }).slice(0, 600)}`);
};
for (const name of options.only.split(",")) {
  const begun = performance.now();
  try {
    for await (const finding of checks[name](options.small)) note(finding);
  } catch (error) {
    note({ check: `${name} came to its end`, ok: false, error: (error as Error).stack });
  }
  console.log(`${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}
const wrong = findings.filter(({ ok }) => !ok);
console.log(`${findings.length} findings, ${wrong.length} wrong; wrote ${path}`);
process.exit(wrong.length === 0 ? 0 : 1);
