/**
 * Rules between keys, each of which reports everything it finds. They run on
 * whatever part of the spec is valid, so that one mistake does not hide another.
 */
import type { HyperparameterName } from "../parametrization/roles.ts";
import type { Finding } from "./diagnose.ts";
import { maxTrials, type ParameterSpec, type ParsedSpec } from "./schema.ts";

type Partially<T> = T extends readonly unknown[] | string | number | boolean | undefined
  ? T
  : { readonly [K in keyof T]?: Partially<T[K]> | undefined };
export type PartialSpec = Partially<Omit<ParsedSpec, "search" | "data">> & {
  readonly data?: Partial<ParsedSpec["data"]>;
  readonly search?: {
    readonly method?: "random" | "grid";
    readonly trials?: number;
    readonly parameters?: Partial<Record<HyperparameterName, ParameterSpec | undefined>>;
  };
};
type Rule = (spec: PartialSpec) => readonly Finding[];

/** Why a hyperparameter's optimum on a proxy says nothing about the target. */
export const notTransferable: ReadonlyMap<string, string> = new Map([
  ["weight_decay", "the best weight decay depends on model and data size, so a proxy's does not transfer to the target"],
  ["dropout", "the best dropout depends on model and data size, so a proxy's does not transfer to the target; this model has none"],
]);

/** Lowest value each hyperparameter may take; `open` excludes the bound itself. */
const lowest: Readonly<Record<HyperparameterName, { readonly bound: number; readonly open: boolean }>> = {
  learning_rate: { bound: 0, open: true },
  init_std: { bound: 0, open: false },
  embedding_std: { bound: 0, open: false },
  input_multiplier: { bound: 0, open: true },
  output_multiplier: { bound: 0, open: true },
  attention_multiplier: { bound: 0, open: true },
  weight_decay: { bound: 0, open: false },
};

const entries = (spec: PartialSpec): readonly (readonly [HyperparameterName, ParameterSpec])[] =>
  Object.entries(spec.search?.parameters ?? {}).flatMap(([name, parameter]) =>
    parameter ? [[name as HyperparameterName, parameter] as const] : [],
  );

/** Number of distinct sets a space holds; Infinity with a continuous range. */
export function spaceSize(parameters: readonly ParameterSpec[]): number {
  return parameters.reduce((product, parameter) => {
    if ("value" in parameter) return product;
    if ("values" in parameter) return product * new Set(parameter.values).size;
    return parameter.distribution === "int_uniform" ? product * (Math.floor(parameter.max) - Math.ceil(parameter.min) + 1) : Infinity;
  }, 1);
}

const widthRule: Rule = ({ width, model }) =>
  (["base", "proxy", "target"] as const).flatMap((key) => {
    const [size, headDim, ratio] = [width?.[key], model?.head_dim, model?.mlp_ratio];
    const findings: Finding[] = [];
    if (size !== undefined && headDim !== undefined && size % headDim !== 0) {
      const near = Math.max(headDim, Math.round(size / headDim) * headDim);
      findings.push({
        code: "width_not_divisible",
        path: ["width", key],
        message: `head_dim ${headDim} does not divide the ${key} width ${size}`,
        hint: `heads = width / head_dim; the nearest width is ${near}`,
      });
    }
    if (size !== undefined && ratio !== undefined && !Number.isInteger(size * ratio)) {
      findings.push({
        code: "mlp_not_integer",
        path: ["model", "mlp_ratio"],
        message: `mlp_ratio ${ratio} × ${key} width ${size} is ${size * ratio}, no whole number`,
        hint: "rounding it would break the width ratio that μP scales by",
      });
    }
    return findings;
  });

const targetRule: Rule = ({ width }) =>
  width?.proxy !== undefined && width.target !== undefined && width.target < width.proxy
    ? [
        {
          code: "target_smaller_than_proxy",
          path: ["width", "target"],
          message: `the target width ${width.target} is smaller than the proxy width ${width.proxy}`,
          hint: "proxies are the small models; are the two swapped?",
        },
      ]
    : [];

const tokenizerRule: Rule = ({ data }) =>
  typeof data?.source === "object" && "tokens" in data.source && data.tokenizer !== undefined
    ? [
        {
          code: "tokenizer_unused",
          path: ["data", "tokenizer"],
          message: "token files have their tokenizer behind them",
          hint: "remove data.tokenizer",
        },
      ]
    : [];

