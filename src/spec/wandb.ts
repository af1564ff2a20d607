/**
 * From a W&B sweep to a spec: what has a counterpart is taken over, and comments say what was not, why, and what is to
 * be filled in. What W&B draws from is wandb-domains.ts's business, where parameters belong wandb-places.ts's;
 * the rest of the spec is the template's.
 */
import { isScalar, parseDocument } from "yaml";
import { UserError } from "../errors.ts";
import { isMapping } from "../json.ts";
import { schemaFindings, salvage, type Finding } from "./diagnose.ts";
import { parseSpecDocument } from "./document.ts";
import { meaningOf, valueMeaning, wordFor } from "./foreign-keys.ts";
import { formatFinding, toolFinding } from "./other-formats.ts";
import type { PartialSpec } from "./partial.ts";
import { ruleFindings } from "./rules.ts";
import { specSchema } from "./schema.ts";
import { specTemplate } from "./template.ts";
import { translated, type Mapping } from "./wandb-domains.ts";
import { flattened, inSpace, placeOf, refusalOf } from "./wandb-places.ts";

const allowedMethods = ["random", "grid", "sobol", "tpe", "gp"] as const;
const usualTrials = 16;

/** A spec that comes to be, and what is said of how it did. */
class Translation {
  readonly document = parseDocument(specTemplate);
  readonly kept: string[] = [];
  readonly lost: string[] = [];
  /** What stands at each place that was filled, and how that is told. */
  private readonly placed = new Map<string, { readonly from: string; readonly told: readonly string[] }>();

  /** Fills a place, unless another has. */
  place(path: string, value: unknown, from: string, told: readonly string[] = [`${from} is ${path}`]): void {
    const taken = this.placed.get(path);
    if (taken !== undefined) return void this.lost.push(`${from}: ${path} is ${taken.from} already`);
    this.document.setIn(path.split("."), value);
    this.placed.set(path, { from, told });
  }

  /** Whether parameters of the sweep are searched; the template's are where none of them could be taken over. */
  get hasParameters(): boolean {
    return [...this.placed.keys()].some((place) => place.startsWith(inSpace));
  }

  /** Gives back what makes the spec no spec, with the reason, until it is one. */
  settle(): void {
    for (;;) {
      if (!this.hasParameters) this.takeTemplateParameters();
      const data = this.document.toJS() as unknown;
      const salvaged = (salvage(specSchema, data) ?? {}) as PartialSpec;
      const findings = [...schemaFindings(specSchema, data), ...ruleFindings(salvaged)];
      const [found] = findings.flatMap((finding) => {
        const place = this.placeOf(finding);
        return place === undefined ? [] : [{ finding, place }];
      });
      if (found === undefined) break;
      this.giveBack(found.place, found.finding);
    }
    for (const { told } of this.placed.values()) this.kept.push(...told);
  }

  private takeTemplateParameters(): void {
    this.document.setIn(["search", "parameters"], parseDocument(specTemplate).getIn(["search", "parameters"]));
    if (this.document.getIn(["search", "method"]) !== "grid") return;
    this.giveBack("search.method", { message: "the template's parameters are ranges; search.method is random" });
    this.document.setIn(["search", "trials"], usualTrials);
  }

  private placeOf({ path }: Finding): string | undefined {
    const where = path.join(".");
    return [...this.placed.keys()].find((place) => `${where}.`.startsWith(`${place}.`) || `${place}.`.startsWith(`${where}.`));
  }

  private giveBack(place: string, { code, message }: { readonly code?: string; readonly message: string }): void {
    const { from } = this.placed.get(place) as { from: string };
    this.placed.delete(place);
    const path = place.split(".");
    const fewer = code === "too_many_trials" ? Number(/only (\d+)/.exec(message)?.[1]) : NaN;
    if (fewer > 0) return this.place(place, fewer, from, [`${place} is ${fewer}: the space holds no more`]);
    this.lost.push(`${from}: ${message}`);
    if (place.startsWith(inSpace)) this.document.deleteIn(path);
    else if (place === "search.trials") this.place(place, usualTrials, `search.trials is ${usualTrials}`, []);
    else {
      const template = parseDocument(specTemplate);
      if (template.hasIn(path)) this.document.setIn(path, template.getIn(path));
      else this.document.deleteIn(path);
    }
  }
}

