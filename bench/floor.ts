/**
 * The time that a step of the cuda engine cannot beat on a card: its arithmetic at the rate
 * that the card has been measured to multiply at, or what its launches move through device
 * memory at the measured rate of a copy, whichever takes longer.
 */
import { layout, type CudaInstruction, type CudaInstructionOf, type CudaKind } from "../src/engines/cuda/fields.ts";
import { fuse, type LaunchGroup } from "../src/engines/cuda/fuse.ts";
import { cardLimits, cudaTarget } from "../src/engines/cuda/target.ts";
import { LaneMemory } from "../src/engines/lowered/lane-memory.ts";
import { lower } from "../src/engines/lowered/lower.ts";
import type { Operand } from "../src/engines/lowered/instructions.ts";
import { flopsPerStep } from "../src/model/counts.ts";
import { programOf } from "./ours.ts";
import { modelOf, type Work } from "./work.ts";

/** Floats of an operand that are read or written. */
type Moved = readonly (readonly [operand: Operand | undefined, floats: number])[];
interface Traffic {
  readonly read: Moved;
  readonly written: Moved;
}

const all = (floats: number, ...operands: readonly (Operand | undefined)[]): Moved => operands.map((each) => [each, floats]);
const ofLines = (lines: number, ...operands: readonly (Operand | undefined)[]): Moved => all(lines * layout.lineFloats, ...operands);
const ofHeads = ({ rows, width, headDim }: { readonly rows: number; readonly width: number; readonly headDim: number }): number =>
  rows * (width / headDim);

/** What each kind of instruction moves for a lane if its caches are perfect; single values and bisection's few are left out. */
const traffic: { readonly [K in CudaKind]: (o: CudaInstructionOf<K>) => Traffic } = {
  embed: ({ table, positions, out, width, context, rows }) => ({
    read: [...all(rows * width, table), ...all(context * width, positions)],
    written: all(rows * width, out),
  }),
  transposeMatrix: ({ x, out, rows, columns }) => ({ read: all(rows * columns, x), written: all(rows * columns, out) }),
  embedBackward: ({ dOut, dTable, dPositions, width, vocabulary, context, rows }) => ({
    read: all(rows * width, dOut),
    written: [...all(vocabulary * width, dTable), ...all(context * width, dPositions)],
  }),
  normalize: ({ x, normal, inverse, width, rows }) => ({
    read: all(rows * width, x),
    written: [...all(rows * width, normal), ...all(rows, inverse)],
  }),
  normalizeBackward: ({ dNormal, normal, inverse, residual, out, width, rows }) => ({
    read: [...all(rows * width, dNormal, normal, residual), ...all(rows, inverse)],
    written: all(rows * width, out),
  }),
  product: ({ a, b, initial, initialRow, factor, out, active, derivative, rows, columns, depth, symmetric, parts }) => ({
    read: [
      ...all(rows * depth, a),
      ...all(depth * columns, b),
      ...all(initialRow === 0 ? columns : rows * columns, initial),
      ...all(rows * columns, factor),
    ],
    written: [...all((parts * rows * columns) / (symmetric ? 2 : 1), out), ...all(rows * columns, active, derivative)],
  }),
  sumParts: ({ x, initial, out, parts, rows, columns }) => ({
    read: [...all(parts * rows * columns, x), ...all(rows * columns, initial)],
    written: all(rows * columns, out),
  }),
  biasRow: ({ weight, out, fanIn, fanOut }) => ({ read: all(fanIn * fanOut, weight), written: all(fanOut, out) }),
  columnSum: ({ x, out, rows, columns }) => ({ read: all(rows * columns, x), written: all(columns, out) }),
  normGradients: ({ gradient, weight, fanIn, fanOut }) => ({
    read: all(fanIn * fanOut, gradient, weight),
    written: all(fanIn * fanOut, gradient),
  }),
  turnHeads: ({ x, turns, out, width, headDim, context, rows }) => ({
    read: [...all(rows * width, x), ...all(context * headDim, turns)],
    written: all(rows * width, out),
  }),
  turnHeadsBackward: ({ dOut, x, turns, dX, products, width, headDim, context, rows }) => ({
    read: [...all(rows * width, dOut, x), ...all(context * headDim, turns)],
    written: all(rows * width, dX, products),
  }),
  foldHeads: ({ x, out, headDim, heads }) => ({ read: all(headDim * heads, x), written: all(headDim, out) }),
  attention: (o) => ({
    read: [...all(o.rows * o.width, o.query), ...all(o.rows * o.keyWidth, o.key, o.value)],
    written: [...all(o.rows * o.width, o.out), ...all(2 * ofHeads(o), o.stats)],
  }),
  attentionQueries: (o) => ({
    read: [...all(o.rows * o.width, o.query, o.out, o.dOut), ...all(o.rows * o.keyWidth, o.key, o.value), ...all(2 * ofHeads(o), o.stats)],
    written: [...all(o.rows * o.width, o.dQuery), ...all(ofHeads(o), o.means)],
  }),
  attentionKeys: (o) => ({
    read: [
      ...all(o.rows * o.width, o.query, o.dOut),
      ...all(o.rows * o.keyWidth, o.key, o.value),
      ...all(2 * ofHeads(o), o.stats),
      ...all(ofHeads(o), o.means),
    ],
    written: all(o.rows * o.keyWidth, o.dKey, o.dValue),
  }),
  gelu: ({ x, out, derivative, lines }) => ({ read: ofLines(lines, x), written: ofLines(lines, out, derivative) }),
  relu2: ({ x, out, derivative, lines }) => ({ read: ofLines(lines, x), written: ofLines(lines, out, derivative) }),
  swiglu: ({ gate, up, out, lines }) => ({ read: ofLines(lines, gate, up), written: ofLines(lines, out) }),
  swigluBackward: ({ gate, up, dOut, dGate, dUp, lines }) => ({
    read: ofLines(lines, gate, up, dOut),
    written: ofLines(lines, dGate, dUp),
  }),
  add: ({ a, b, out, lines }) => ({ read: ofLines(lines, a, b), written: ofLines(lines, out) }),
  multiplyElements: ({ a, b, out, lines }) => ({ read: ofLines(lines, a, b), written: ofLines(lines, out) }),
  crossEntropy: ({ logits, gradient, losses, rows, vocabulary }) => ({
    read: all(rows * vocabulary, logits),
    written: [...all(rows * vocabulary, gradient), ...all(rows, losses)],
  }),
  meanLoss: ({ losses, rows }) => ({ read: all(rows, losses), written: [] }),
  squareSums: ({ x, out, rows, columns }) => ({ read: all(rows * columns, x), written: all(rows, out) }),
  normFactor: ({ sums, count }) => ({ read: all(count, sums), written: [] }),
  adamw: ({ weight, first, second, gradient, lines }) => ({
    read: ofLines(lines, weight, first, second, gradient),
    written: ofLines(lines, weight, first, second),
  }),
  momentum: ({ gradient, momentum, out, lines }) => ({ read: ofLines(lines, gradient, momentum), written: ofLines(lines, momentum, out) }),
  scaleElements: ({ x, out, lines }) => ({ read: ofLines(lines, x), written: ofLines(lines, out) }),
  plusIdentity: ({ x, out, size }) => ({ read: all((size * size) / 2, x), written: all(size * size, out) }),
  muon: ({ weight, direction, lines }) => ({ read: ofLines(lines, weight, direction), written: ofLines(lines, weight) }),
  advance: () => ({ read: [], written: [] }),
};
const trafficOf = (o: CudaInstruction): Traffic => (traffic[o.kind] as unknown as (o: CudaInstruction) => Traffic)(o);

