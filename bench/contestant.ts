/**
 * This project's contestant: one process that trains one model. Protocol of all
 * contestants: print {"losses"} once ready, then for each line `SECONDS` on stdin
 * train that long and print {"seconds_per_step"}.
 */
import { createInterface } from "node:readline";
import { engines } from "../src/engines/registry.ts";
import { engineNames, type EngineName } from "../src/engines/engine.ts";
import { engineHost } from "../src/cli/files.ts";
import { trainingStep } from "../src/model/transformer.ts";
import { batch, batchesOf, callSteps, checkedSteps, modelOf, optimizer, startingState } from "./work.ts";

const config = modelOf(Number(process.argv[2]));
const stack = Number(process.argv[3] ?? 1);
const program = trainingStep(config, { trials: stack, batch, beta1: optimizer.beta1, beta2: optimizer.beta2, weightDecay: false });
const engine = await engines[(process.argv[4] ?? engineNames[0]) as EngineName].open(engineHost());
const executable = await engine.compile(program, { threads: 1 });
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
  ...batchesOf(config, steps),
  factors: new Float32Array(steps).fill(1),
});

const losses = await executable.train(chunk(checkedSteps));
const call = chunk(callSteps);
await executable.train(call);
console.log(JSON.stringify({ losses: [...losses].filter((_, index) => index % stack === 0) }));
for await (const line of createInterface({ input: process.stdin })) {
  const started = performance.now();
  let steps = 0;
  while (performance.now() - started < Number(line) * 1000) {
    await executable.train(call);
    steps += callSteps;
  }
  console.log(JSON.stringify({ seconds_per_step: (performance.now() - started) / 1000 / steps / stack }));
}
