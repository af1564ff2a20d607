/**
 * From the lowering's instructions to what a GPU launches: GELU and its derivative ride
 * on the product before them, products that add to one sum share their registers,
 * independent ones share a launch, and deep products of few outputs are cut in parts.
 * Updates of matrices go through their steps together. All of it follows from shapes alone. Which kernel runs a launch is in launches.ts.
 */
import { allOperandsOf, temporaryOperands } from "../lowered/instructions.ts";
import type { Instruction, Operand } from "../lowered/instructions.ts";
import { linesOf, rowLength, type Matrix } from "../lowered/memory.ts";
import { cudaFields, groupSizes, layout, type CudaInstruction, type CudaInstructionOf, type CudaKind } from "./fields.ts";

/** A matrix product, with what rides on it. */
export type Product = CudaInstructionOf<"product">;
/** Instructions of one kind that one launch carries out. */
export type LaunchGroup = readonly CudaInstruction[];

/** Operands that an instruction writes; it reads the others, and some of these as well. */
const written: { readonly [K in CudaKind]: readonly (typeof cudaFields)[K]["buffers"][number][] } = {
  embed: ["out"],
  embedBackward: ["dTable", "dPositions"],
  transposeMatrix: ["out"],
  normalize: ["normal", "inverse"],
  normalizeBackward: ["out"],
  product: ["out", "active", "derivative"],
  sumParts: ["out"],
  biasRow: ["out"],
  columnSum: ["out"],
  normGradients: ["gradient", "dGain", "dShift"],
  turnHeads: ["out"],
  turnHeadsBackward: ["dX", "products"],
  foldHeads: ["out"],
  attention: ["out", "stats"],
  attentionQueries: ["means", "dQuery"],
  attentionKeys: ["dKey", "dValue"],
  gelu: ["out", "derivative"],
  relu2: ["out", "derivative"],
  swiglu: ["out"],
  swigluBackward: ["dGate", "dUp"],
  add: ["out"],
  multiplyElements: ["out"],
  crossEntropy: ["gradient", "losses"],
  meanLoss: [],
  squareSums: ["out"],
  normFactor: ["out"],
  adamw: ["weight", "first", "second"],
  momentum: ["momentum", "out"],
  scaleElements: ["out"],
  plusIdentity: ["out"],
  muon: ["weight"],
  advance: [],
};

const same = (a: Operand | undefined, b: Operand | undefined): boolean => a !== undefined && a.buffer === b?.buffer && a.line === b.line;
const operandsOf = (o: CudaInstruction): readonly Operand[] => allOperandsOf(cudaFields, o).filter((each) => each !== undefined);
const writesOf = (o: CudaInstruction): readonly Operand[] => {
  const values = o as unknown as Readonly<Record<string, Operand | undefined>>;
  return written[o.kind].flatMap((name) => values[name] ?? []);
};

/** The lowering's instructions in this engine's terms. */
function translate(instructions: readonly Instruction[]): readonly CudaInstruction[] {
  const attentions = instructions.filter((o) => o.kind === "attention");
  return instructions.flatMap((o): readonly CudaInstruction[] => {
    switch (o.kind) {
      case "matrixProduct": {
        const none = { factor: undefined, active: undefined, derivative: undefined };
        return [{ ...o, ...none, kind: "product", parts: 1, partDepth: o.depth, next: -1, firstBlock: 0 }];
      }
      case "attentionBackward": {
        const forward = attentions.find(({ stats }) => same(stats, o.stats));
        const heads = (o.rows / o.context) * (o.width / o.headDim);
        const means = { buffer: { lines: heads * linesOf(layout, o.context) }, line: 0 };
        return [
          { ...o, kind: "attentionQueries", out: forward?.out, means },
          { ...o, kind: "attentionKeys", means },
        ];
      }
      case "adamw":
      case "squareSums":
      case "momentum":
      case "scaleElements":
      case "plusIdentity":
      case "muon":
        return [{ ...o, firstBlock: 0 }];
      default:
        return [o];
    }
  });
}

/** Lets elementwise instructions ride on the product whose result they take; `kept` operands are stored all the same. */
function withEpilogues(instructions: readonly CudaInstruction[], isKept: (operand: Operand) => boolean): readonly CudaInstruction[] {
  const readers = new Map<unknown, number>();
  for (const o of instructions) for (const { buffer } of operandsOf(o)) readers.set(buffer, (readers.get(buffer) ?? 0) + 1);
  const done: CudaInstruction[] = [];
  for (const o of instructions) {
    const before = done.at(-1);
    const product = before?.kind === "product" && before.active === undefined && before.factor === undefined ? before : undefined;
    if (product?.out && o.kind === "gelu" && same(o.x, product.out)) {
      const isOverwritten = same(o.derivative, product.out);
      const isUnread = readers.get(product.out.buffer) === 2 && !isKept(product.out); // by the product and by GELU
      done[done.length - 1] = {
        ...product,
        out: isOverwritten || isUnread ? undefined : product.out,
        active: o.out,
        derivative: o.derivative,
      };
    } else if (product && o.kind === "multiplyElements" && same(o.a, product.out) && same(o.out, product.out))
      done[done.length - 1] = { ...product, factor: o.b };
    else done.push(o);
  }
  return done;
}

