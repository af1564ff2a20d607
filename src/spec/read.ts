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
import { ruleFindings, type PartialSpec } from "./rules.ts";
import { sections, specSchema, type ParsedSpec } from "./schema.ts";

/** A spec file as it was read. */
export interface SpecFile {
  readonly text: string;
  /** The file as the user named it; printed in diagnostics. */
  readonly file: string;
  /** Where its relative paths start. */
  readonly directory: string;
}

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
  if (document.problems.some(({ code }) => code === "yaml_syntax")) throw new UserError(document.problems.slice(0, mostMistakes));
  if (document.data === null)
    throw new UserError({ code: "empty_spec", message: `${file} is empty`, hint: "`mutransfer init` writes a spec to start from" });

  const salvaged = salvage(specSchema, document.data) as PartialSpec;
  const findings = [
    ...schemaFindings(specSchema, document.data).flatMap((finding) => explained(finding, document.data)),
    ...ruleFindings(salvaged ?? {}),
  ];
  if (findings.length === 0 && document.problems.length === 0) {
    const complete = completeSpec(salvaged as ParsedSpec);
    beforeData(complete, leastVocabularyOf(complete.data));
  }
  const { dataset, problems } = await tryData(salvaged, directory, cache);
  const diagnostics = [
    ...document.problems.slice(0, mostMistakes),
    ...findings.slice(0, mostMistakes).map((finding) => located(document, finding)),
    ...problems.map((problem) => locateByPath(document, problem)),
  ];
  if (diagnostics.length > 0 || dataset === undefined) throw new UserError(byPlace(diagnostics));
  const plan = makePlan(completeSpec(salvaged as ParsedSpec), directory, dataset);
  return { ...plan, isRuled: Object.hasOwn(document.data as object, "rules") };
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
