/**
 * From a W&B sweep to a spec: what has a counterpart is taken over, and comments say what was not, why, and what is to
 * be filled in. What foreign keys mean is foreign-keys.ts's business; the rest of the spec is the template's.
 */
import { parseDocument, type Document } from "yaml";
import { UserError } from "../errors.ts";
import { valueOf } from "../numbers.ts";
import { transferable } from "../parametrization/roles.ts";
import { parseSpecDocument } from "./document.ts";
import { meaningHint, meaningOf, valueMeaning } from "./foreign-keys.ts";
import { untransferableFinding } from "./not-transferable.ts";
import { formatFinding, toolFinding } from "./other-formats.ts";
import { specTemplate } from "./template.ts";

type Mapping = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Mapping => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** What one parameter's values are here, with what is to be said of it; or why they are nothing. */
type Translated = { readonly domain: Mapping; readonly note?: string } | { readonly reason: string };

const range =
  (distribution: string, of: (bound: number) => number, note?: (min: number, max: number) => string) =>
  ({ min, max, q }: Mapping): Translated => {
    if (!isNumber(min) || !isNumber(max)) return { reason: "its min and max are no numbers" };
    const bounds = [of(min), of(max)].sort((a, b) => a - b).map((bound) => Number(bound.toPrecision(4)));
    const notes = [note?.(min, max), isNumber(q) ? `values are not rounded to multiples of ${q}` : undefined];
    const told = notes.filter((each) => each !== undefined).join("; ");
    return { domain: { distribution, min: bounds[0], max: bounds[1] }, ...(told !== "" && { note: told }) };
  };
const same = (bound: number): number => bound;
const uniform = range("uniform", same);
const logUniform = range("log_uniform", same);
const integers = range("int_uniform", same);
const exponents = range("log_uniform", Math.exp, (min, max) => `W&B's log_uniform has exponents: e^${min} to e^${max}`);
const inverse = range(
  "log_uniform",
  (bound) => Math.exp(-bound),
  (min, max) => `1 / e^${max} to 1 / e^${min}`,
);
const listed = ({ values }: Mapping): Translated =>
  Array.isArray(values) && values.length > 0 && values.every(isNumber)
    ? { domain: { values: [...new Set(values)] } }
    : { reason: "its values are no numbers" };
const fixed = ({ value }: Mapping): Translated => (isNumber(value) ? { domain: { value } } : { reason: "its value is no number" });
const none = (): Translated => ({ reason: "there are no normal distributions here: give min and max, such as two σ on either side of μ" });

/** W&B's distributions. Source: its documentation, "Sweep configuration options". */
const distributions: Readonly<Record<string, (parameter: Mapping) => Translated>> = {
  constant: fixed,
  categorical: listed,
  categorical_w_probabilities: (parameter) => ({ note: "values of a list are drawn equally often", ...listed(parameter) }),
  ...{ int_uniform: integers, uniform, q_uniform: uniform },
  ...{ log_uniform: exponents, q_log_uniform: exponents, log_uniform_values: logUniform, q_log_uniform_values: logUniform },
  ...{ inv_log_uniform: inverse, inv_log_uniform_values: logUniform },
  ...{ normal: none, q_normal: none, log_normal: none, q_log_normal: none, beta: none, q_beta: none },
};

function translated(parameter: Mapping): Translated {
  const { distribution, value, values, min, max } = parameter;
  if (typeof distribution === "string")
    return distributions[distribution]?.(parameter) ?? { reason: `W&B has no distribution ${distribution}` };
  if (value !== undefined) return fixed(parameter);
  if (values !== undefined) return listed(parameter);
  if (min === undefined && max === undefined) return { reason: "it says neither value, values nor a range" };
  // W&B draws whole numbers between whole bounds.
  return Number.isInteger(min) && Number.isInteger(max) ? integers(parameter) : uniform(parameter);
}

/** Parameters by their names, those within others by dotted ones. */
function flattened(parameters: Mapping, prefix = ""): readonly (readonly [string, Mapping])[] {
  return Object.entries(parameters).flatMap(([name, value]): readonly (readonly [string, Mapping])[] => {
    if (!isMapping(value)) return [[prefix + name, { value }]];
    return isMapping(value["parameters"]) ? flattened(value["parameters"], `${prefix}${name}.`) : [[prefix + name, value]];
  });
}

const inSpace = "search.parameters.";
/** Where a parameter belongs in a spec, when its numbers mean the same there. */
function placeOf(name: string): string | undefined {
  if (Object.hasOwn(transferable, name)) return inSpace + name;
  const meaning = meaningOf(name);
  return meaning !== undefined && "here" in meaning && meaning.note === undefined ? meaning.here : undefined;
}

