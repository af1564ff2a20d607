/** The search methods by name. Each decides which points of a space a sweep tries; see designer.ts for the contract. */
import type { Designer, DesignerOptions } from "./designer.ts";
import { expectedImprovementDesigner } from "./expected-improvement.ts";
import { gridDesigner } from "./grid.ts";
import { randomDesigner } from "./random.ts";
import { sobolDesigner } from "./sobol.ts";
import { tpeDesigner } from "./tpe.ts";

/** The search methods by the names that specs have. */
export const methodNames = ["random", "grid", "sobol", "tpe", "gp"] as const;
/** A search method by the name that specs have for it. */
export type MethodName = (typeof methodNames)[number];

interface DesignerEntry {
  readonly make: (options: DesignerOptions) => Designer;
  /** Whether what it suggests depends on what it has observed; otherwise suggest(a) and suggest(b) give what suggest(a + b) does. */
  readonly learns: boolean;
  readonly meaning: string;
}

/** Every search method, by name. */
export const designers: { readonly [M in MethodName]: DesignerEntry } = {
  random: { make: randomDesigner, learns: false, meaning: "independent random draws" },
  grid: { make: gridDesigner, learns: false, meaning: "every combination of the listed values" },
  sobol: { make: sobolDesigner, learns: false, meaning: "scrambled Sobol points, which cover the space more evenly than random ones" },
  tpe: {
    make: tpeDesigner,
    learns: true,
    meaning: "tree-structured Parzen estimator: more of what lies where good trials are denser than bad ones",
  },
  gp: { make: expectedImprovementDesigner, learns: true, meaning: "Gaussian process: the expected improvement of a model of the loss" },
};
