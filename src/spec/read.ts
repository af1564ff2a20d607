/**
 * From spec text to a Plan, or to every diagnostic at once: syntax, schema, rules
 * between keys, and the data itself.
 */
import { contextProblems, openDataset, type Dataset } from "../data/dataset.ts";
import type { TokenizerName } from "../data/tokenizer.ts";
import { UserError, type Diagnostic } from "../errors.ts";
import { hashOf } from "../hash.ts";
import { completeSpec, type CompleteSpec } from "./complete.ts";
import { salvage, schemaFindings, type Finding } from "./diagnose.ts";
import { parseSpecDocument, type Path, type SpecDocument } from "./document.ts";
import { dataConfig, type Plan } from "./plan.ts";
import { explained } from "./not-transferable.ts";
import { formatFinding, toolFinding } from "./other-formats.ts";
import type { PartialSpec } from "./partial.ts";
import { nonsenseFindings, ruleFindings } from "./rules.ts";
import { sections, specSchema, type ParsedSpec } from "./schema.ts";

/** A spec file as it was read. */
export interface SpecFile {
  readonly text: string;
  /** The file as the user named it; printed in diagnostics. */
  readonly file: string;
  /** Where its relative paths start. */
  readonly directory: string;
}

/** Mistakes in how many sets a space holds. */
const ofSpaceSize: ReadonlySet<string> = new Set(["too_many_trials", "grid_size", "grid_too_large"]);
/** Findings that are of what blocks are made of. */
const ofBlocks: ReadonlySet<string> = new Set([
  "rope_theta_unused",
  "head_dim_odd",
  "head_dim_normed",
  "zero_init_impossible",
  "heads_not_divisible",
  "mlp_not_integer",
]);
/** Mistakes that are told of at once; the rest of a file that has more is noise. */
const mostMistakes = 100;

/**
 * Reads a spec completely; throws a UserError with every mistake found. `cache` is where tokens are kept.
 * `beforeData` is shown a spec without mistakes, and the fewest tokens that its vocabulary can have, before its data is read.
 */
export async function readPlan(
  { text, file, directory }: SpecFile,
  cache: string,
  beforeData: (spec: CompleteSpec, leastVocabulary: number) => void = () => undefined,
): Promise<Plan> {
  const document = parseSpecDocument(text, file);
  if (document.problems.some(({ code }) => code !== "duplicate_key" && code !== "unknown_key")) throw notReadable(document, text, file);
  if (document.data === null)
    throw new UserError({ code: "empty_spec", message: `${file} is empty`, hint: "`mutransfer init` writes a spec to start from" });
  const isMapping = typeof document.data === "object" && !Array.isArray(document.data);
  const format = isMapping ? undefined : formatFinding(text, file);
  if (format !== undefined) throw new UserError(format);

  const open = placeholders(document.data);
  const isOpen = ({ path }: Finding): boolean => open.some((each) => each.path.join("\0") === path.join("\0"));
  const tool = toolFinding(document.data, file);
  // Nothing in it is meant to be a spec's.
  if (tool?.code === "results_file") throw new UserError(tool);
  const salvaged = salvage(specSchema, document.data) as PartialSpec;
  const mistakes = schemaFindings(specSchema, document.data);
  // What a space holds is not known while one of its parameters is not.
  const isSpaceOpen = mistakes.some(({ path: [section, part] }) => section === "search" && part === "parameters");
  // Nor what blocks are made of, while the preset is none that there is.
  const isPresetOpen = mistakes.some(({ path: [section, part] }) => section === "model" && part === "preset");
  const isKnown = ({ code }: Finding): boolean => !(isSpaceOpen && ofSpaceSize.has(code)) && !(isPresetOpen && ofBlocks.has(code));
  const findings = [
    ...mistakes.filter((finding) => !isOpen(finding)).flatMap((finding) => explained(finding, document.data)),
    ...ruleFindings(salvaged ?? {}).filter(isKnown),
    ...nonsenseFindings(salvaged ?? {}),
    ...placeholderFinding(open),
  ];
  if (findings.length === 0 && document.problems.length === 0) {
    const complete = completeSpec(salvaged as ParsedSpec);
    beforeData(complete, leastVocabularyOf(complete.data));
  }
  const { dataset, problems } = await tryData(salvaged, directory, cache);
  const diagnostics = [
    ...(tool === undefined ? [] : [{ ...tool, position: document.positionOf([]) }]),
    ...document.problems.slice(0, mostMistakes),
    ...findings.slice(0, mostMistakes).map((finding) => located(document, finding)),
    ...problems.map((problem) => locateByPath(document, problem)),
  ];
  if (diagnostics.length > 0 || dataset === undefined) throw new UserError(byPlace(diagnostics));
  const plan = makePlan(completeSpec(salvaged as ParsedSpec), directory, dataset);
  return { ...plan, isRuled: Object.hasOwn(document.data as object, "rules") };
}

