/**
 * Rules between keys, each of which reports everything it finds. They run on
 * whatever part of the spec is valid, so that one mistake does not hide another.
 */
import type { HyperparameterName } from "../parametrization/roles.ts";
import { spaceSize } from "../search/space.ts";
import { architectureOf } from "./architecture.ts";
import { blockFindings, groupFindings, trainingFindings } from "./block-rules.ts";
import { bounds } from "./bounds.ts";
import { defaultsOf } from "./defaults.ts";
import type { Finding } from "./diagnose.ts";
import { exponentHint } from "./exponents.ts";
import { untransferableFinding } from "./not-transferable.ts";
import { isBelow, lowestAllowed, referenceFindings, spaceOf } from "./references.ts";
import type { PartialSpec } from "./partial.ts";
import type { HyperparameterDomain } from "./schema.ts";

type Rule = (spec: PartialSpec) => readonly Finding[];

const entries = (spec: PartialSpec): readonly (readonly [HyperparameterName, HyperparameterDomain])[] =>
  Object.entries(spec.search?.parameters ?? {}).flatMap(([name, parameter]) =>
    parameter ? [[name as HyperparameterName, parameter] as const] : [],
  );

/** Whether a number is whole but for the rounding of its factors: 50 × 2.2 is 110.00000000000001. */
const isWhole = (value: number): boolean => Math.abs(value - Math.round(value)) <= 1e-9 * Math.abs(value);

const widthRule: Rule = ({ width, model }) =>
  (["base", "proxy", "target"] as const).flatMap((key) => {
    const [size, headDim] = [width?.[key], model?.head_dim];
    const ratio = model && architectureOf(model).mlp_ratio;
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
    if (size !== undefined && ratio !== undefined && !isWhole(size * ratio)) {
      findings.push({
        code: "mlp_not_integer",
        path: ["model", model?.mlp_ratio === undefined && model?.preset !== undefined ? "preset" : "mlp_ratio"],
        message: `mlp_ratio ${ratio} × ${key} width ${size} is ${size * ratio}, no whole number`,
        hint: "rounding it would break the width ratio that μP scales by",
      });
    }
    return [...findings, ...(model && size !== undefined ? groupFindings(model, size, ["width", key]) : [])];
  });

const blockRule: Rule = ({ model }) => (model === undefined ? [] : blockFindings(model));

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

