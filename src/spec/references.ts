/**
 * Ties (`same_as`) and conditions (`when`) between hyperparameters: what values each can
 * reach through them, and every reference that leads nowhere or where it must not.
 */
import { doesTransfer, optional, type HyperparameterName, type OptionalName, type TransferableName } from "../parametrization/roles.ts";
import { isFree, valuesOf, levelsOf, type Domain, type Space } from "../search/space.ts";
import { bounds } from "./bounds.ts";
import type { defaultsOf } from "./defaults.ts";
import { nearest, type Finding } from "./diagnose.ts";
import type { HyperparameterDomain } from "./schema.ts";

type Given = Partial<Record<HyperparameterName, HyperparameterDomain | undefined>>;

/** Lowest value each hyperparameter may take; `open` excludes the bound itself. */
export const lowestAllowed: Readonly<Record<HyperparameterName, { readonly bound: number; readonly open: boolean }>> = {
  learning_rate: { bound: 0, open: true },
  init_std: { bound: 0, open: false },
  embedding_std: { bound: 0, open: false },
  input_multiplier: { bound: 0, open: true },
  output_multiplier: { bound: 0, open: true },
  attention_multiplier: { bound: 0, open: true },
  embedding_learning_rate: { bound: 0, open: true },
  norm_learning_rate: { bound: 0, open: true },
  muon_learning_rate: { bound: 0, open: true },
  weight_decay: { bound: 0, open: false },
};
/** Whether a value is below the lowest that a hyperparameter may take. */
export const isBelow =
  (name: HyperparameterName) =>
  (value: number): boolean =>
    lowestAllowed[name].open ? value <= lowestAllowed[name].bound : value < lowestAllowed[name].bound;

type Defaults = ReturnType<typeof defaultsOf>;
/** Hyperparameters that a spec's space does not name, as domains. */
export const fixedSpace = (
  defaults: Defaults,
): Readonly<Record<TransferableName, HyperparameterDomain> & Partial<Record<OptionalName, HyperparameterDomain>>> =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, { value }])) as Record<TransferableName, HyperparameterDomain>;

/** The whole space of a spec that names some of its hyperparameters. */
export const spaceOf = (given: Given, defaults: Defaults): Space => ({
  ...fixedSpace(defaults),
  ...Object.fromEntries(Object.entries(given).flatMap(([name, parameter]) => (parameter ? [[name, parameter]] : []))),
});

/** Names that a domain refers to, each with its path below the domain. */
function referencesOf(domain: Domain): readonly { readonly to: string; readonly path: readonly string[]; readonly at: "key" | "value" }[] {
  if ("same_as" in domain) return [{ to: domain.same_as, path: ["same_as"], at: "value" }];
  return isFree(domain) ? Object.keys(domain.when ?? {}).map((to) => ({ to, path: ["when", to], at: "key" })) : [];
}

/** Names from `name` back to itself along references, or undefined. */
function cycleFrom(space: Space, name: string, path: readonly string[] = [name]): readonly string[] | undefined {
  for (const { to } of Object.hasOwn(space, name) ? referencesOf(space[name]) : []) {
    if (to === path[0]) return [...path, to];
    const further = path.includes(to) ? undefined : cycleFrom(space, to, [...path, to]);
    if (further !== undefined) return further;
  }
  return undefined;
}

/** Smallest value and, where they can be listed, all values that a name may have; without cycles only. */
function reachOf(space: Space, name: string): { readonly values: readonly number[] | undefined; readonly smallest: number } {
  const domain = space[name];
  if ("same_as" in domain) return reachOf(space, domain.same_as);
  if ("value" in domain) return { values: [domain.value], smallest: domain.value };
  const other = domain.otherwise === undefined ? [] : [domain.otherwise];
  const values = levelsOf(domain) <= bounds.trials ? [...(valuesOf(domain) ?? []), ...other] : undefined;
  return { values, smallest: Math.min(...("values" in domain ? domain.values : [domain.min]), ...other) };
}

