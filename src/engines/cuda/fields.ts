/**
 * What the kernels are given: the operands of each kind of launch, and how many of a
 * kind one launch takes. Most are the lowering's instructions as they are; products
 * and attention are fused and split here. What each computes stands at its kernel.
 */
import { instructionFields, instructionStructs, typeName, type InstructionIn, type InstructionOf } from "../lowered/instructions.ts";
import type { RowLayout } from "../lowered/memory.ts";

/** Lines of 128 bytes, which is what a warp reads at once. */
export const layout: RowLayout = { lineFloats: 32, crowdedLines: Infinity };

const { matrixProduct, attentionBackward, adamw, squareSums, momentum, scaleElements, plusIdentity, muon, ...unchanged } =
  instructionFields;

export const cudaFields = {
  ...unchanged,
  product: {
    buffers: [...matrixProduct.buffers, "factor", "active", "derivative"],
    numbers: [...matrixProduct.numbers, "parts", "partDepth", "next", "firstBlock"],
  },
  sumParts: { buffers: ["x", "initial", "out"], numbers: ["parts", "rows", "columns", "initialRow", "firstBlock"] },
  attentionQueries: { buffers: ["query", "key", "value", "out", "stats", "dOut", "means", "dQuery"], numbers: attentionBackward.numbers },
  attentionKeys: { buffers: ["query", "key", "value", "stats", "dOut", "means", "dKey", "dValue"], numbers: attentionBackward.numbers },
  adamw: { buffers: adamw.buffers, numbers: [...adamw.numbers, "firstBlock"] },
  squareSums: { buffers: squareSums.buffers, numbers: [...squareSums.numbers, "firstBlock"] },
  momentum: { buffers: momentum.buffers, numbers: [...momentum.numbers, "firstBlock"] },
  scaleElements: { buffers: scaleElements.buffers, numbers: [...scaleElements.numbers, "firstBlock"] },
  plusIdentity: { buffers: plusIdentity.buffers, numbers: [...plusIdentity.numbers, "firstBlock"] },
  muon: { buffers: muon.buffers, numbers: [...muon.numbers, "firstBlock"] },
  advance: { buffers: [], numbers: ["padding"] },
} as const;

export type CudaKind = keyof typeof cudaFields;
export type CudaInstruction = InstructionIn<typeof cudaFields>;
export type CudaInstructionOf<K extends CudaKind> = InstructionOf<typeof cudaFields, K>;

/**
 * Kinds of which one launch takes several, and how many: kernels have 4 KB for parameters, and Muon's matrices that go
 * through its steps together, as many as products, have memory of their own.
 */
export const groupSizes = {
  ...{ product: 8, sumParts: 8, normGradients: 3, adamw: 64 },
  ...{ squareSums: 64, normFactor: 8, momentum: 8, scaleElements: 8, plusIdentity: 8, muon: 8 },
} as const satisfies Partial<Record<CudaKind, number>>;

/** The C header that belongs to the tables. */
export function cudaHeader(): string {
  return [
    "/* Made from fields.ts. */",
    "#pragma once",
    "#include <stdint.h>",
    `#define LINE ${layout.lineFloats}`,
    ...instructionStructs(cudaFields),
    ...Object.entries(groupSizes).map(
      ([kind, most]) => `typedef struct {\n  int32_t count;\n  ${typeName(kind)} each[${most}];\n} ${typeName(kind)}Group;`,
    ),
    "",
  ].join("\n");
}
