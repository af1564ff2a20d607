/**
 * Instructions and launches carried out without numbers: what is in memory is a name for
 * how it came about, made of the instruction and of the names that it found. Two ways to
 * the same names compute the same.
 */
import { expect } from "vitest";
import { cudaFields, type CudaInstruction, type CudaKind } from "../../src/engines/cuda/fields.ts";
import type { LaunchGroup, Product } from "../../src/engines/cuda/fuse.ts";
import type { GroupLaunch } from "../../src/engines/cuda/launches.ts";
import { instructionFields, type Buffer, type FieldTable, type Instruction, type Operand } from "../../src/engines/lowered/instructions.ts";
import { hashOf } from "../../src/hash.ts";

const { matrixProduct, attentionBackward } = instructionFields;
/** What kinds make, and what of that they read before. */
export const makes: Readonly<Record<CudaKind | keyof typeof instructionFields, readonly string[]>> = {
  ...{ embed: ["out"], embedBackward: ["dTable", "dPositions"], normalize: ["normal", "inverse"], normalizeBackward: ["out"] },
  ...{ matrixProduct: ["out"], product: ["out", "active", "derivative"], sumParts: ["out"], biasRow: ["out"], columnSum: ["out"] },
  ...{ normGradients: ["gradient", "dGain", "dShift"], attention: ["out", "stats"], attentionBackward: ["dQuery", "dKey", "dValue"] },
  ...{ attentionQueries: ["means", "dQuery"], attentionKeys: ["dKey", "dValue"], gelu: ["out", "derivative"], add: ["out"] },
  ...{ multiplyElements: ["out"], crossEntropy: ["gradient", "losses"], meanLoss: [], adamw: ["weight", "first", "second"], advance: [] },
  ...{
    transposeMatrix: ["out"],
    turnHeads: ["out"],
    turnHeadsBackward: ["dX", "products"],
    foldHeads: ["out"],
    relu2: ["out", "derivative"],
  },
  ...{ swiglu: ["out"], swigluBackward: ["dGate", "dUp"], squareSums: ["out"], normFactor: ["out"], momentum: ["momentum", "out"] },
  ...{ scaleElements: ["out"], plusIdentity: ["out"], muon: ["weight"] },
};
const updates: Readonly<Record<string, readonly string[]>> = {
  ...{ normGradients: ["gradient"], adamw: makes.adamw, momentum: ["momentum"], muon: ["weight"] },
};
const elementwise = ["gelu", "add", "multiplyElements"];

type Values = Readonly<Record<string, unknown>>;
type Table = FieldTable[string];
interface Write {
  readonly to: Operand;
  readonly name: string;
  readonly row?: unknown;
}

/** For each buffer what was written where, by name. */
class Memory {
  readonly losses: string[] = [];
  private readonly all = new Map<Buffer, Map<string, string>>();

  /** What an instruction finds there: all of the buffer, for it may read beyond its first line; `exactly` is what was written from there on. */
  read(of: unknown, exactly = false): string {
    if (of === undefined) return "none";
    const { buffer, line } = of as Operand;
    const known = this.all.get(buffer);
    if (!known && buffer.laneLine === undefined) throw new Error("nobody has written what is read");
    if (!known) return `state from line ${(buffer.laneLine ?? 0) + line}`;
    return (exactly && known.get(`${line} 0`)) || hashOf([line, [...known].sort()]);
  }
  write({ to: { buffer, line }, name, row = 0 }: Write): void {
    const known = this.all.get(buffer) ?? new Map<string, string>();
    this.all.set(buffer, known.set(`${line} ${String(row)}`, name));
  }
  /** What would be read, were this written. */
  readAfter(write: Write): string {
    const then = new Memory();
    then.all.set(write.to.buffer, new Map(this.all.get(write.to.buffer)));
    then.write(write);
    return then.read(write.to);
  }
}

const isRead = (kind: string, o: Values, name: string): boolean =>
  !makes[kind as CudaKind].includes(name) || updates[kind]?.includes(name) || o["accumulate"] === 1;

/** The name of what an instruction makes of what is there; some of its operands may be other than what is there. */
function nameOf(
  kind: string,
  { buffers, numbers }: Table,
  o: Values,
  memory: Memory,
  instead: Readonly<Record<string, string>> = {},
): string {
  const found = buffers
    .filter((each) => isRead(kind, o, each))
    .map((each) => [each, instead[each] ?? memory.read(o[each], each === "initial")]);
  return hashOf([kind, elementwise.includes(kind) ? [] : numbers.map((each) => o[each]), found]);
}
function writesOf(kind: string, table: Table, o: Values, memory: Memory): readonly Write[] {
  const name = nameOf(kind, table, o, memory);
  if (kind === "meanLoss") memory.losses.push(name);
  return makes[kind as CudaKind].flatMap((each) =>
    o[each] === undefined ? [] : { to: o[each] as Operand, name: `${each} of ${name}`, row: each === "losses" ? o["firstRow"] : 0 },
  );
}

/** What instructions leave behind that are carried out one after the other. */
export function afterInstructions(instructions: readonly Instruction[]): Memory {
  const memory = new Memory();
  for (const o of instructions) for (const write of writesOf(o.kind, instructionFields[o.kind], o, memory)) memory.write(write);
  return memory;
}

