/** The kernels' own text: what every form of them is made from, and the name of that text. */
import { digest, textsIn } from "../sources.ts";
import { instructionHeader } from "./header.ts";

/** Every source by name, with the header made from the instruction table. */
export const kernelSources = (): Readonly<Record<string, string>> => ({
  ...textsIn("src/engines/native/kernels"),
  "instructions.h": instructionHeader(),
});

/** Changes whenever a kernel does. */
export const sourcesDigest = (): string => digest(JSON.stringify(kernelSources())).slice(0, 8);

/** Flags of every build; what it is built for comes after them. */
export const commonFlags: readonly string[] = [
  ...["-O3", "-std=gnu11", "-fvisibility=hidden"],
  // Sums keep their order; only a·b + c may become one operation, and √ needs no errno.
  ...["-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"],
];
