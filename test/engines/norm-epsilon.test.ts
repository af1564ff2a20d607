/**
 * The layer norm's ε stands in one place for TypeScript; kernels state it in their own text,
 * since their digest is part of what a run was made with. Here both are compared.
 */
import { describe, expect, it } from "vitest";
import { kernelSources as cudaSources } from "../../src/engines/cuda/sources.ts";
import { kernelSources as nativeSources } from "../../src/engines/native/sources.ts";
import { normEpsilon } from "../../src/program/ops.ts";

/** What is added to a variance under a root, in code and in comments: `sqrtf(… / width + 1e-5f)`, `√(variance + 1e-5)`. */
const inRoot = /(?:sqrtf?\(|√\()[^;\n]*?(?:variance|width) \+ ([^;)]+)\)/g;
const epsilonsIn = (text: string): readonly string[] => [...text.matchAll(inRoot)].map(([, epsilon]) => epsilon);
/** A number of C as a number, NaN for anything else. */
const valueOf = (literal: string): number => (/^[\d.]+(?:e[+-]?\d+)?f?$/i.test(literal) ? Number(literal.replace(/f$/i, "")) : NaN);

describe.each([
  ["C", nativeSources()],
  ["CUDA", cudaSources()],
])("kernels in %s", (_, sources) => {
  const texts = Object.entries(sources);

  it("add the program's ε to a norm's variance, in code and where a comment says so", () => {
    const found = texts.flatMap(([, text]) => epsilonsIn(text));
    expect(found.length).toBeGreaterThanOrEqual(2);
    expect(found.map(valueOf)).toEqual(found.map(() => normEpsilon));
  });

  it("have no norm that computes its ε in another form than is looked for here", () => {
    // Every function that norms rows says so in its name, and has one ε.
    const norms = texts.flatMap(([, text]) => [...text.matchAll(/\bnormalize\([^;{]*\{([^]*?)\n\}/g)].map(([, body]) => body));
    expect(norms.length).toBe(1);
    for (const body of norms) expect(epsilonsIn(body)).toHaveLength(1);
  });
});
