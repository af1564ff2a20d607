/** Loss against learning rate at several widths: whether the optimum stays where it is. One seed is always inconclusive. */
import { curves, type Spec } from "mutransfer";
import { spec } from "./spec.ts";

const compared = {
  ...spec,
  search: { parameters: { ...fixedDefaults(), learning_rate: spec.search.parameters.learning_rate } },
  curves: { widths: [16, 32], learning_rates: { min: 0.01, max: 0.1, count: 4 }, seeds: 1, parametrizations: ["mup"] },
} satisfies Spec;

/** Curves vary the learning rate only. */
function fixedDefaults() {
  return {
    init_std: { value: 1 },
    embedding_std: { value: 1 },
    output_multiplier: { value: 1 },
  } as const;
}

const { record } = await curves(compared, { out: "runs/curves" });
for (const { parametrization, verdict, curves: measured } of record.families)
  console.log(`${parametrization}: ${verdict}, ${measured.map(({ size }) => size).join(" and ")}`);
