/**
 * What is launched computes what was lowered: both are carried out with names in place of
 * numbers, so that an order or a fusion that is wrong shows in the name of a weight. Also
 * where everything lies, and what fusing is for: the number of launches.
 */
import { describe, expect, it } from "vitest";
import { footprintOf } from "../../../src/engines/cuda/engine.ts";
import { cudaFields, groupSizes, layout, type CudaKind } from "../../../src/engines/cuda/fields.ts";
import { fuse, type Product } from "../../../src/engines/cuda/fuse.ts";
import { launchOf, type GroupLaunch } from "../../../src/engines/cuda/launches.ts";
import { planStep } from "../../../src/engines/cuda/step.ts";
import { cardLimits, cudaTarget, type CudaLimits } from "../../../src/engines/cuda/target.ts";
import type { Buffer } from "../../../src/engines/lowered/instructions.ts";
import { LaneMemory } from "../../../src/engines/lowered/lane-memory.ts";
import { lower } from "../../../src/engines/lowered/lower.ts";
import type { Purpose } from "../../../src/engines/lowered/lowering.ts";
import type { ModelConfig } from "../../../src/model/config.ts";
import { trainingStep, type OptimizerConfig } from "../../../src/model/step.ts";
import type { Program } from "../../../src/program/program.ts";
import { afterInstructions, afterLaunches, chainsOf, madeBy, makes, operandNamed, operandsOf, unitsOf } from "../../support/names.ts";

const proxy: ModelConfig = {
  ...{ layers: 4, width: 128, headDim: 32, context: 128, mlpRatio: 4, vocabSize: 96, biases: false, zeroInit: [] },
};
interface Work {
  readonly model?: Partial<ModelConfig>;
  readonly optimizer?: Partial<OptimizerConfig>;
  readonly batch?: number;
  readonly trials?: number;
  readonly limits?: Partial<CudaLimits>;
  readonly purpose?: Purpose;
}
const programOf = ({ model, optimizer, batch = 16, trials = 1 }: Work): Program =>
  trainingStep({ ...proxy, ...model }, { trials, batch, beta1: 0.9, beta2: 0.95, weightDecay: true, ...optimizer });

function plannedOf(work: Work) {
  const { purpose = "train" } = work;
  const program = programOf(work);
  const limits = { ...cardLimits, ...work.limits };
  const laneMemory = new LaneMemory(program, layout);
  const names = purpose === "inspect" ? [...program.gradients.values()] : [];
  const lowered = lower(program, cudaTarget(limits), laneMemory, purpose, names);
  const kept = new Set(names.map((name) => lowered.buffers.get(name)?.buffer as Buffer));
  const launchGroups = fuse(lowered.instructions, ({ buffer }) => kept.has(buffer));
  const setting = { mode: "f32", lanes: program.dims.trials, fullGrid: 132 } as const;
  const launches = launchGroups.map((each) => launchOf(each, setting));
  return {
    program,
    laneMemory,
    lowered,
    kept,
    launchGroups,
    launches,
    setting,
    plan: planStep(program, laneMemory, limits, purpose, names),
  };
}

const works: Readonly<Record<string, Work>> = {
  "the standard proxy": {},
  "a stack of it": { trials: 64 },
  "a narrow one, whose products are cut in parts": { model: { width: 64 } },
  biases: { model: { biases: true }, batch: 2 },
  "residuals that are scaled": { model: { biases: true, scaledResiduals: true, layers: 2 }, batch: 2 },
  "groups of sequences": { model: { layers: 2, biases: true }, batch: 5, limits: { sequenceGroupFloats: 2 ** 19 } },
  "a vocabulary in many blocks, few lanes at a time": { model: { layers: 1, vocabSize: 50_257 }, batch: 4, trials: 3 },
  "one layer, one head": { model: { layers: 1, width: 32 }, batch: 1 },
  "gates, rotary positions, norms of heads that share keys, one table": {
    ...{ model: { norm: "rms_norm", ropeTheta: 1e4, mlp: "swiglu", queriesPerKv: 2, qkNorm: true, tiedEmbeddings: true, layers: 2 } },
    ...{ batch: 4, trials: 2, optimizer: { clip: 1, zLoss: 1e-4 }, limits: { sequenceGroupFloats: 2 ** 19 } },
  },
  "squared ReLU and gradients that are clipped": { model: { mlp: "relu2", layers: 2, biases: true }, batch: 2, optimizer: { clip: 1 } },
  Muon: { model: { layers: 2 }, batch: 2, optimizer: { muonMomentum: 0.95, clip: 0.5 } },
  "Muon of narrow matrices, in parts": { model: { layers: 1, width: 64, mlpRatio: 32 }, batch: 2, optimizer: { muonMomentum: 0.95 } },
  evaluation: { purpose: "evaluate", model: { biases: true } },
  inspection: { purpose: "inspect", model: { biases: true }, batch: 2 },
};

