/** The models whose coordinate checks are replayed: right rules at several sizes and multipliers, and each rule broken on purpose. */
import { brokenRules } from "../../test/support/broken-rules.ts";
import type { Regime } from "../../src/training/coordinates.ts";
import type { Hyperparameters, Role } from "../../src/parametrization/roles.ts";
import type { DepthExponents, Exponents } from "../../src/parametrization/table.ts";

/** One family of models, how many seeds of each are trained, and what is broken. */
export interface Setting {
  readonly name: string;
  readonly spec: string;
  readonly axis: "width" | "depth";
  readonly sizes: readonly number[];
  readonly seeds: number;
  readonly rules?: readonly [Role, Partial<Exponents>];
  readonly depthRules?: Partial<DepthExponents>;
  /** The only regime that is trained: where the broken rule shows. */
  readonly only?: Regime;
  /** What a verdict of FAIL shall point at. */
  readonly blame?: string;
}

interface SpecParts {
  readonly base?: number;
  readonly layers?: number;
  readonly biases?: boolean;
  readonly parametrization?: "mup" | "completep";
  readonly values?: Hyperparameters;
}
function specOf({ base = 32, layers = 2, biases = false, parametrization = "mup", values = {} }: SpecParts): string {
  const parameters = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
  return `name: coordinates
data: {source: moby-dick, tokenizer: characters}
parametrization: ${parametrization}
model: {layers: ${layers}, biases: ${biases}}
width: {base: ${base}, proxy: ${base}, target: ${4 * base}}
search: {trials: 2, parameters: ${JSON.stringify(parameters)}}
`;
}

const [narrow, usual, depths] = [
  [32, 64, 128, 256],
  [64, 128, 256, 512],
  [4, 8, 16, 32],
];
const ofWidth = (name: string, parts: SpecParts, seeds: number, sizes = narrow): Setting => ({
  ...{ name, spec: specOf(parts), axis: "width", sizes, seeds },
});
const stated = (values: Hyperparameters, seeds: number): Setting =>
  ofWidth(
    `right, ${Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
    { values },
    seeds,
  );

const right: readonly Setting[] = [
  ofWidth("right, base 16", { base: 16 }, 20, usual),
  ofWidth("right, base 64", { base: 64 }, 10, usual),
  ofWidth("right, base 256", { base: 256 }, 10, usual),
  ofWidth("right, narrow, with biases", { biases: true }, 40),
  { ...ofWidth("right, depth", { parametrization: "completep" }, 20, depths), axis: "depth" },
  { ...ofWidth("right, depth, with biases", { parametrization: "completep", biases: true }, 10, depths), axis: "depth" },
  ofWidth("right, narrower than is judged", {}, 20, [16, 32, 64, 128]),
  { ...ofWidth("right, shallower than is judged", { parametrization: "completep" }, 20, [2, 4, 8, 16]), axis: "depth" },
  stated({ output_multiplier: 0.0625 }, 10),
  stated({ output_multiplier: 0.25 }, 10),
  stated({ output_multiplier: 16 }, 8),
  stated({ output_multiplier: 256 }, 8),
  stated({ attention_multiplier: 0.25 }, 10),
  stated({ attention_multiplier: 16 }, 10),
  stated({ attention_multiplier: 60 }, 10),
  stated({ init_std: 0.5 }, 8),
  stated({ init_std: 2 }, 8),
  stated({ init_std: 4 }, 8),
  stated({ embedding_std: 4 }, 8),
  stated({ input_multiplier: 16 }, 8),
];

const names: { readonly [Q in keyof Exponents]: string } = {
  multiplier: "multiplier",
  initStd: "init_std",
  learningRate: "learning_rate",
  weightDecay: "weight_decay",
  epsilon: "epsilon",
};
const shownIn = { multiplier: "adam", initStd: "adam", learningRate: "adam", weightDecay: "decay", epsilon: "epsilon" } as const satisfies {
  readonly [Q in keyof Exponents]: Regime;
};
const broken = brokenRules.map(([role, quantity, exponent]): Setting => ({
  ...ofWidth(`broken, ${role} ${names[quantity]} to the power ${exponent}`, { biases: true }, 10),
  rules: [role, { [quantity]: exponent }],
  only: shownIn[quantity],
  blame: `${role} × `,
}));
const brokenDepth = (
  [
    ["residual", 0, "residual × multiplier"],
    ["residual", -0.5, "blocks × learning_rate, or residual × multiplier"],
    ["learningRate", -1, "blocks × learning_rate"],
    ["epsilon", 0, "blocks × epsilon"],
  ] as const
).map(([quantity, exponent, blame]): Setting => ({
  ...ofWidth(`broken, depth, ${quantity} to the power ${exponent}`, { parametrization: "completep" }, 10, depths),
  axis: "depth",
  depthRules: { [quantity]: exponent },
  blame,
}));

/** All families, right ones first. */
export const settings: readonly Setting[] = [...right, ...broken, ...brokenDepth];
