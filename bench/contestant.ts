/**
 * This project's contestants: one process that trains one model, or a stack, with
 * `contestant.js WORK ENGINE THREADS PRECISION [eager]`. Protocol of all contestants: print
 * {"losses"} once ready, then for each line `SECONDS` on stdin train that long and
 * print {"seconds_per_step"} of one model. With WORK = "product" it times matrix products instead.
 */
import { createInterface } from "node:readline";
import { engineHost } from "../src/cli/cache.ts";
import type { EngineName, Precision } from "../src/engines/engine.ts";
import { exactLibrary } from "../src/engines/native/kernels.ts";
import { engines } from "../src/engines/registry.ts";
import { openTfjs } from "../src/engines/tfjs/engine.ts";
import { trainingStep } from "../src/model/transformer.ts";
import { batchesOf, checkedSteps, modelOf, optimizer, productEdge, startingState, type Work } from "./work.ts";

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
  const config = modelOf(work);
  const { stack } = work;
  const { beta1, beta2 } = optimizer;
  const program = trainingStep(config, { trials: stack, batch: work.batch, beta1, beta2, weightDecay: false });
  const engine = mode === "eager" ? await openTfjs(engineHost(), { mode }) : await engines[engineName].open(engineHost());
  const executable = await engine.compile(program, { threads, precision });
  const repeat = (data: Float32Array): Float32Array => Float32Array.from({ length: data.length * stack }, (_, i) => data[i % data.length]);
  const start = startingState(config, program.scalars);
  executable.load({
    step: 0,
    scalars: new Map([...start.scalars].map(([name, data]) => [name, repeat(data)])),
    parameters: new Map(
      [...start.parameters].map(([name, { weight, firstMoment, secondMoment }]) => [
        name,
        { weight: repeat(weight), firstMoment: repeat(firstMoment), secondMoment: repeat(secondMoment) },
      ]),
    ),
  });
  const chunk = (steps: number): Parameters<typeof executable.train>[0] => ({
    ...batchesOf(work, steps),
    factors: new Float32Array(steps).fill(1),
  });
  const losses = await executable.train(chunk(checkedSteps));
  const steps = Math.max(work.call_steps, executable.leastSteps ?? 1);
  const call = chunk(steps);
  await executable.train(call);
  await serve(
    [...losses].filter((_, index) => index % stack === 0),
    async () => {
      await executable.train(call);
      return steps * stack;
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
else await train(JSON.parse(work) as Work, engine as EngineName, Number(threads), precision as Precision, mode);