describe.each(Object.entries(works))("what is launched for %s", (_, work) => {
  const planned = plannedOf(work);
  const { program, laneMemory, lowered, kept, launchGroups, launches, plan, setting } = planned;

  it("computes what was lowered", () => {
    const [expected, launched] = [afterInstructions(lowered.instructions), afterLaunches(launches)];
    expect(launched.losses).toEqual(expected.losses);
    expect(expected.losses).toHaveLength(1);
    const results = lowered.instructions
      .flatMap((o) => makes[o.kind].flatMap((each) => operandNamed(o, each) ?? []))
      .filter(({ buffer }) => buffer.laneLine !== undefined || kept.has(buffer));
    expect(results.length > 0).toBe(work.purpose !== "evaluate");
    for (const result of results) expect(launched.read(result)).toBe(expected.read(result));
  });

  it("has no launch whose blocks depend on one another", () => {
    for (const launch of launches) {
      const units = unitsOf(launch);
      units.forEach((unit, index) => {
        const made = new Set(unit.flatMap((o) => [...madeBy(o)]));
        for (const other of units.slice(index + 1).concat(units.slice(0, index)))
          for (const { buffer } of other.flatMap(operandsOf)) expect(made.has(buffer), launch.kernel).toBe(false);
      });
      const most = (groupSizes as Readonly<Partial<Record<CudaKind, number>>>)[launch.instructions[0].kind] ?? 1;
      expect(launch.instructions.length).toBeLessThanOrEqual(most);
      const sums = launch.instructions.filter((o) => o.kind === "squareSums");
      for (const { out, rows } of sums)
        for (const other of sums)
          if (other.out?.buffer === out?.buffer && (other.out?.line as number) > (out?.line as number))
            expect(other.out?.line).toBeGreaterThanOrEqual((out?.line as number) + Math.ceil(rows / layout.lineFloats));
    }
  });

  it("gives every block to one instruction", () => {
    for (const { grid, instructions, kernel } of launches) {
      const firsts = instructions.flatMap((o) => ("firstBlock" in o && o.firstBlock >= 0 ? [o.firstBlock] : []));
      expect(firsts, kernel).toEqual([...firsts].sort((a, b) => a - b));
      expect(new Set(firsts).size, kernel).toBe(firsts.length);
      if (firsts.length > 0) expect([firsts[0], firsts[firsts.length - 1] < grid[0]], kernel).toEqual([0, true]);
      expect(grid[0] * grid[1], kernel).toBeGreaterThan(0);
      expect(grid[1], kernel).toBeLessThanOrEqual(65_535);
    }
  });

  it("has lines of its own for everything that is still needed", () => {
    // Lines as the launches' parameters state them: each operand's line, after those of the lane's state.
    const [runBytes, laneLines] = [136, laneMemory.floats / layout.lineFloats];
    const addresses = new Proxy({}, { get: () => 0n }) as Readonly<Record<string, bigint>>;
    const one = planStep(programOf({ ...work, trials: 1 }), laneMemory, { ...cardLimits, ...work.limits }, work.purpose ?? "train", [
      ...(kept.size > 0 ? program.gradients.values() : []),
    ]);
    const all = one.launches(setting, addresses);
    expect(all).toHaveLength(launchGroups.length + 1); // and the step's counter
    const lives = new Map<Buffer, { begin: number; first: number; last: number }>();
    launches.forEach(({ instructions }, index) => {
      const words = new Int32Array(all[index].parameters, runBytes);
      const [{ kind }] = instructions;
      const { buffers, numbers } = cudaFields[kind];
      const start = kind in groupSizes ? 1 : 0;
      instructions.forEach((o, nth) =>
        buffers.forEach((name, at) => {
          const operand = operandNamed(o, name);
          const word = words[start + nth * (buffers.length + numbers.length) + at];
          if (operand === undefined) return void expect(word).toBe(-1);
          const { buffer, line } = operand;
          if (buffer.laneLine !== undefined) return void expect(word).toBe(buffer.laneLine + line);
          const life = lives.get(buffer) ?? { begin: word - line, first: index, last: index };
          expect(word - line, "stays where it is").toBe(life.begin);
          lives.set(buffer, { ...life, last: kept.has(buffer) ? Infinity : index });
        }),
      );
    });
    const floats = one.workspaceFloats + one.fleetingFloats;
    const sorted = [...lives].sort(([, a], [, b]) => a.begin - b.begin);
    sorted.forEach(([buffer, life], index) => {
      const end = life.begin + buffer.lines;
      expect([life.begin >= laneLines, (end - laneLines) * layout.lineFloats <= floats]).toEqual([true, true]);
      for (const [, other] of sorted.slice(index + 1)) {
        if (other.begin >= end) break;
        expect(life.last < other.first || other.last < life.first, "two that overlap are not needed at once").toBe(true);
      }
    });
    expect(plan.workspaceFloats).toBe(one.workspaceFloats);
  });

  it("is the same for any stack, but for grids and tiles", () => {
    const kindsOf = (trials: number) =>
      plannedOf({ ...work, trials }).launches.map(({ kernel, grid, instructions }) => {
        const isProduct = instructions[0].kind === "product";
        const plain = instructions.map((o) => ({ ...o, ...("firstBlock" in o && isProduct && { firstBlock: Math.min(o.firstBlock, 0) }) }));
        const numbers = plain.map((o) =>
          cudaFields[o.kind].numbers.map((each) => (o as unknown as Readonly<Record<string, number>>)[each]),
        );
        return [isProduct ? kernel.replace(/_\d+$/, "") : kernel, isProduct ? [] : grid, numbers];
      });
    expect(kindsOf(40)).toEqual(kindsOf(1));
  });
});