/** Everything wrong with ties and conditions. */
export function referenceFindings(given: Given, defaults: Defaults): readonly Finding[] {
  const space = spaceOf(given, defaults);
  const names = (Object.keys(given) as HyperparameterName[]).filter((name) => given[name] !== undefined);
  const broken = names.flatMap((name) => brokenReferences(space, name));
  // What values are reached can be told of sound references only.
  return broken.length > 0 ? broken : names.flatMap((name) => wrongReach(space, name));
}

function brokenReferences(space: Space, name: HyperparameterName): readonly Finding[] {
  const domain = space[name];
  const path = ["search", "parameters", name];
  const references = referencesOf(domain);
  const cycle = cycleFrom(space, name);
  const near = (to: string): string | undefined => nearest(to, Object.keys(space));
  return [
    ...references
      .filter(({ to }) => !Object.hasOwn(space, to))
      .map(({ to, path: below, at }): Finding => {
        const meant = near(to);
        const known = Object.hasOwn(optional, to) ? optional[to as OptionalName] : undefined;
        return {
          code: "unknown_parameter",
          path: [...path, ...below],
          at,
          message: `${to} is not among the hyperparameters of this search`,
          hint:
            known !== undefined
              ? `add ${to}: {value: ${known.default}}, or values to search`
              : meant === undefined
                ? `it has: ${Object.keys(space).join(", ")}`
                : `did you mean ${meant}?`,
        };
      }),
    ...(cycle === undefined
      ? []
      : [
          {
            code: "cyclic_reference",
            path: [...path, ...(references.find(({ to }) => to === cycle[1])?.path ?? [])],
            message: `${name} depends on itself: ${cycle.join(" → ")}`,
            hint: "give one of them values of its own",
          },
        ]),
    ...(isFree(domain) && (domain.when === undefined) !== (domain.otherwise === undefined)
      ? [
          {
            code: "condition_incomplete",
            path: [...path, domain.when === undefined ? "otherwise" : "when"],
            message:
              domain.when === undefined
                ? "`otherwise` says nothing without `when`"
                : `${name} has no value for the case that \`when\` does not hold`,
            hint: domain.when === undefined ? "remove it, or add when: {other_hyperparameter: [values]}" : "add `otherwise: value`",
          },
        ]
      : []),
  ];
}

function wrongReach(space: Space, name: HyperparameterName): readonly Finding[] {
  const domain = space[name];
  const path = ["search", "parameters", name];
  if ("same_as" in domain) {
    const { smallest } = reachOf(space, name);
    const { bound, open } = lowestAllowed[name];
    const untransferable = !doesTransfer(domain.same_as) && doesTransfer(name);
    return [
      ...(untransferable
        ? [
            {
              code: "tied_to_untransferable",
              path: [...path, "same_as"],
              message: `${domain.same_as} does not transfer to the target, so what is tied to it would not either`,
              hint: `tie ${domain.same_as} to ${name} instead, or give ${name} values of its own`,
            },
          ]
        : []),
      ...(isBelow(name)(smallest)
        ? [
            {
              code: "out_of_range",
              path: [...path, "same_as"],
              message: `${name} must be ${open ? ">" : "at least"} ${bound}, and ${domain.same_as} may be ${smallest}`,
            },
          ]
        : []),
    ];
  }
  return !isFree(domain)
    ? []
    : Object.entries(domain.when ?? {}).flatMap(([to, listed = []]): Finding[] => {
        const { values } = reachOf(space, to);
        const never = values === undefined ? listed : listed.filter((value) => !values.includes(value));
        return never.length > 0
          ? [
              {
                code: "condition_never_holds",
                path: [...path, "when", to],
                message:
                  values === undefined
                    ? `${to} is drawn from a range: it has the values ${listed.join(", ")} hardly ever`
                    : `${to} is never ${never.join(" or ")}`,
                hint: values === undefined ? `give ${to} as a list of values` : `it may be ${values.slice(0, 12).join(", ")}`,
              },
            ]
          : [];
      });
}