const rangeRule: Rule = (spec) =>
  entries(spec).flatMap(([name, parameter]): Finding[] => {
    if (!("distribution" in parameter)) return [];
    const { distribution, min, max } = parameter;
    const path = ["search", "parameters", name] as const;
    if (distribution === "log_uniform" && min <= 0) {
      const exponents = min < 0 && max <= 10;
      return [
        {
          code: "log_bound_not_positive",
          path: [...path, "min"],
          message: `a log_uniform bound must be > 0, found ${min}`,
          hint: exponents ? `bounds are real values, never exponents: did you mean ${10 ** min}?` : "use uniform for a range that holds 0",
        },
      ];
    }
    if (min >= max)
      return [
        {
          code: "empty_range",
          path: [...path, "max"],
          message: `max ${max} is not above min ${min}`,
          hint: min === max ? `use {value: ${min}}` : "are the two swapped?",
        },
      ];
    if (distribution === "int_uniform" && Math.ceil(min) > Math.floor(max))
      return [{ code: "empty_range", path: [...path, "max"], message: `there is no integer between ${min} and ${max}` }];
    return [];
  });

const valueRule: Rule = (spec) =>
  entries(spec).flatMap(([name, parameter]): Finding[] => {
    const { bound, open } = lowest[name];
    const key = "value" in parameter ? "value" : "values" in parameter ? "values" : "min";
    const values = "value" in parameter ? [parameter.value] : "values" in parameter ? parameter.values : [parameter.min];
    const path = ["search", "parameters", name, key] as const;
    const bad = values.filter((value) => (open ? value <= bound : value < bound));
    const logBound = "distribution" in parameter && parameter.distribution === "log_uniform"; // rangeRule reports it
    const seen = new Set<number>();
    const repeated = values.filter((value) => seen.size === seen.add(value).size);
    return [
      ...(bad.length > 0 && !logBound
        ? [{ code: "out_of_range", path, message: `${name} must be ${open ? ">" : "at least"} ${bound}, found ${bad.join(", ")}` }]
        : []),
      ...(repeated.length > 0
        ? [
            {
              code: "duplicate_value",
              path,
              message: `${[...new Set(repeated)].join(", ")} is listed twice`,
              hint: "each value is tried on equal terms: list it once",
            },
          ]
        : []),
    ];
  });

const trialsRule: Rule = (spec) => {
  const { method, trials } = spec.search ?? {};
  const named = entries(spec);
  if (method === "grid") {
    const continuous = named.filter(([, parameter]) => "distribution" in parameter && parameter.distribution !== "int_uniform");
    if (continuous.length > 0 || spec.search?.parameters === undefined) {
      const where = continuous.length > 0 ? continuous.map(([name]) => ["search", "parameters", name]) : [["search", "method"]];
      return where.map((path) => ({
        code: "grid_needs_values",
        path,
        message: "a grid cannot list a continuous range",
        hint: "give it as `values: […]`, or use method: random",
      }));
    }
    const size = spaceSize(named.map(([, parameter]) => parameter));
    if (size > maxTrials)
      return [
        {
          code: "grid_too_large",
          path: ["search", "parameters"],
          message: `the grid has ${size} combinations, more than ${maxTrials}`,
          hint: "list fewer values, or use method: random with search.trials",
        },
      ];
    return trials !== undefined && trials !== size
      ? [
          {
            code: "grid_size",
            path: ["search", "trials"],
            message: `the grid has ${size} combinations, not ${trials}`,
            hint: "remove search.trials, or use method: random",
          },
        ]
      : [];
  }
  const size = spec.search?.parameters === undefined ? Infinity : spaceSize(named.map(([, parameter]) => parameter));
  return trials !== undefined && trials > size
    ? [
        {
          code: "too_many_trials",
          path: ["search", "trials"],
          message: `the space holds only ${size} distinct ${size === 1 ? "set" : "sets"}, fewer than ${trials} trials`,
          hint: "lower search.trials, or widen search.parameters",
        },
      ]
    : [];
};

const transferRule: Rule = (spec) =>
  entries(spec).flatMap(([name, parameter]): Finding[] => {
    const reason = notTransferable.get(name);
    if (reason !== undefined && parameter.transfers !== false) {
      return [
        {
          code: "not_transferable",
          path: ["search", "parameters", name],
          at: "key",
          message: `${name} cannot be tuned by transfer: ${reason}`,
          hint: `fix it in train.optimizer.${name}, or mark it \`transfers: false\` to search it on the proxies only`,
        },
      ];
    }
    if (reason === undefined && parameter.transfers === false) {
      return [
        {
          code: "transfers",
          path: ["search", "parameters", name, "transfers"],
          message: `${name} does transfer under μP`,
          hint: "remove transfers: false",
        },
      ];
    }
    return [];
  });

const rules: readonly Rule[] = [widthRule, targetRule, tokenizerRule, rangeRule, valueRule, trialsRule, transferRule];

/** Everything the rules find in the valid part of a spec. */
export function ruleFindings(spec: PartialSpec): readonly Finding[] {
  return rules.flatMap((rule) => rule(spec));
}
