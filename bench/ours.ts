/** The benchmarks' work in this project's engines. */
import type { CompileOptions, Engine, Executable, TrainChunk } from "../src/engines/engine.ts";
import { trainingStep } from "../src/model/step.ts";
import { mapParts, type Program } from "../src/program/program.ts";
import { batchesOf, modelOf, optimizer, startingState, type Work } from "./work.ts";

export function programOf(work: Work): Program {
  const { beta1, beta2, momentum } = optimizer;
  const muon = work.optimizer === "muon" && { muonMomentum: momentum };
  return trainingStep(modelOf(work), { trials: work.stack, batch: work.batch, beta1, beta2, ...muon, weightDecay: false });
}

/** A stack of the same model so many times over. */
export async function loaded(engine: Engine, work: Work, options: CompileOptions): Promise<Executable> {
  const { stack } = work;
  const program = programOf(work);
  const executable = await engine.compile(program, options);
  const repeat = (data: Float32Array): Float32Array => {
    const all = new Float32Array(data.length * stack);
    for (let lane = 0; lane < stack; lane++) all.set(data, lane * data.length);
    return all;
  };
  const start = startingState(modelOf(work), program);
  executable.load({
    step: 0,
    scalars: new Map([...start.scalars].map(([name, data]) => [name, repeat(data)])),
    parameters: new Map([...start.parameters].map(([name, parts]) => [name, mapParts(parts, repeat)])),
  });
  return executable;
}

/** The first batches of a work, at a constant rate. */
export const chunkOf = (work: Work, steps: number): TrainChunk => ({ ...batchesOf(work, steps), factors: new Float32Array(steps).fill(1) });