/** A spec from a W&B sweep's text, with comments; throws a UserError with what the file looks like when it is none. */
export function specFromSweep(text: string, file: string): string {
  const sweep = sweepOf(text, file);
  const source = parseDocument(text);
  const translation = new Translation();
  const { document, lost, kept } = translation;
  document.deleteIn(["search", "parameters"]);
  document.setIn(["search", "parameters"], document.createNode({}));
  nameOf(sweep, translation);
  const { parameters } = sweep;
  if (!isMapping(parameters)) lost.push("parameters: they are no mapping");
  for (const { name, path: at, domain } of flattened(isMapping(parameters) ? parameters : {})) {
    const isWhole = (key: "min" | "max"): boolean => {
      const node = source.getIn([...at, key], true);
      return isScalar(node) && node.source !== undefined ? /^[-+]?\d+$/.test(node.source) : Number.isInteger(domain[key]);
    };
    const found = translated(domain, isWhole);
    const path = placeOf(name);
    const isFixed = !("reason" in found) && Object.hasOwn(found.domain, "value");
    if ("reason" in found || path === undefined || !(path.startsWith(inSpace) || isFixed)) {
      lost.push(`${name}: ${refusalOf(name, found)}`);
      continue;
    }
    const value = path.startsWith(inSpace)
      ? document.createNode(found.domain, { flow: true })
      : wordFor(path.split(".").at(-1) ?? "", found.domain["value"]);
    translation.place(path, value, name, [`${name} is ${path}`, ...(found.note === undefined ? [] : [`${name}: ${found.note}`])]);
  }
  searchOf(sweep, translation);
  for (const key of Object.keys(sweep).filter((each) => !translatedKeys.has(each))) {
    const meaning = meaningOf(key);
    lost.push(`${key}: ${meaning !== undefined && "reason" in meaning ? meaning.reason : "it has no counterpart"}`);
  }
  translation.settle();
  const list = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [` ${title}`, ...lines.map((line) => `   ${line}`)];
  const head = [
    ` From the W&B sweep ${JSON.stringify(file)}.`,
    ...list("Taken over:", kept),
    ...list("Not taken over:", lost),
    " To be filled in: data, model, width and train, which are the template's where nothing above says otherwise.",
    ...(translation.hasParameters
      ? []
      : [" None of its parameters could be taken over: those of search.parameters are the template's as well."]),
    ...(document.hasIn(["search", "parameters", "output_multiplier"])
      ? []
      : [" At small base widths the output multiplier decides: search it as well, log_uniform over 1 to 64."]),
  ];
  // A name may hold anything, and ends no comment.
  const comments = head.map((line) => `#${line.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")}`);
  return `${comments.join("\n")}\n${document.toString({ lineWidth: 0 })}`;
}

/** Keys of a sweep that are translated, or are nothing but it. */
const translatedKeys = new Set(["name", "parameters", "method", "run_cap", "early_terminate"]);

/** The sweep's name, as far as a spec may have it. */
function nameOf({ name }: Mapping, { document, lost }: Translation): void {
  if (name === undefined) return;
  const here =
    typeof name === "string" ? name.replace(/[^\w.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "") || "from-wandb" : document.get("name");
  document.set("name", here);
  if (here !== name) lost.push(`name: it is ${String(here)} here, of letters, digits, '.', '_' and '-'`);
}

/** The method, how many trials, and whether they are stopped early. */
function searchOf(sweep: Mapping, translation: Translation): void {
  const { document, kept, lost } = translation;
  const { method, run_cap: cap, early_terminate: early } = sweep;
  const written = typeof method === "string" ? method : "";
  const here = allowedMethods.find((each) => each === written) ?? valueMeaning("method", written, allowedMethods);
  if (here !== undefined) translation.place("search.method", here, `method ${written}`, [`method ${written} is search.method ${here}`]);
  else if (method === undefined) kept.push("search.method is random: the sweep has no method");
  else lost.push(`${`method ${written}`.trim()}: there is no such search here; search.method is random`);
  if (here === "grid") {
    document.deleteIn(["search", "trials"]);
    if (cap !== undefined) lost.push("run_cap: a grid has as many trials as it has points");
  } else if (cap === undefined)
    translation.place("search.trials", usualTrials, "search.trials", [`search.trials is ${usualTrials}: the sweep had no run_cap`]);
  else translation.place("search.trials", cap, "run_cap");
  if (early === undefined) return;
  if (!isMapping(early)) return void lost.push("early_terminate: it is no mapping");
  if (early["type"] !== "hyperband") return void lost.push(`early_terminate: there is no ${String(early["type"])} here`);
  document.setIn(["search", "early_stopping"], document.createNode({}, { flow: true }));
  const own = Object.keys(early).filter((key) => key !== "type");
  kept.push(
    `early_terminate hyperband is search.early_stopping: half of the trials go on at each rung, from an eighth of the steps on${own.length > 0 ? `, whatever its ${own.join(", ")}` : ""}`,
  );
}

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
