/**
 * The library's verbs: each takes a spec, as a file or as data, and gives what the command of
 * the same name writes or prints. How a study is begun, told of and stopped is study.ts's business.
 */
import { resolve } from "node:path";
import { stringify } from "yaml";
import type { z } from "zod";
import type { CoordCheck, Curves } from "../evidence/records.ts";
import { checkProxy } from "../placement/memory.ts";
import { parseResults, type Results } from "../run/results.ts";
import type { Plan } from "../spec/plan.ts";
import { readPlan, type SpecFile } from "../spec/read.ts";
import type { specSchema } from "../spec/schema.ts";
import { checkCoordinates, type CoordCheckOptions as CheckOptions } from "../studies/coord-check.ts";
import { curves as studyCurves, type CurvesOptions as CurveOptions } from "../studies/curves.ts";
import { forecast, type ForecastOptions, type PlanSummary } from "../studies/forecast.ts";
import type { TransferContent } from "../studies/launch.ts";
import { readResultsFile, readSpec } from "../studies/named-files.ts";
import type { Interval, Setting } from "../studies/setting.ts";
import { sweep as studySweep, type SweepOptions as Sweeping } from "../studies/sweep.ts";
import { tableOf, type PlanTable } from "../studies/table.ts";
import { transfer as studyTransfer, type TransferOptions as Launching } from "../studies/transfer.ts";
import { Study, type StudyOptions } from "./study.ts";

/** A sweep's spec as data: what its YAML file would hold. */
export type Spec = z.input<typeof specSchema>;
/** A spec: the path of its YAML file, or what would be in it. Relative paths in it start at the file's folder, or where the process runs. */
export type SpecInput = string | Spec;

/** What a study has written: the content of its record, and where that is. */
export interface Written<R> {
  readonly record: R;
  readonly path: string;
}

/** How often unfinished training is kept; every five minutes unless given, and never where it is empty. */
interface Kept {
  readonly checkpoint?: Interval;
}
const usualInterval: Interval = { seconds: 300 };

/** Where a sweep is trained and kept. */
export interface SweepOptions extends StudyOptions, Omit<Sweeping, "checkpoint">, Kept {}
/** What is launched, where, and in spite of what. */
export interface TransferOptions extends StudyOptions, Omit<Launching, "checkpoint">, Kept {}
/** Where curves are trained and kept. */
export interface CurvesOptions extends StudyOptions, Omit<CurveOptions, "checkpoint">, Kept {}
/** What is compared, how long, and where; as `mutransfer coord-check` does unless given. */
export interface CoordCheckOptions extends StudyOptions, Partial<CheckOptions> {}
/** Where the sweep would be trained. */
export interface PlanOptions extends StudyOptions, ForecastOptions {}
/** At which width; the target's unless given. */
export interface TableOptions extends StudyOptions {
  readonly width?: number;
}

/** The name of a spec that is no file, in diagnostics. */
const unnamed = "spec";

const fileOf = (spec: SpecInput): SpecFile =>
  typeof spec === "string" ? readSpec(spec) : { text: stringify(spec), file: unnamed, directory: resolve() };

const planOf = (spec: SpecInput, { host }: Setting): Promise<Plan> => readPlan(fileOf(spec), host.cache, checkProxy);

/**
 * Trains the proxies of a spec, picks the best by validation loss, and writes results.json into `out` (runs/<name> unless given);
 * the same call goes on with what is there.
 */
export function sweep(spec: SpecInput, { signal, ...options }: SweepOptions = {}): Study<Written<Results>> {
  return begin(signal, async (setting) => {
    const { path } = await studySweep(fileOf(spec), { checkpoint: usualInterval, ...options }, setting);
    return { record: readResults(path), path };
  });
}

/** Trains the target of a sweep's results with the winner's hyperparameters, copied unchanged, and writes transfer.json and weights.safetensors. */
export function transfer(results: string, { signal, ...options }: TransferOptions = {}): Study<Written<TransferContent>> {
  return begin(signal, async (setting) => {
    const file = { text: readResultsFile(results), file: results };
    const { record, path } = await studyTransfer(file, { checkpoint: usualInterval, ...options }, setting);
    return { record, path };
  });
}

/** Trains models of several widths (or depths) for a few steps, says whether activations and updates keep their size, and writes coord-check.json. */
export function coordCheck(spec: SpecInput, { signal, ...options }: CoordCheckOptions = {}): Study<Written<CoordCheck>> {
  return begin(signal, async (setting) => {
    const plan = await planOf(spec, setting);
    return checkCoordinates(plan, { axis: "width", seeds: 5, steps: 10, ...options }, setting);
  });
}

/** Trains a spec's curves of loss against learning rate at several widths (or depths), judges whether the optimum stays, and writes curves.json. */
export function curves(spec: SpecInput, { signal, ...options }: CurvesOptions = {}): Study<Written<Curves>> {
  return begin(signal, async (setting) => {
    const file = typeof spec === "string" ? spec : unnamed;
    return studyCurves(await planOf(spec, setting), file, { checkpoint: usualInterval, ...options }, setting);
  });
}

/** Forecasts what a sweep and its target cost: parameters, FLOPs, memory, disk and time; trains and writes nothing. */
export function plan(spec: SpecInput, { signal, ...options }: PlanOptions = {}): Study<PlanSummary> {
  return begin(signal, async (setting) => forecast(await planOf(spec, setting), options, setting));
}

/** What each tensor gets at a width: multiplier, initial std, learning rate, weight decay and epsilon, with searched hyperparameters at their defaults. */
export function table(spec: SpecInput, { signal, width }: TableOptions = {}): Study<PlanTable> {
  return begin(signal, async (setting) => tableOf(await planOf(spec, setting), width));
}

/** Reads and checks a results.json; throws a UserError when it is none, or was edited. */
export function readResults(path: string): Results {
  return parseResults(readResultsFile(path), path);
}

const begin = <T>(signal: AbortSignal | undefined, work: (setting: Setting) => Promise<T>): Study<T> =>
  new Study(signal === undefined ? {} : { signal }, work);