/** Why a parameter is not taken over. */
function refusalOf(name: string, found: Translated): string {
  if ("reason" in found) return found.reason;
  const refused = untransferableFinding(name, ["search", "parameters", name]);
  const meaning = meaningOf(name);
  if (refused !== undefined) return `${refused.message.replace(/^.*?: /, "")}; set it, if it is another than below`;
  return meaning === undefined ? "no such hyperparameter transfers" : meaningHint(meaning, ["search", "parameters", name]);
}

const allowedMethods = ["random", "grid", "sobol", "tpe", "gp"] as const;
const usualTrials = 16;

/** A spec from a W&B sweep's text, with comments; throws a UserError with what the file looks like when it is none. */
export function specFromSweep(text: string, file: string): string {
  const sweep = sweepOf(text, file);
  const document = parseDocument(specTemplate);
  const lost: string[] = [];
  const kept: string[] = [];
  const place = (path: string, value: unknown, from: string): void => {
    document.setIn(path.split("."), value);
    kept.push(`${from} is ${path}`);
  };
  document.deleteIn(["search", "parameters"]);
  document.setIn(["search", "parameters"], document.createNode({}));
  const named = sweep["name"];
  if (typeof named === "string") document.set("name", named.replace(/[^\w.-]+/g, "-").replace(/^[^\w]+/, "") || "from-wandb");
  for (const [name, parameter] of flattened(isMapping(sweep["parameters"]) ? sweep["parameters"] : {})) {
    const found = translated(parameter);
    const path = placeOf(name);
    const isFixed = !("reason" in found) && Object.hasOwn(found.domain, "value");
    if ("reason" in found || path === undefined || !(path.startsWith(inSpace) || isFixed)) {
      lost.push(`${name}: ${refusalOf(name, found)}`);
      continue;
    }
    place(path, path.startsWith(inSpace) ? document.createNode(found.domain, { flow: true }) : found.domain["value"], name);
    if (found.note !== undefined) kept.push(`${name}: ${found.note}`);
  }
  searchOf(sweep, document, kept, lost);
  for (const key of ["metric", "program", "command", "project", "entity", "description"])
    if (sweep[key] !== undefined) {
      const meaning = meaningOf(key);
      lost.push(`${key}: ${meaning !== undefined && "reason" in meaning ? meaning.reason : "it has no counterpart"}`);
    }
  const list = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [` ${title}`, ...lines.map((line) => `   ${line}`)];
  const head = [
    ` From the W&B sweep ${JSON.stringify(file)}.`,
    ...list("Taken over:", kept),
    ...list("Not taken over:", lost),
    " To be filled in: data, model, width and train, which are the template's where nothing above says otherwise.",
    ...(document.hasIn(["search", "parameters", "output_multiplier"])
      ? []
      : [" At small base widths the output multiplier decides: search it as well, log_uniform over 1 to 64."]),
  ];
  // A name may hold anything, and ends no comment.
  const comments = head.map((line) => `#${line.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")}`);
  return `${comments.join("\n")}\n${document.toString({ lineWidth: 0 })}`;
}

/** The method, how many trials, and whether they are stopped early. */
function searchOf(sweep: Mapping, document: Document, kept: string[], lost: string[]): void {
  const { method, run_cap: cap, early_terminate: early } = sweep;
  const written = typeof method === "string" ? method : "random";
  const here = allowedMethods.find((each) => each === written) ?? valueMeaning("method", written, allowedMethods) ?? "random";
  document.setIn(["search", "method"], here);
  kept.push(`method ${written} is search.method ${here}`);
  if (here === "grid") document.deleteIn(["search", "trials"]);
  else document.setIn(["search", "trials"], isNumber(cap) ? cap : usualTrials);
  if (isNumber(cap))
    (here === "grid" ? lost : kept).push(
      here === "grid" ? "run_cap: a grid has as many trials as it has points" : "run_cap is search.trials",
    );
  else if (here !== "grid") kept.push(`search.trials is ${usualTrials}: the sweep had no run_cap`);
  if (isMapping(early)) {
    document.setIn(["search", "early_stopping"], document.createNode({}, { flow: true }));
    kept.push(
      `early_terminate ${valueOr(early["type"], "")} is search.early_stopping: half of the trials go on at each rung, from an eighth of the steps on`,
    );
  }
}

const valueOr = (value: unknown, otherwise: string): string =>
  typeof value === "string" ? value : isNumber(value) ? valueOf(value) : otherwise;

function sweepOf(text: string, file: string): Mapping {
  const { data, problems } = parseSpecDocument(text, file);
  if (problems.length > 0) {
    const format = formatFinding(text, file);
    throw new UserError(format === undefined ? problems : [format]);
  }
  const tool = toolFinding(data, file);
  if (isMapping(data) && tool?.message.endsWith("a W&B sweep")) return data;
  throw new UserError({
    code: "not_a_sweep",
    message: tool?.message ?? formatFinding(text, file)?.message ?? `${file} is no W&B sweep: it has no \`parameters\` beside a \`method\``,
    hint: "`mutransfer init` writes a spec to start from",
  });
}