describe("the standard proxy's step", () => {
  const { launches } = plannedOf({ trials: 64 });
  const productsIn = ({ instructions }: GroupLaunch): readonly Product[] => instructions.filter((o) => o.kind === "product");

  it("takes so many launches, and one for the step's counter", () => expect(launches).toHaveLength(95));

  it("has query, key and value in one launch, forward and backward", () => {
    const isOfOneInput = ([first, ...rest]: readonly Product[]): boolean =>
      rest.length === 2 && rest.every(({ a, b }) => a?.buffer === first.a?.buffer && b?.buffer !== first.b?.buffer);
    expect(launches.map(productsIn).filter(isOfOneInput)).toHaveLength(4);
    const chains = launches.flatMap((launch) => chainsOf(productsIn(launch))).filter((chain) => chain.length > 1);
    expect(chains.map(({ length }) => length)).toEqual([3, 3, 3, 3]);
  });

  it("has no launch for GELU, one for AdamW", () => {
    const kernels = launches.map(({ kernel }) => kernel);
    expect(kernels.filter((kernel) => kernel === "adamw")).toHaveLength(1);
    expect(kernels.filter((kernel) => /gelu|multiplyElements|add/.test(kernel))).toEqual([]);
    expect(launches.flatMap(productsIn).filter(({ active }) => active)).toHaveLength(4);
    expect(launches.flatMap(productsIn).filter(({ factor }) => factor)).toHaveLength(4);
  });
});

it("takes Muon's matrices through its steps together, eight at a time", () => {
  const launchesOf = (layers: number, optimizer: Partial<OptimizerConfig>): readonly GroupLaunch[] =>
    plannedOf({ model: { layers }, batch: 2, optimizer }).launches;
  const muonMomentum = 0.95;
  // Six matrices a layer; each step is three products and three of identities, beside four launches before the first and one after the last.
  for (const [layers, times] of [
    [1, 1],
    [4, 3],
  ])
    expect(launchesOf(layers, { muonMomentum }).length - launchesOf(layers, {}).length).toBe(times * (4 + 5 * 6 + 1));
  const { launches } = plannedOf({ model: { layers: 4 }, batch: 2, optimizer: { muonMomentum, clip: 1 } });
  expect(launches.filter(({ kernel }) => kernel === "adamw")).toHaveLength(1);
});

it("has memory for a model of a billion parameters in 80 GB", () => {
  const large = { layers: 24, width: 2048, headDim: 128, context: 1024, vocabSize: 50_257 };
  const program = programOf({ model: large, batch: 8 });
  const { bytes } = footprintOf(program);
  const parameters = 24 * 12 * 2048 ** 2 + 2 * 50_257 * 2048;
  expect(bytes).toBeGreaterThan(3 * 4 * parameters);
  expect(bytes).toBeLessThan(80e9);
});