/** Whether `o` adds to what `before` makes, and so can go on in the same registers. */
const continues = (o: CudaInstruction, before: CudaInstruction): boolean =>
  o.kind === "product" &&
  before.kind === "product" &&
  same(o.initial, before.out) &&
  same(o.out, before.out) &&
  !before.factor &&
  !o.factor;

/** Whether two instructions may not run at the same time. Sums of squares of several matrices lie side by side in one buffer. */
function conflict(a: CudaInstruction, b: CudaInstruction): boolean {
  if (a.kind === "squareSums" && b.kind === "squareSums" && a.out?.line !== b.out?.line) return false;
  const touches = (some: readonly Operand[], all: readonly Operand[]): boolean =>
    some.some(({ buffer }) => all.some((each) => each.buffer === buffer));
  return touches(writesOf(a), operandsOf(b)) || touches(writesOf(b), operandsOf(a));
}

/** Whether `o`, the next instruction, may share a launch with those of `launchGroup`. */
function joins(launchGroup: LaunchGroup, o: CudaInstruction): boolean {
  const [first] = launchGroup;
  if (first.kind !== o.kind || !(o.kind in groupSizes) || launchGroup.length >= groupSizes[o.kind as keyof typeof groupSizes]) return false;
  if (first.kind === "normGradients")
    return o.kind === "normGradients" && same(first.dGain, o.dGain) && launchGroup.every((each) => isOfRow(each, o));
  return launchGroup.every((each) => continues(o, each) || !conflict(each, o));
}
/** Whether two instructions are gradients behind one norm: a block adds up its row's gain from all of them, one after the other. */
const isOfRow = (a: CudaInstruction, b: CudaInstruction): boolean =>
  a.kind === "normGradients" && b.kind === "normGradients" && a.fanIn === b.fanIn && !same(a.gradient, b.gradient);

/**
 * Each instruction joins the last launch of its kind that it may, not before anything that it depends on; those of updates join the
 * first, so that matrices which go through the same steps share the launches of all of them.
 */
function launchGroupsOf(instructions: readonly CudaInstruction[]): CudaInstruction[][] {
  const launchGroups: CudaInstruction[][] = [];
  const firstUpdate = instructions.findIndex(({ kind }) => kind === "squareSums" || kind === "momentum");
  instructions.forEach((o, position) => {
    const isOfUpdate = firstUpdate >= 0 && position >= firstUpdate;
    let joined: CudaInstruction[] | undefined;
    for (let index = launchGroups.length - 1; index >= 0; index--) {
      const launchGroup = launchGroups[index];
      if (joins(launchGroup, o)) {
        joined = launchGroup;
        if (!isOfUpdate) break;
      } else if (launchGroup.some((each) => conflict(each, o))) break;
    }
    if (joined) joined.push(o);
    else launchGroups.push([o]);
  });
  return launchGroups;
}

/** The least depth of a part. */
const leastPartDepth = 512;
/** A product of this many tiles of 64 is not cut: parts that are kept cost memory traffic, fleeting ones are few lanes' and mostly stay in L2. */
const enoughTiles = { kept: 32, fleeting: 256 } as const;
const [tile, depthStep] = [64, 16] as const;

/** Cuts deep products of few outputs in parts, each a sum of its own, so that a GPU's many processors share them. */
function inParts(launchGroup: LaunchGroup): readonly LaunchGroup[] {
  const sums: CudaInstruction[] = [];
  const cut = launchGroup.map((o): CudaInstruction => {
    if (
      o.kind !== "product" ||
      o.active ||
      o.factor ||
      !o.out ||
      launchGroup.some((each) => each !== o && (continues(o, each) || continues(each, o)))
    )
      return o;
    const tiles = Math.ceil(o.rows / tile) * Math.ceil(o.columns / tile);
    const isFleeting = operandsOf(o).some(({ buffer }) => buffer.isFleeting);
    const enough = enoughTiles[isFleeting ? "fleeting" : "kept"];
    const wanted = Math.min(Math.floor(o.depth / leastPartDepth), Math.floor(enough / tiles));
    if (wanted < 2) return o;
    const partDepth = depthStep * Math.ceil(o.depth / wanted / depthStep);
    const parts = Math.ceil(o.depth / partDepth);
    const all: Matrix = { rows: parts * o.rows, columns: o.columns };
    const lines = (all.rows * rowLength(layout, all.columns)) / layout.lineFloats;
    const x = { buffer: { lines, ...(isFleeting && ({ isFleeting } as const)) }, line: 0 };
    const { rows, columns, initial, initialRow, out } = o;
    sums.push({ kind: "sumParts", x, initial, out, parts, rows, columns, initialRow, firstBlock: 0 });
    return { ...o, initial: undefined, out: x, parts, partDepth };
  });
  return sums.length === 0 ? [cut] : [cut, sums];
}

/** What is launched, in order; buffers for which `isKept` holds are written even if nothing reads them. */
export const fuse = (instructions: readonly Instruction[], isKept: (operand: Operand) => boolean): readonly LaunchGroup[] =>
  launchGroupsOf(withEpilogues(translate(instructions), isKept)).flatMap(inParts);

/** Operands of a launch that are in temporary buffers. */
export const temporaryOperandsOf = (launchGroup: LaunchGroup): readonly Operand[] =>
  launchGroup.flatMap((each) => temporaryOperands(cudaFields, each));