/** Products of a launch, each with those that go on in its registers. */
export function chainsOf(instructions: readonly Product[]): readonly (readonly Product[])[] {
  const linked = new Set(instructions.map(({ next }) => next));
  const chainFrom = (index: number): readonly Product[] => (index < 0 ? [] : [instructions[index], ...chainFrom(instructions[index].next)]);
  return instructions.flatMap((_, index) => (linked.has(index) ? [] : [chainFrom(index)]));
}
/** What may not depend on one another; sums of squares stand in one buffer side by side. */
export const unitsOf = ({ instructions }: GroupLaunch): readonly LaunchGroup[] =>
  instructions[0].kind === "product"
    ? chainsOf(instructions as readonly Product[])
    : ["normGradients", "squareSums"].includes(instructions[0].kind)
      ? [instructions]
      : instructions.map((o) => [o]);

/** Carries out launches: the instructions of one all at once, unless a block goes through them one after the other. */
class Launched {
  readonly memory = new Memory();
  /** The name of a product in parts, given what its sum begins with. */
  private readonly inParts = new Map<string, (initial: string) => string>();

  launch(launch: GroupLaunch): void {
    const [{ kind }] = launch.instructions;
    if (kind === "normGradients") {
      // A block goes through them one after the other.
      for (const o of launch.instructions) for (const write of this.writesOf(o)) this.memory.write(write);
      return;
    }
    const writes =
      kind === "product"
        ? chainsOf(launch.instructions as readonly Product[]).flatMap((chain) => this.product(chain))
        : launch.instructions.flatMap((o) => this.writesOf(o));
    // All at once: nobody has seen what another one wrote.
    for (const write of writes) this.memory.write(write);
  }

  private writesOf(o: CudaInstruction): readonly Write[] {
    const { memory } = this;
    const values = o as unknown as Values;
    if (o.kind === "attentionQueries" || o.kind === "attentionKeys") {
      const name = nameOf("attentionBackward", attentionBackward, values, memory);
      const forward = (of: Operand | undefined): string => memory.read(of, true).replace(/^\w+ of /, "");
      if (o.kind === "attentionQueries") expect(forward(o.out), "out and stats are of one attention").toBe(forward(o.stats));
      else expect(memory.read(o.means, true)).toBe(`means of ${name}`);
      return makes[o.kind].map((each) => ({ to: values[each] as Operand, name: `${each} of ${name}` }));
    }
    if (o.kind === "sumParts") {
      const name = this.inParts.get(memory.read(o.x, true))?.(memory.read(o.initial, true));
      return [{ to: o.out as Operand, name: name ?? "a sum of what is no part" }];
    }
    return writesOf(o.kind, instructionFields[o.kind as keyof typeof instructionFields], values, memory);
  }

  private product(chain: readonly Product[]): readonly Write[] {
    const [head] = chain;
    const { memory } = this;
    const named = (o: Product, initial: string): string => `out of ${nameOf("matrixProduct", matrixProduct, o, memory, { initial })}`;
    if (head.parts > 1) {
      expect([chain.length, head.initial, head.factor, head.active]).toEqual([1, undefined, undefined, undefined]);
      const { a, b, gain, multiplier } = head;
      const now = Object.fromEntries(Object.entries({ a, b, gain, multiplier }).map(([each, of]) => [each, memory.read(of)]));
      const whole = (initial: string): string => `out of ${nameOf("matrixProduct", matrixProduct, head, memory, { ...now, initial })}`;
      const name = `parts of ${whole("none")}`;
      this.inParts.set(name, whole);
      return [{ to: head.out as Operand, name }];
    }
    let sum = memory.read(head.initial, true);
    for (const o of chain) sum = named(o, sum);
    const { out, factor, active, derivative } = head;
    const asWritten = (name: string): string => (out ? memory.readAfter({ to: out, name }) : hashOf([0, [["0 0", name]]]));
    if (factor) {
      const of = { a: asWritten(sum), b: memory.read(factor) };
      sum = `out of ${nameOf("multiplyElements", instructionFields.multiplyElements, {}, memory, of)}`;
    }
    const gelu = nameOf("gelu", instructionFields.gelu, {}, memory, { x: asWritten(sum) });
    return [
      ...(out ? [{ to: out, name: sum }] : []),
      ...(active ? [{ to: active, name: `out of ${gelu}` }] : []),
      ...(derivative ? [{ to: derivative, name: `derivative of ${gelu}` }] : []),
    ];
  }
}

/** What launches leave behind. */
export function afterLaunches(launches: readonly GroupLaunch[]): Memory {
  const launched = new Launched();
  for (const launch of launches) launched.launch(launch);
  return launched.memory;
}

/** An operand by its name in the table. */
export const operandNamed = (o: object, name: string): Operand | undefined => (o as Readonly<Record<string, Operand | undefined>>)[name];
export const operandsOf = (o: CudaInstruction): readonly Operand[] =>
  cudaFields[o.kind].buffers.flatMap((each) => ((o as unknown as Values)[each] as Operand | undefined) ?? []);
export const madeBy = (o: CudaInstruction): ReadonlySet<Buffer> =>
  new Set(makes[o.kind].flatMap((each) => ((o as unknown as Values)[each] as Operand | undefined)?.buffer ?? []));
