/** Whether whole sweeps go well on a card: beside `native`'s, after a kill, and when its memory runs out. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openDriver, openLibrary, type Driver, type Pointer } from "../../src/engines/cuda/driver.ts";
import { packageRoot } from "../../src/engines/sources.ts";
import type { Finding } from "./finding.ts";

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly events: readonly string[];
}

/** The command line on the card; `strike` is called with the child at each event. */
function mutransfer(args: readonly string[], strike?: (event: string, kill: () => void) => void): Promise<Ended> {
  const child = spawn(process.execPath, [join(packageRoot(), "bin/mutransfer.js"), ...args], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const events: string[] = [];
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part));
  createInterface({ input: child.stdout }).on("line", (line) => {
    events.push(line);
    strike?.(line, () => child.kill("SIGKILL"));
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stderr, events })));
}

interface Results {
  readonly best: { readonly trial: number } | null;
  readonly trials: readonly { readonly id: number; readonly seed: number; readonly validation_loss: number | null }[];
}
const resultsIn = (folder: string): Results => JSON.parse(readFileSync(join(folder, "results.json"), "utf8")) as Results;
const lossesIn = ({ trials }: Results): ReadonlyMap<string, number> =>
  new Map(trials.map(({ id, seed, validation_loss: loss }) => [`${id}/${seed}`, loss ?? NaN]));
function largestDifference(a: Results, b: Results): number {
  const others = lossesIn(b);
  return Math.max(...[...lossesIn(a)].map(([member, loss]) => Math.abs(loss - (others.get(member) ?? NaN))));
}

const specOf = (some: object): string => JSON.stringify({ name: "check", data: { source: "moby-dick" }, ...some }); // which is YAML as well
const learningRate = { learning_rate: { distribution: "log_uniform", min: 0.01, max: 0.03 } };
const tiny = (steps: number, every: number): string =>
  specOf({
    model: { layers: 2, head_dim: 8, context: 32 },
    width: { base: 16, proxy: 16, target: 48 },
    train: { steps, batch: 8, evaluate: { every, batches: 2 } },
    search: { trials: 6, confirm: false, parameters: learningRate },
  });
/** About 40 MB a trial: 64 of them do not fit into what is left. */
const large = specOf({
  model: { layers: 4, head_dim: 32, context: 128 },
  width: { proxy: 64, target: 128 },
  train: { steps: 4, batch: 16, evaluate: { every: 4, batches: 1 } },
  search: { trials: 64, confirm: false, parameters: learningRate },
});
/** What is left of the card's memory, and how it is taken. */
const [leftBytes, pieceBytes] = [1.5 * 2 ** 30, 2 ** 28];

/** Takes the card's memory but for a little; returns what gives it back. */
function occupy(driver: Driver): () => void {
  const taken: Pointer[] = [];
  try {
    for (;;) taken.push(driver.allocate(pieceBytes));
  } catch {
    // until there is no more
  }
  for (const piece of taken.splice(0, leftBytes / pieceBytes)) driver.free(piece);
  return () => taken.forEach((piece) => driver.free(piece));
}

/** A sweep that is killed once it has come to a step and begun again; tried again when it had no checkpoint by then. */
async function killedAndResumed(
  args: readonly string[],
  step: number,
  forget: () => void,
): Promise<Ended & { readonly resumptions: number }> {
  for (let attempt = 1; ; attempt++) {
    const killed = await mutransfer(args, (event, kill) => {
      if (event.startsWith('{"event":"stack_progress"') && (JSON.parse(event) as { step: number }).step >= step) kill();
    });
    const ended = await mutransfer(args);
    const resumptions = ended.events.filter((event) => event.includes('"stack_resumed"')).length;
    if (attempt === 3 || (killed.code === null && resumptions > 0)) return { ...ended, resumptions };
    forget();
  }
}

export async function* checkSweeps(isSmall: boolean): AsyncGenerator<Finding> {
  const folder = mkdtempSync(join(tmpdir(), "mutransfer-check-"));
  const at = (name: string): string => join(folder, name);
  const sweep = (spec: string, out: string, engine: string, ...more: readonly string[]): readonly string[] => [
    ...["sweep", at(spec), "--out", at(out), "--engine", engine, "--events", "ndjson", ...more],
  ];
  writeFileSync(at("smoke.yaml"), isSmall ? tiny(6, 3) : tiny(150, 50));
  writeFileSync(at("long.yaml"), isSmall ? tiny(20, 4) : tiny(1000, 100)); // time enough for a kill
  writeFileSync(at("large.yaml"), large);
  try {
    const stack = ["--stack", "3"];
    const ended = [
      await mutransfer(sweep("smoke.yaml", "native", "native", ...stack)),
      await mutransfer(sweep("smoke.yaml", "cuda", "cuda", ...stack)),
    ];
    if (ended.some(({ code }) => code !== 0)) {
      yield { check: "a sweep beside native's", ok: false, ended };
      return;
    }
    const [native, cuda] = ["native", "cuda"].map((name) => resultsIn(at(name)));
    const difference = largestDifference(cuda, native);
    const winners = { cuda: cuda.best?.trial, native: native.best?.trial };
    yield {
      check: "a sweep beside native's",
      ok: winners.cuda === winners.native && difference < 1e-3,
      winners,
      largest_difference: difference,
    };

    const transfer = await mutransfer([
      "transfer",
      "--best",
      join(at("cuda"), "results.json"),
      "--engine",
      "cuda",
      "--out",
      at("target"),
      "--force",
    ]);
    yield { check: "a transfer", ok: transfer.code === 0, stderr: transfer.stderr.slice(-300) };

    await mutransfer(sweep("long.yaml", "whole", "cuda", ...stack));
    const [step, interval, forget] = [isSmall ? 6 : 300, isSmall ? "2" : "20", () => rmSync(at("killed"), { recursive: true })];
    const resumed = await killedAndResumed(sweep("long.yaml", "killed", "cuda", ...stack, "--checkpoint", interval), step, forget);
    const isSame = resumed.code === 0 && largestDifference(resultsIn(at("killed")), resultsIn(at("whole"))) === 0;
    yield { check: "resumed after a kill, to the same losses", ok: isSame && resumed.resumptions > 0, resumptions: resumed.resumptions };

    if (isSmall) return; // the stand-in's memory is each process's own
    const free = occupy(openDriver(await openLibrary(process.env["MUTRANSFER_LIBCUDA"])));
    const squeezed = await mutransfer(sweep("large.yaml", "large", "cuda", "--stack", "64"));
    free();
    const halvings = squeezed.events.filter((event) => event.includes('"stack_halved"'));
    const isHalved = halvings.length > 0 || squeezed.stderr.includes("does not fit the memory");
    yield {
      check: "smaller stacks when the memory runs out",
      ok: squeezed.code === 0 && isHalved,
      halvings,
      stderr: squeezed.stderr.slice(-600),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