/** Whether a lane's logits, and what is made of them, are few enough to stay in L2 until they are used up. */
const staysInCache = ({ isFleeting, lines }: Operand["buffer"]): boolean =>
  isFleeting === true && lines * layout.lineFloats <= cardLimits.logitFloats;

/** Sum over operands, each of which counts once, and not at all where it stays in L2. */
function floatsOf(moved: Moved): number {
  const largest = new Map<Operand["buffer"], Map<number, number>>();
  for (const [operand, floats] of moved) {
    if (operand === undefined || staysInCache(operand.buffer)) continue;
    const lines = largest.get(operand.buffer) ?? new Map<number, number>();
    largest.set(operand.buffer, lines.set(operand.line, Math.max(floats, lines.get(operand.line) ?? 0)));
  }
  return [...largest.values()].reduce((sum, lines) => sum + [...lines.values()].reduce((a, b) => a + b), 0);
}

const isSame = (a: Operand | undefined, b: Operand | undefined): boolean => a !== undefined && a.buffer === b?.buffer && a.line === b.line;

/** Bytes of a launch for a lane. What a product adds to stays in registers where another of the launch has just made it. */
function bytesOf(launchGroup: LaunchGroup): number {
  const moved = launchGroup.map((o, index) => {
    const isChained =
      o.kind === "product" && launchGroup.slice(0, index).some((each) => each.kind === "product" && isSame(each.out, o.initial));
    return trafficOf(isChained ? { ...o, initial: undefined } : o);
  });
  return 4 * (floatsOf(moved.flatMap(({ read }) => read)) + floatsOf(moved.flatMap(({ written }) => written)));
}

/** Bytes through device memory that a step takes of each kind of launch for one lane. */
export function stepBytes(work: Work): ReadonlyMap<CudaKind, number> {
  const program = programOf({ ...work, stack: 1 });
  const { instructions } = lower(program, cudaTarget(cardLimits), new LaneMemory(program, layout), "train", []);
  const sums = new Map<CudaKind, number>();
  for (const launchGroup of fuse(instructions, () => false)) {
    const [{ kind }] = launchGroup;
    sums.set(kind, (sums.get(kind) ?? 0) + bytesOf(launchGroup));
  }
  return sums;
}

/** What a card was measured to do in a second. */
export interface Rates {
  /** Rate of matrix products, in FLOP/s. */
  readonly product?: number | undefined;
  /** Rate of a copy within device memory, in bytes read and written a second. */
  readonly copy?: number | undefined;
}

/** Seconds that a step takes at least for one model; undefined where nothing was measured. */
export function floorSeconds(work: Work, { product, copy }: Rates): number | undefined {
  if (product === undefined || copy === undefined) return undefined;
  const bytes = [...stepBytes(work).values()].reduce((a, b) => a + b);
  return Math.max(flopsPerStep(modelOf(work), work.batch) / product, bytes / copy);
}
