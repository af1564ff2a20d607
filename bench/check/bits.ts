/** Whether a trial's weights and moments are the same to the bit in any stack, with either tile, and however steps are split into calls. */
import { createHash } from "node:crypto";
import { modes } from "../../src/engines/cuda/kernels.ts";
import type { CudaLimits } from "../../src/engines/cuda/target.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { chunkOf, loaded } from "../ours.ts";
import { gpuProxy, type Work } from "../work.ts";
import type { Finding } from "./finding.ts";
import { cudaWith } from "./losses.ts";

/** Digest of each lane's state after `steps` steps in calls of `perCall`. */
async function digests(engine: Engine, work: Work, steps: number, perCall: number): Promise<readonly string[]> {
  const { stack } = work;
  const executable = await loaded(engine, work, { threads: 1, precision: "float32" });
  const all = chunkOf(work, steps);
  const cells = work.batch * work.context;
  for (let first = 0; first < steps; first += perCall) {
    const part = (ids: Int32Array): Int32Array => ids.slice(first * cells, (first + perCall) * cells);
    const factors = all.factors.slice(first, first + perCall);
    await executable.train({ count: perCall, tokens: part(all.tokens), targets: part(all.targets), factors });
  }
  const { parameters } = await executable.read();
  await executable.dispose();
  return Array.from({ length: stack }, (_, lane) => {
    const hash = createHash("sha1");
    for (const { weight, firstMoment, secondMoment } of parameters.values())
      for (const values of [weight, firstMoment, secondMoment])
        hash.update(values.subarray((lane * values.length) / stack, ((lane + 1) * values.length) / stack));
    return hash.digest("hex");
  });
}

/** Tiles follow from whether those of 128 fill the card. */
const settings: Readonly<Record<string, Partial<CudaLimits>>> = {
  "as it comes": {},
  "tiles of 128": { fullGrid: 1 },
  "tiles of 64": { fullGrid: 2 ** 30 },
  "few lanes at a time": { lanes: 3 },
};

export async function* checkBits(isSmall: boolean): AsyncGenerator<Finding> {
  const base: Work = { ...gpuProxy, width: 128, layers: isSmall ? 1 : 2, context: 32, batch: 4, stack: 1, device: "cpu" };
  const [steps, stacks] = isSmall ? [2, [1, 4]] : [8, [1, 2, 40]];
  for (const mode of modes) {
    const expected = (await digests(await cudaWith(mode), base, steps, steps))[0];
    const other: string[] = [];
    for (const [setting, limits] of Object.entries(settings)) {
      const engine = await cudaWith(mode, limits);
      for (const stack of stacks)
        for (const perCall of stack === 1 ? [steps, 1] : [steps]) {
          const found = await digests(engine, { ...base, stack }, steps, perCall);
          found.forEach((digest, lane) => {
            if (digest !== expected) other.push(`lane ${lane} of ${stack}, ${setting}, ${perCall} steps a call`);
          });
        }
    }
    yield {
      check: `bits of a trial in ${mode}: stacks ${stacks.join(", ")}, both tiles, few lanes, calls of ${steps} and 1`,
      ok: other.length === 0,
      expected,
      other,
    };
  }
}
