/**
 * What the program costs around the arithmetic: help, the time to the first
 * training step, and the share of a sweep's core-time that is not spent inside
 * the engine (start-up, compiling, batches, processes, journal, idle cores).
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cores as usableCores } from "../src/engines/cores.ts";

const bin = fileURLToPath(new URL("../../bin/mutransfer.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "mutransfer-bench-"));
const cores = usableCores();
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Runs the command line; gives wall seconds and each event with the second it arrived. */
async function timed(
  args: readonly string[],
): Promise<{ seconds: number; events: readonly { event: string; engine_seconds?: number; step?: number; at: number }[] }> {
  const started = performance.now();
  const child = spawn(process.execPath, [bin, ...args], { stdio: ["ignore", "pipe", "ignore"], cwd: folder });
  const events: { event: string; at: number }[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("{")) events.push({ ...(JSON.parse(line) as { event: string }), at: (performance.now() - started) / 1000 });
  }
  return { seconds: (performance.now() - started) / 1000, events };
}

/** `width 32` proxies with two stacks for each core, so that no core idles at the end for want of work. */
const spec = `name: overhead
data: {source: moby-dick, tokenizer: characters}
width: {proxy: 32, target: 128}
search: {confirm: false, trials: ${4 * cores}, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}}}
`;
writeFileSync(join(folder, "spec.yaml"), spec);

const help: number[] = [];
for (let i = 0; i < 11; i++) help.push((await timed(["--help"])).seconds);
console.log(`--help: ${(median(help) * 1000).toFixed(0)} ms (median of ${help.length})`);

const [first, share, shareAfter]: [number[], number[], number[]] = [[], [], []];
for (let i = 0; i < 3; i++) {
  const { seconds, events } = await timed(["sweep", "spec.yaml", "--out", `run${i}`, "--events", "ndjson", "-q"]);
  first.push(events.find(({ event, step = 0 }) => event === "stack_progress" && step > 0)?.at ?? NaN);
  const engineSeconds = events.reduce((sum, { engine_seconds: each = 0 }) => sum + each, 0);
  share.push(1 - engineSeconds / (seconds * cores));
  shareAfter.push(1 - engineSeconds / ((seconds - (first.at(-1) ?? NaN)) * cores));
  console.log(
    `sweep of ${4 * cores} trials: ${seconds.toFixed(1)} s, ${(100 * (share.at(-1) ?? NaN)).toFixed(1)} % of the core-time outside the engine`,
  );
}
console.log(`first training step: ${median(first).toFixed(2)} s after the command (median of ${first.length})`);
console.log(
  `orchestration: ${(100 * median(share)).toFixed(1)} % of the core-time, ${(100 * median(shareAfter)).toFixed(1)} % after the first step (median of ${share.length})`,
);
rmSync(folder, { recursive: true });
