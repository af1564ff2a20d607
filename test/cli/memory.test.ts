/** The memory that a plan states, against what the system says that a worker has taken at its fullest. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { start, run } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { cpuEngine } from "../support/native.ts";

const folder = temporaryFolder();
const alone = ["--engine", cpuEngine, "--jobs", "1", "--stack", "1"];

/** Bytes that a process and those it has started have taken at their fullest, by process. */
function fullest(pid: number): readonly (readonly [number, number])[] {
  try {
    // A zombie has none.
    const [, kibibytes = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
    return [[pid, 1024 * Number(kibibytes)], ...children.flatMap(fullest)];
  } catch {
    return []; // it has just ended
  }
}

it.runIf(process.platform === "linux").each<[string, number, number, number]>([
  ["weights that are copied for each checkpoint", 256, 4, 12],
  ["hardly any weights", 16, 1, 200],
])(
  "that a plan states is about what a worker takes: %s",
  async (name, width, layers, steps) => {
    const file = `${name.replaceAll(" ", "-")}.yaml`;
    writeFileSync(
      join(folder, file),
      `{name: x, data: {source: moby-dick}, model: {layers: ${layers}, context: 32}, width: {proxy: ${width}, target: ${width}},
        train: {steps: ${steps}, batch: 2, evaluate: {every: ${steps}, batches: 2}},
        search: {trials: 3, confirm: false, parameters: {learning_rate: {distribution: log_uniform, min: 0.001, max: 0.01}}}}`,
    );
    const { proxies } = JSON.parse((await run(["plan", file, ...alone, "--json"], folder)).stdout) as { proxies: { memory_bytes: number } };
    const { child, finished } = start(["sweep", file, ...alone, "--checkpoint", "1", "--out", `run-${width}`], { cwd: folder });
    const taken = new Map<number, number>();
    const watching = setInterval(() => {
      for (const [pid, bytes] of fullest(child.pid ?? 0)) if (pid !== child.pid) taken.set(pid, Math.max(bytes, taken.get(pid) ?? 0));
    }, 20);
    await finished;
    clearInterval(watching);
    const most = Math.max(...taken.values());
    expect(proxies.memory_bytes).toBeGreaterThan(most);
    expect(proxies.memory_bytes).toBeLessThan(1.6 * most);
  },
  60_000,
);
