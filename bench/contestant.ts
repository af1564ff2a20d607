/**
 * This project's contestants: one process that trains one model, or a stack, with
 * `contestant.js WORK ENGINE THREADS PRECISION [eager]`. Protocol of all contestants: print
 * {"losses"} once ready, then for each line `SECONDS` on stdin train that long and
 * print {"seconds_per_step"} of one model. With WORK = "product" it times matrix products instead,
 * with "about" it prints what the engine is and computes on.
 */
import { createInterface } from "node:readline";
import { engineHost } from "../src/cache.ts";
import type { EngineName, Precision } from "../src/engines/engine.ts";
import { exactLibrary } from "../src/engines/native/kernels.ts";
import { engines } from "../src/engines/registry.ts";
import { openTfjs } from "../src/engines/tfjs/engine.ts";
import { chunkOf, loaded } from "./ours.ts";
import { checkedSteps, productEdge, type Work } from "./work.ts";

/** Runs `call`, which does some steps and says how many, for as long as each line on stdin asks. */
async function serve(losses: readonly number[], call: () => Promise<number>): Promise<void> {
  console.log(JSON.stringify({ losses }));
  for await (const line of createInterface({ input: process.stdin })) {
    const started = performance.now();
    let steps = 0;
    while (performance.now() - started < Number(line) * 1000) steps += await call();
    console.log(JSON.stringify({ seconds_per_step: (performance.now() - started) / 1000 / steps }));
  }
}

async function train(work: Work, engineName: EngineName, threads: number, precision: Precision, mode: string): Promise<void> {
  const { stack } = work;
  const engine = mode === "eager" ? await openTfjs(engineHost(), { mode }) : await engines[engineName].open(engineHost());
  const executable = await loaded(engine, work, { threads, precision });
  const losses = await executable.train(chunkOf(work, checkedSteps));
  const call = chunkOf(work, work.call_steps);
  await executable.train(call);
  await serve(
    [...losses].filter((_, index) => index % stack === 0),
    async () => {
      await executable.train(call);
      return work.call_steps * stack;
    },
  );
}

async function multiply(): Promise<void> {
  const library = await exactLibrary(engineHost());
  const repeats = 50;
  await serve([], () => {
    library.timeProduct(productEdge, repeats);
    return Promise.resolve(repeats);
  });
}

const [work, engine, threads, precision, mode = ""] = process.argv.slice(2);
if (work === "product") await multiply();
else if (work === "about") {
  const { version, device } = await engines[engine as EngineName].open(engineHost());
  console.log(JSON.stringify({ version, name: device.name, memory_bytes: device.memoryBytes }));
} else await train(JSON.parse(work) as Work, engine as EngineName, Number(threads), precision as Precision, mode);
