/**
 * The library's verbs: each takes a spec, as a file or as data, and gives what the command of
 * the same name writes or prints. How a study is begun, told of and stopped is study.ts's business.
 */
import { resolve } from "node:path";
import { stringify } from "yaml";
import type { z } from "zod";
import { UserError } from "../errors.ts";
import type { CoordCheck, Curves } from "../evidence/records.ts";
import { checkProxy } from "../placement/memory.ts";
import { parseResults, type Results } from "../run/results.ts";
import type { Plan } from "../spec/plan.ts";
import { readPlan, type SpecFile } from "../spec/read.ts";
import type { specSchema } from "../spec/schema.ts";
import { checkCoordinates } from "../studies/coord-check.ts";
import { curves as studyCurves } from "../studies/curves.ts";
import { forecast, type PlanSummary } from "../studies/forecast.ts";
import type { TransferContent } from "../studies/launch.ts";
import { readResultsFile, readSpec } from "../studies/named-files.ts";
import type { Interval, Setting } from "../studies/setting.ts";
import { stoppable } from "../studies/stopping.ts";
import { sweep as studySweep } from "../studies/sweep.ts";
import { tableOf, type PlanTable } from "../studies/table.ts";
import { transfer as studyTransfer, type ResultsFile } from "../studies/transfer.ts";
import { knownOptions, known, mapping, path, type Rules } from "./arguments.ts";
import {
  coordCheckRules,
  curvesRules,
  planRules,
  sweepRules,
  tableRules,
  transferRules,
  unnamed,
  type CoordCheckOptions,
  type CurvesOptions,
  type PlanOptions,
  type StudyOptions,
  type SweepOptions,
  type TableOptions,
  type TransferOptions,
} from "./options.ts";
import { Study } from "./study.ts";

/** A sweep's spec as data: what its YAML file would hold. */
export type Spec = z.input<typeof specSchema>;
/** A spec: the path of its YAML file, or what would be in it. Relative paths in it start at the file's folder, or where the process runs. */
export type SpecInput = string | Spec;

/** What a study has written: the content of its record, and where that is. */
export interface Written<R> {
  readonly record: R;
  readonly path: string;
}

/** How often unfinished training is kept unless it is said. */
const usualInterval: Interval = { seconds: 300 };

/** A spec as a file's text; what a program changes in it later is not seen. */
function fileOf(spec: SpecInput): SpecFile {
  if (typeof spec === "string") return readSpec(spec);
  known("spec", spec, { ...mapping, expected: "the path of a YAML file, or a mapping" });
  try {
    return { text: stringify(spec), file: unnamed, directory: resolve() };
  } catch (error) {
    throw new UserError({ code: "bad_argument", path: unnamed, message: `spec: cannot be written as YAML: ${(error as Error).message}` });
  }
}

const planOf = (file: SpecFile, { host }: Setting): Promise<Plan> => readPlan(file, host.cache, checkProxy);

/**
 * Trains the proxies of a spec, picks the best by validation loss, and writes results.json into `out` (runs/<name> unless given);
 * the same call goes on with what is there.
 */
export function sweep(spec: SpecInput, options: SweepOptions = {}): Study<Written<Results>> {
  return begin(
    options,
    sweepRules,
    () => fileOf(spec),
    async (file, given, setting) => {
      const { path: written } = await studySweep(file, { checkpoint: usualInterval, ...given }, setting);
      return { record: readResults(written), path: written };
    },
  );
}

/** Trains the target of a sweep's results with the winner's hyperparameters, copied unchanged, and writes transfer.json and weights.safetensors. */
export function transfer(results: string, options: TransferOptions = {}): Study<Written<TransferContent>> {
  return begin(
    options,
    transferRules,
    () => resultsFileOf(results),
    async (file, given, setting) => {
      const { record, path: written } = await studyTransfer(file, { checkpoint: usualInterval, ...given }, setting);
      return { record, path: written };
    },
  );
}

/** Trains models of several widths (or depths) for a few steps, says whether activations and updates keep their size, and writes coord-check.json. */
export function coordCheck(spec: SpecInput, options: CoordCheckOptions = {}): Study<Written<CoordCheck>> {
  return begin(
    options,
    coordCheckRules,
    () => fileOf(spec),
    async (file, given, setting) =>
      checkCoordinates(await planOf(file, setting), { axis: "width", seeds: 5, steps: 10, ...given }, setting),
  );
}

/** Trains a spec's curves of loss against learning rate at several widths (or depths), judges whether the optimum stays, and writes curves.json. */
export function curves(spec: SpecInput, options: CurvesOptions = {}): Study<Written<Curves>> {
  return begin(
    options,
    curvesRules,
    () => fileOf(spec),
    async (file, given, setting) => studyCurves(await planOf(file, setting), file.file, { checkpoint: usualInterval, ...given }, setting),
  );
}

/** Forecasts what a sweep and its target cost: parameters, FLOPs, memory, disk and time; trains and writes nothing. */
export function plan(spec: SpecInput, options: PlanOptions = {}): Study<PlanSummary> {
  return begin(
    options,
    planRules,
    () => fileOf(spec),
    async (file, given, setting) => forecast(await planOf(file, setting), given, setting),
  );
}

/** What each tensor gets at a width: multiplier, initial std, learning rate, weight decay and epsilon, with searched hyperparameters at their defaults. */
export function table(spec: SpecInput, options: TableOptions = {}): Study<PlanTable> {
  return begin(
    options,
    tableRules,
    () => fileOf(spec),
    async (file, { width }, setting) => stoppable(setting, async () => tableOf(await planOf(file, setting), width)),
  );
}

/** Reads and checks a results.json; throws a UserError when it is none, or was edited. */
export function readResults(results: string): Results {
  const { text, file } = resultsFileOf(results);
  return parseResults(text, file);
}

function resultsFileOf(results: string): ResultsFile {
  return { text: readResultsFile(known("results", results, path)), file: results };
}

/** A study whose arguments are read at once, and whose mistakes reject it. */
function begin<O extends StudyOptions, I, T>(
  options: O,
  rules: Rules<O>,
  read: () => I,
  work: (input: I, options: O, setting: Setting) => Promise<T>,
): Study<T> {
  const { signal } = (options as O | null) ?? {};
  // At once: a spec that is changed afterwards, or a file, is not what was asked for.
  const given = new Promise<{ options: O; input: I }>((done) => done({ options: knownOptions(options, rules), input: read() }));
  return new Study(signal instanceof AbortSignal ? { signal } : {}, async (setting) => {
    const { options: all, input } = await given;
    return work(input, all, setting);
  });
}