const depthRule: Rule = ({ depth, model, parametrization }) => {
  if (depth === undefined) return [];
  const [proxy, target] = [depth.proxy ?? model?.layers, depth.target ?? model?.layers];
  const reversed = proxy !== undefined && target !== undefined && target < proxy;
  return [
    ...(parametrization !== "completep"
      ? [
          {
            code: "depth_without_rules",
            path: ["depth"],
            message: `under ${parametrization ?? "mup"} nothing follows the depth`,
            hint: "use parametrization: completep, or remove `depth`",
          },
        ]
      : []),
    ...(reversed
      ? [
          {
            code: "target_smaller_than_proxy",
            path: ["depth", depth.target === undefined ? "proxy" : "target"],
            message: `the target depth ${target} is smaller than the proxy depth ${proxy}`,
            hint: "proxies are the small models; are the two swapped?",
          },
        ]
      : []),
  ];
};

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
      return [
        {
          code: "log_bound_not_positive",
          path: [...path, "min"],
          message: `a log_uniform bound must be > 0, found ${min}`,
          hint: exponentHint({ min, max }) ?? "use uniform for a range that holds 0",
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
    if ("same_as" in parameter) return [];
    const { bound, open } = lowestAllowed[name];
    const key = "value" in parameter ? "value" : "values" in parameter ? "values" : "min";
    const values = "value" in parameter ? [parameter.value] : "values" in parameter ? parameter.values : [parameter.min];
    const path = ["search", "parameters", name, key] as const;
    const logBound = "distribution" in parameter && parameter.distribution === "log_uniform"; // rangeRule reports it
    const seen = new Set<number>();
    const repeated = values.filter((value) => seen.size === seen.add(value).size);
    const ends = "distribution" in parameter ? { min: parameter.min, max: parameter.max } : Object.fromEntries(values.entries());
    const exponents = values.length <= 16 ? exponentHint(ends) : undefined;
    const outOfRange = (where: typeof key | "otherwise", bad: readonly number[]): Finding[] =>
      bad.length > 0
        ? [
            {
              code: "out_of_range",
              path: ["search", "parameters", name, where],
              message: `${name} must be ${open ? ">" : "at least"} ${bound}, found ${bad.join(", ")}`,
              ...(exponents !== undefined && name === "learning_rate" && { hint: exponents }),
            },
          ]
        : [];
    const otherwise = "otherwise" in parameter && parameter.otherwise !== undefined ? [parameter.otherwise] : [];
    return [
      ...(logBound ? [] : outOfRange(key, values.filter(isBelow(name)))),
      ...outOfRange("otherwise", otherwise.filter(isBelow(name))),
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

const referenceRule: Rule = (spec) => referenceFindings(spec.search?.parameters ?? {}, defaultsOf(spec));

const trialsRule: Rule = (spec) => {
  const { method, trials } = spec.search ?? {};
  const named = entries(spec);
  // Ties and conditions that lead nowhere leave the size open; referenceRule reports them.
  const parameters = spec.search?.parameters;
  const sizeOf = (): number => (parameters === undefined ? Infinity : spaceSize(spaceOf(parameters, defaultsOf(spec))));
  if (referenceRule(spec).length > 0) return [];
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
    const size = sizeOf();
    if (size > bounds.trials)
      return [
        {
          code: "grid_too_large",
          path: ["search", "parameters"],
          message: `the grid has ${size} combinations, more than ${bounds.trials}`,
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
  const size = sizeOf();
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
    const path = ["search", "parameters", name];
    const refused = untransferableFinding(name, path, ", or mark it `transfers: false` to search it on the proxies only");
    if (refused !== undefined) return parameter.transfers === false ? [] : [refused];
    return parameter.transfers === false
      ? [
          {
            code: "transfers",
            path: [...path, "transfers"],
            message: `${name} does transfer under μP`,
            hint: "remove transfers: false",
          },
        ]
      : [];
  });

const curvesRule: Rule = ({ curves, model }) => {
  if (curves === undefined) return [];
  const { widths, depths, learning_rates: rates } = curves;
  const findings: Finding[] = (widths ?? []).flatMap((width, index) =>
    widthRule({ model, width: { target: width } }).map((finding) => ({ ...finding, path: ["curves", "widths", index] })),
  );
  if (widths !== undefined && depths !== undefined)
    findings.push({
      code: "curves_axis",
      path: ["curves"],
      message: "curves are over widths or over depths, and both are given",
      hint: "one figure shows one of them: keep `widths` or `depths`",
    });
  if (rates?.min !== undefined && rates.max !== undefined && rates.min >= rates.max)
    findings.push({
      code: "empty_range",
      path: ["curves", "learning_rates", "max"],
      message: `max ${rates.max} is not above min ${rates.min}`,
    });
  return findings;
};

/** Products of keys that must stay within bounds: what each is of, and the key to lower. */
const products: readonly {
  readonly code: string;
  readonly path: readonly string[];
  readonly what: string;
  readonly most: number;
  readonly of: (spec: PartialSpec) => readonly (number | undefined)[];
}[] = [
  {
    code: "step_too_large",
    path: ["train", "batch"],
    what: "tokens in a step (batch × context)",
    most: bounds.stepTokens,
    of: ({ train, model }) => [train?.batch, model?.context],
  },
  {
    code: "evaluation_too_large",
    path: ["train", "evaluate", "batches"],
    what: "tokens in an evaluation (batches × batch × context)",
    most: bounds.evaluationTokens,
    of: ({ train, model }) => [train?.evaluate?.batches, train?.batch, model?.context],
  },
  {
    code: "too_many_evaluations",
    path: ["train", "evaluate", "every"],
    what: "evaluations of each model (steps ÷ every)",
    most: bounds.evaluations,
    of: ({ train }) => [train?.steps, train?.evaluate?.every && 1 / train.evaluate.every],
  },
  {
    code: "too_many_trials",
    path: ["search", "confirm", "top"],
    what: "trainings that confirm (top × the most seeds)",
    most: bounds.trials,
    of: ({ search }) => (search?.confirm ? [search.confirm.top, search.confirm.most_seeds ?? search.confirm.seeds] : [0]),
  },
];

const productRule: Rule = (spec) =>
  products.flatMap(({ code, path, what, most, of }) => {
    const size = Math.floor(of(spec).reduce<number>((product, factor) => product * (factor ?? NaN), 1));
    return size > most ? [{ code, path, message: `${size} ${what}, and there can be ${most} at most` }] : [];
  });

const racingRule: Rule = ({ rules: version, search }) => {
  if (!search?.confirm || search.confirm.most_seeds === undefined) return [];
  const { seeds, most_seeds: most } = search.confirm;
  const path = ["search", "confirm", "most_seeds"];
  if (version === 1)
    return [{ code: "no_racing", path, message: "rules 1 add no seeds", hint: "remove `most_seeds`, or `rules: 1` with it" }];
  return most < seeds
    ? [{ code: "fewer_seeds_at_most", path, message: `${most} seeds at most are fewer than the ${seeds} that every trial gets` }]
    : [];
};

const rules: readonly Rule[] = [
  widthRule,
  blockRule,
  trainingFindings,
  targetRule,
  depthRule,
  tokenizerRule,
  rangeRule,
  valueRule,
  referenceRule,
  trialsRule,
  transferRule,
  curvesRule,
  racingRule,
  productRule,
];

/**
 * Hyperparameters that no training in float32 can tell from 0 or infinity. Of specs as they are written only: the
 * complete specs of older runs open whatever they hold.
 */
export function nonsenseFindings(spec: PartialSpec): readonly Finding[] {
  const { least, most } = bounds.hyperparameter;
  return entries(spec).flatMap(([name, parameter]): Finding[] => {
    const numbers: readonly (readonly [path: readonly (string | number)[], value: number])[] =
      "same_as" in parameter
        ? []
        : "value" in parameter
          ? [[["value"], parameter.value]]
          : [
              ...("values" in parameter
                ? parameter.values.map((value, index) => [["values", index], value] as const)
                : ([
                    [["min"], parameter.min],
                    [["max"], parameter.max],
                  ] as const)),
              ...(parameter.otherwise === undefined ? [] : [[["otherwise"], parameter.otherwise] as const]),
            ];
    return numbers
      .filter(([, value]) => value > most || (value > 0 && value < least))
      .map(([path, value]) => ({
        code: "out_of_range",
        path: ["search", "parameters", name, ...path],
        message: `${name} ${value} is beyond what training in float32 can use: ${value > most ? `${most} at most` : `${least} at least`}`,
      }));
  });
}

/** Everything the rules find in the valid part of a spec. */
export function ruleFindings(spec: PartialSpec): readonly Finding[] {
  return rules.flatMap((rule) => rule(spec));
}
