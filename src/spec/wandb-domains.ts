/** What W&B draws a parameter from, as a domain of a spec. Source: W&B's documentation, "Sweep configuration options". */

/** A mapping of a file. */
export type Mapping = Readonly<Record<string, unknown>>;
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** What one parameter's values are here, with what is to be said of it; or why they are nothing. */
export type Translated = { readonly domain: Mapping; readonly note?: string } | { readonly reason: string };

interface Range {
  readonly distribution: string;
  /** What a bound is as a value. */
  readonly of?: (bound: number) => number;
  /** What is to be said of bounds that are none. */
  readonly note?: (min: number, max: number) => string;
  /** Whether W&B rounds values to multiples of `q`, which is 1 unless given. */
  readonly quantized?: boolean;
}

/** What is computed has no more digits than anybody means. */
const digits = 6;

const range =
  ({ distribution, of, note, quantized = false }: Range) =>
  ({ min, max, q }: Mapping): Translated => {
    if (!isNumber(min) || !isNumber(max)) return { reason: "its min and max are no numbers" };
    if (min > max) return { reason: `its min ${min} is above its max ${max}` };
    const bounds =
      of === undefined ? [min, max] : [of(min), of(max)].sort((a, b) => a - b).map((bound) => Number(bound.toPrecision(digits)));
    const notes = [
      ...(note === undefined ? [] : [note(min, max)]),
      ...(quantized ? [`values are not rounded to multiples of ${isNumber(q) ? q : 1}`] : []),
    ];
    return { domain: { distribution, min: bounds[0], max: bounds[1] }, ...(notes.length > 0 && { note: notes.join("; ") }) };
  };
const exponents: Range = {
  distribution: "log_uniform",
  of: Math.exp,
  note: (min, max) => `W&B's log_uniform has exponents: e^${min} to e^${max}, to ${digits} digits`,
};
const inverse: Range = {
  distribution: "log_uniform",
  of: (bound) => Math.exp(-bound),
  note: (min, max) => `1 / e^${max} to 1 / e^${min}, to ${digits} digits`,
};
const listed = ({ values, probabilities }: Mapping): Translated =>
  Array.isArray(values) && values.length > 0 && values.every(isNumber)
    ? { domain: { values: [...new Set(values)] }, ...(probabilities !== undefined && { note: "values of a list are drawn equally often" }) }
    : { reason: "its values are no numbers" };
const fixed = ({ value }: Mapping): Translated =>
  ["number", "string", "boolean"].includes(typeof value)
    ? { domain: { value } }
    : { reason: "its value is neither number, word nor true or false" };
const none =
  (name: string, advice = "") =>
  (): Translated => ({ reason: `there is no ${name} distribution here: give min and max${advice}` });
const normal = none("normal", ", such as two σ on either side of μ");

const distributions: Readonly<Record<string, (parameter: Mapping) => Translated>> = {
  ...{ constant: fixed, categorical: listed, categorical_w_probabilities: listed },
  int_uniform: range({ distribution: "int_uniform" }),
  uniform: range({ distribution: "uniform" }),
  q_uniform: range({ distribution: "uniform", quantized: true }),
  log_uniform: range(exponents),
  q_log_uniform: range({ ...exponents, quantized: true }),
  log_uniform_values: range({ distribution: "log_uniform" }),
  q_log_uniform_values: range({ distribution: "log_uniform", quantized: true }),
  inv_log_uniform: range(inverse),
  inv_log_uniform_values: range({ distribution: "log_uniform" }),
  ...{ normal, q_normal: normal, log_normal: normal, q_log_normal: normal },
  ...{ beta: none("beta"), q_beta: none("beta") },
};

/** What a parameter says beside its domain, and no note tells of. */
function unused({ distribution, ...parameter }: Mapping, domain: Mapping): readonly string[] {
  const told = [
    ...Object.keys(domain),
    ...(String(distribution).startsWith("q_") ? ["q"] : []),
    ...("values" in domain ? ["probabilities"] : []),
  ];
  return Object.keys(parameter).filter((key) => !told.includes(key));
}

/** A parameter's domain; `isWhole` tells of min and max whether they are written as whole numbers. */
export function translated(parameter: Mapping, isWhole: (key: "min" | "max") => boolean): Translated {
  const found = domainOf(parameter, isWhole);
  if ("reason" in found) return found;
  const left = unused(parameter, found.domain);
  const notes = [...(found.note === undefined ? [] : [found.note]), ...(left.length > 0 ? [`without its ${left.join(", ")}`] : [])];
  return notes.length > 0 ? { ...found, note: notes.join("; ") } : found;
}

function domainOf(parameter: Mapping, isWhole: (key: "min" | "max") => boolean): Translated {
  const { distribution, value, values, min, max } = parameter;
  if (distribution !== undefined) {
    if (typeof distribution !== "string") return { reason: "its distribution is no word" };
    return Object.hasOwn(distributions, distribution)
      ? distributions[distribution](parameter)
      : { reason: `W&B has no distribution ${distribution}` };
  }
  if (value !== undefined) return fixed(parameter);
  if (values !== undefined) return listed(parameter);
  if (min === undefined && max === undefined) return { reason: "it says neither value, values nor a range" };
  // W&B draws whole numbers between whole bounds, and 1.0 is none.
  return distributions[isWhole("min") && isWhole("max") ? "int_uniform" : "uniform"](parameter);
}
