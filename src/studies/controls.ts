/**
 * The controls of a coordinate check: for every quantity whose rules it checks, the same
 * rules with those of this quantity broken, and nothing else.
 */
import type { Control } from "../evidence/coord-check.ts";
import type { Axis } from "../evidence/records.ts";
import type { Scaling } from "../parametrization/resolve.ts";
import type { Role } from "../parametrization/roles.ts";
import type { DepthExponents, Exponents, Rules } from "../parametrization/table.ts";

type Showing = Omit<Control, "broken">;

/** Where each quantity of the rules for width shows. */
const ofWidth: { readonly [Q in keyof Exponents]: Showing } = {
  initStd: { without: "init_std", regime: "adam", shows: "at the start" },
  multiplier: { without: "multiplier", regime: "adam", shows: "soon" },
  learningRate: { without: "learning_rate", regime: "adam", shows: "throughout" },
  epsilon: { without: "epsilon", regime: "epsilon", shows: "soon" },
  weightDecay: { without: "weight_decay", regime: "decay", shows: "soon" },
};

/** Where each quantity of the rules for depth shows. What decays in a step goes by the learning rate. */
const ofDepth: readonly (Showing & { readonly quantity: keyof DepthExponents })[] = [
  { quantity: "residual", without: "residual multiplier", regime: "adam", shows: "throughout" },
  { quantity: "learningRate", without: "learning_rate", regime: "adam", shows: "soon" },
  { quantity: "epsilon", without: "epsilon", regime: "epsilon", shows: "soon" },
  { quantity: "learningRate", without: "weight_decay", regime: "decay", shows: "soon" },
];

/** The controls of a parametrization's rules for width or depth; none where it has no such rules. */
export function controlsOf(axis: Axis, { rules, muon, depth }: Pick<Scaling, "rules" | "muon" | "depth">): readonly Control[] {
  if (axis === "width")
    return (Object.keys(ofWidth) as (keyof Exponents)[])
      .filter((quantity) => (muon && wrongUnderMuon[quantity]) || Object.values(rules).some((exponents) => exponents[quantity] !== 0))
      .map((quantity) => ({ ...ofWidth[quantity], broken: (scaling) => ({ ...scaling, rules: broken(scaling, quantity) }) }));
  return depth === undefined
    ? []
    : ofDepth.map(({ quantity, ...showing }) => ({ ...showing, broken: (scaling) => ({ ...scaling, ...brokenDepth(scaling, quantity) }) }));
}

/** What is right for hidden matrices under AdamW, where Muon's rule is that nothing follows the width. */
const wrongUnderMuon: Partial<Exponents> = { learningRate: -1, weightDecay: 1 };

/** The rules of one quantity are taken away; where that of hidden matrices is that there is none, it gets one. */
function broken({ rules, muon }: Scaling, quantity: keyof Exponents): Rules {
  const roles = Object.entries(rules) as (readonly [Role, Exponents])[];
  const wrong = (role: Role): number => (muon && role === "hidden" && wrongUnderMuon[quantity]) || 0;
  return Object.fromEntries(roles.map(([role, exponents]) => [role, { ...exponents, [quantity]: wrong(role) }])) as Rules;
}

/** A rule is taken away; where it says that nothing shall follow the depth, something does. */
function brokenDepth({ depth }: Scaling, quantity: keyof DepthExponents): Pick<Scaling, "depth"> {
  return depth === undefined ? {} : { depth: { ...depth, rules: { ...depth.rules, [quantity]: depth.rules[quantity] === 0 ? -1 : 0 } } };
}