/** Mistakes of syntax that are told of: those after the first few follow from them. */
const mostSyntaxMistakes = 3;
/** Why a text cannot be read: the first of its mistakes, and what it looks like if it is no YAML at all. */
function notReadable({ problems }: SpecDocument, text: string, file: string): UserError {
  const isSyntax = problems.some(({ code }) => code === "yaml_syntax");
  const format = isSyntax ? formatFinding(text, file) : undefined;
  // Between braces one that is not quoted is no value to YAML.
  const [open] = isSyntax ? (placeholder.exec(text) ?? []) : [];
  return new UserError([
    ...problems.slice(0, mostSyntaxMistakes),
    ...(open === undefined ? [] : [{ ...notFilledIn(open), path: "" }]),
    ...(format === undefined ? [] : [format]),
  ]);
}

/** What is to be filled in before a file is read: of Hydra and envsubst, and of templates. */
const placeholder = /\$\{[^}]*\}|\{\{[^}]*\}\}|^\$[A-Za-z_]\w*$/;
const notFilledIn = (text: string, more = ""): Omit<Finding, "path"> => ({
  code: "placeholder",
  message: `${text} is not filled in here${more}`,
  hint: "write the values themselves; Hydra prints a config with its own filled in (`--resolve`), envsubst fills in a shell's variables",
});

interface Placeholder {
  readonly path: Path;
  readonly text: string;
}
/** Every `${…}` among the values of a spec. */
function placeholders(data: unknown, path: Path = []): readonly Placeholder[] {
  if (typeof data === "string") {
    const found = placeholder.exec(data);
    return found === null ? [] : [{ path, text: found[0] }];
  }
  if (Array.isArray(data)) return data.flatMap((each, index) => placeholders(each, [...path, index]));
  if (typeof data !== "object" || data === null) return [];
  return Object.entries(data).flatMap(([key, value]) => placeholders(value, [...path, key]));
}
/** Said once, however many there are. */
function placeholderFinding(open: readonly Placeholder[]): readonly Finding[] {
  if (open.length === 0) return [];
  const [{ path, text }] = open;
  return [{ ...notFilledIn(text, open.length > 1 ? `, as one of ${open.length}` : ""), path }];
}

/** What is known of a vocabulary without its text. */
const vocabularies: Readonly<Record<TokenizerName, number>> = { bytes: 256, characters: 1, gpt2: 50_257 };
const leastVocabularyOf = ({ source, tokenizer = "bytes" }: CompleteSpec["data"]): number =>
  typeof source === "object" && "vocab_size" in source ? source.vocab_size : vocabularies[tokenizer];

/** A plan from a complete spec, as results.json holds it. */
export async function reopenPlan(spec: CompleteSpec, directory: string, cache: string): Promise<Plan> {
  return makePlan(spec, directory, await openDataset(dataConfig(spec.data), directory, cache));
}

function makePlan(spec: CompleteSpec, directory: string, dataset: Dataset): Plan {
  return { spec, specHash: hashOf(spec), directory, dataset };
}

/** Opens the data when its section is sound, so that its problems are reported along with the others. */
async function tryData(
  spec: PartialSpec,
  directory: string,
  cache: string,
): Promise<{ dataset?: Dataset; problems: readonly Diagnostic[] }> {
  const data = sections.data.safeParse(spec?.data);
  if (!data.success) return { problems: [] };
  try {
    const dataset = await openDataset(dataConfig(data.data), directory, cache);
    const context = spec.model?.context;
    return { dataset, problems: context === undefined ? [] : contextProblems(dataset, context) };
  } catch (error) {
    if (error instanceof UserError && error.kind === "usage") return { problems: error.diagnostics };
    throw error;
  }
}

function located(document: SpecDocument, { path, at, ...finding }: Finding): Diagnostic {
  return { ...finding, path: path.join("."), position: document.positionOf(path, at) };
}

function locateByPath(document: SpecDocument, problem: Diagnostic): Diagnostic {
  const path: Path = problem.path?.split(".") ?? [];
  return { ...problem, position: document.positionOf(path) };
}

function byPlace(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const order = ({ position }: Diagnostic): number => (position ? position.line * 1e6 + position.column : Infinity);
  return [...diagnostics].sort((a, b) => order(a) - order(b));
}
