/**
 * Curves: loss against learning rate at several widths or depths, under several
 * parametrizations on the same grid, steps and seeds. Each size is a sweep in a folder of its
 * own, so it continues as sweeps do; curves.json is what they add up to.
 */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { familyOf } from "../evidence/curves.ts";
import type { Axis, Curves, Family } from "../evidence/records.ts";
import { hashOf } from "../hash.ts";
import type { Size } from "../model/config.ts";
import type { HyperparameterName, Parametrization } from "../parametrization/roles.ts";
import { depthTable } from "../parametrization/table.ts";
import type { EngineOptions } from "../placement/engines.ts";
import { seedsFrom } from "../rng.ts";
import type { OpenFolder } from "../run/open-folder.ts";
import { writeRecord } from "../run/outputs.ts";
import { hasInnerRunFolder, makeInnerRunFolder, makeRunFolder, runFiles, runPath } from "../run/run-folder.ts";
import { readRun, Run } from "../run/run.ts";
import { rulesOf, type CompleteSpec } from "../spec/complete.ts";
import { followRules, sizesOf, type Plan } from "../spec/plan.ts";
import { ratesOf } from "../spec/rates.ts";
import { sourceOf } from "../search/space.ts";
import { Agenda } from "../sweep/agenda.ts";
import type { Interval } from "../workers/tasks.ts";
import { planRead } from "./events.ts";
import { holding, withEngines, type Setting } from "./setting.ts";
import { olderRules } from "./sweep.ts";
import { Stopped } from "./stopping.ts";
import { trainRun } from "./train-run.ts";

export type { TransferVerdict } from "../evidence/records.ts";

/** Where curves are trained and kept. */
export interface CurvesOptions extends EngineOptions {
  /** The run folder; runs/<name> unless given. */
  readonly out?: string;
  readonly checkpoint: Interval;
}

type Points = Family["curves"][number]["points"];

interface Wanted extends Omit<NonNullable<CompleteSpec["curves"]>, "widths" | "depths" | "learning_rates" | "parametrizations"> {
  readonly axis: Axis;
  /** In ascending order. */
  readonly sizes: readonly number[];
  /** In equal factors; four significant digits, as everywhere. */
  readonly rates: readonly number[];
  /** Undefined where the spec leaves it open. */
  readonly parametrizations: readonly Parametrization[] | undefined;
}

/** What is compared where a spec does not say: the rules that are in question first, then the control. */
const compared: { readonly [A in Axis]: readonly [Parametrization, Parametrization] } = {
  width: ["mup", "sp_fan_in"],
  depth: ["completep", "mup"],
};
/** What an older version compared over widths: a run that it has begun goes on with that. */
const formerControl: Parametrization = "sp";

/** Trains every curve of a plan, and writes curves.json; `file` is what its spec is called in errors. Throws Stopped, or a UserError. */
export async function curves(
  read: Plan,
  file: string,
  options: CurvesOptions,
  setting: Setting,
): Promise<{ readonly record: Curves; readonly path: string }> {
  const wanted = wantedOf(read.spec, file);
  const { axis, sizes } = wanted;
  return holding(makeRunFolder(runPath(read.spec.name, options.out)), async (folder) => {
    const plan = followRules(read, begunIn(folder));
    if (plan !== read) setting.emit({ event: "note", note: olderRules });
    setting.emit(planRead(plan, "curves"));
    const points = new Map<string, Points>();
    const parametrizations = wanted.parametrizations ?? comparedIn(folder, plan.spec, axis, sizes);
    // At the base size every parametrization is the same model, bit for bit.
    const likeOf = (parametrization: Parametrization, size: number): Parametrization =>
      isBase(plan.spec, axis, size) ? parametrizations[0] : parametrization;
    const nameOf = (parametrization: Parametrization, size: number): string => `${likeOf(parametrization, size)}-${size}`;
    for (const parametrization of parametrizations)
      for (const size of sizes) {
        const name = nameOf(parametrization, size);
        if (points.has(name)) continue;
        const variant = variantOf(plan, wanted, likeOf(parametrization, size), size);
        try {
          points.set(name, await trainCurve(variant, makeInnerRunFolder(folder, name), wanted.rates, options, setting));
        } catch (error) {
          // Nothing of this curve is not nothing of the family.
          throw error instanceof Stopped && error.left === "nothing" && points.size > 0 ? new Stopped() : error;
        }
      }
    const families = parametrizations.map((parametrization) =>
      familyOf(
        parametrization,
        sizes.map((size) => ({ size, points: points.get(nameOf(parametrization, size)) ?? [] })),
      ),
    );
    const seeds = [...seedsFrom(plan.spec.seed, wanted.seeds)];
    const verdict = families.find(({ parametrization }) => parametrization === plan.spec.parametrization)?.verdict ?? null;
    const varied = variedIn(plan.spec);
    const over = varied !== "learning_rate" && { hyperparameter: varied };
    const record: Curves = { version: 3, name: plan.spec.name, spec_hash: plan.specHash, axis, ...over, seeds, verdict, families };
    writeRecord(folder, "curves", record);
    return { record, path: join(folder.path, runFiles.curves) };
  });
}

/** The spec of a curve that an earlier process has begun in the folder, under the first rules if there is such a one. */
function begunIn(folder: OpenFolder): CompleteSpec | undefined {
  const specs = folder.folders.flatMap((name) => {
    const inner = makeInnerRunFolder(folder, name);
    try {
      return (inner.has(runFiles.journal) && readRun(inner).state.spec) || [];
    } finally {
      inner.close();
    }
  });
  return specs.find((spec) => rulesOf(spec) === 1) ?? specs[0];
}

function wantedOf(spec: CompleteSpec, file: string): Wanted {
  if (spec.curves === undefined)
    throw new UserError({
      code: "no_curves",
      message: `${file} does not say which widths and learning rates to compare`,
      hint: "add `curves: {widths: […], learning_rates: {min: …, max: …, count: …}}`, as configs/curves.yaml does",
    });
  if (spec.curves.widths === undefined && spec.curves.depths === undefined)
    throw new UserError({ code: "curves_axis", message: `${file}: curves are over widths or over depths, and neither is given` });
  const { widths, depths = [], parametrizations, learning_rates: range, ...rest } = spec.curves;
  const { min, max, count } = range;
  const rates = Array.from({ length: count }, (_, index) => Number((min * (max / min) ** (index / (count - 1))).toPrecision(4)));
  if (new Set(rates).size < count)
    throw new UserError({
      code: "empty_range",
      message: `curves.learning_rates: ${count} rates between ${min} and ${max} are not told apart by four digits`,
      hint: "give a wider range, or a lower count",
    });
  const axis = widths === undefined ? "depth" : "width";
  const sizes = [...new Set(widths ?? depths)].sort((a, b) => a - b);
  return { ...rest, axis, sizes, rates, parametrizations };
}

/**
 * What is compared in a folder where the spec leaves it open. The control's folders are made before anything is trained, so
 * that a folder which has another's and none of them is one that an older version began.
 */
function comparedIn(folder: OpenFolder, spec: CompleteSpec, axis: Axis, sizes: readonly number[]): readonly Parametrization[] {
  const [first, control] = compared[axis];
  const own = sizes.filter((size) => !isBase(spec, axis, size)).map((size) => `${control}-${size}`);
  const isBegun = sizes.some((size) => hasInnerRunFolder(folder, `${first}-${size}`));
  if (axis === "width" && isBegun && own.length > 0 && !own.some((name) => hasInnerRunFolder(folder, name))) return [first, formerControl];
  for (const name of own) makeInnerRunFolder(folder, name).close();
  return compared[axis];
}

/** The proxy with another width or depth. */
const sizeAt = (spec: CompleteSpec, axis: Axis, size: number): Size => ({
  ...sizesOf(spec).proxy,
  [axis === "width" ? "width" : "layers"]: size,
});

function isBase(spec: CompleteSpec, axis: Axis, size: number): boolean {
  const { width, layers } = sizeAt(spec, axis, size);
  const { base } = sizesOf(spec);
  return width === base.width && layers === base.layers;
}

/** The rate that curves are over: that of hidden matrices, which is Muon's where there is Muon, or what that is tied to. */
function variedIn(spec: CompleteSpec): HyperparameterName {
  const [name] = ratesOf(spec);
  return name === "learning_rate" ? name : (sourceOf(spec.search.parameters, name) as HyperparameterName);
}

/** One curve as a sweep: a grid over the rates, each confirmed on the other seeds. */
function variantOf(plan: Plan, wanted: Wanted, parametrization: Parametrization, size: number): Plan {
  const { spec } = plan;
  const { depth, ...plain } = spec;
  const { width, layers } = sizeAt(spec, wanted.axis, size);
  const { rates } = wanted;
  const varied = variedIn(spec);
  const fixed = Object.entries(spec.search.parameters).map(([name, domain]) => {
    if (name !== varied && !("value" in domain) && !("same_as" in domain))
      throw new UserError({
        code: "curves_vary_one",
        message: `search.parameters.${name} is searched (as it is unless \`search.parameters\` says otherwise), and curves vary ${varied} only`,
        hint: "give it as `value:`",
      });
    return [name, domain] as const;
  });
  const variant: CompleteSpec = {
    ...plain,
    curves: undefined,
    name: `${spec.name}-${parametrization}-${size}`,
    parametrization,
    width: { ...spec.width, proxy: width, target: Math.max(width, spec.width.target) },
    model: { ...spec.model, layers },
    ...(depthTable[parametrization] && { depth: { base: depth?.base ?? spec.model.layers, proxy: layers, target: layers } }),
    search: {
      method: "grid",
      trials: rates.length,
      batch: null,
      early_stopping: null,
      confirm: wanted.seeds === 1 ? null : { top: rates.length, ...seedsEach(spec, wanted.seeds - 1) },
      parameters: { ...(Object.fromEntries(fixed) as CompleteSpec["search"]["parameters"]), [varied]: { values: [...rates] } },
    },
  };
  return { ...plan, spec: variant, specHash: hashOf(variant) };
}

/** So many fresh seeds for each, and no more: curves are compared over the same ones. */
const seedsEach = (spec: CompleteSpec, seeds: number): { readonly seeds: number; readonly most_seeds?: number } =>
  rulesOf(spec) === 1 ? { seeds } : { seeds, most_seeds: seeds };

/** Trains what a curve still lacks, and gives its points. */
function trainCurve(plan: Plan, folder: OpenFolder, rates: readonly number[], options: CurvesOptions, setting: Setting): Promise<Points> {
  return holding(Run.open(folder), (run) =>
    withEngines(options, setting, async (engines) => {
      run.match({ spec: plan.spec, specHash: plan.specHash, data: plan.dataset }, false);
      const agenda = new Agenda(plan.spec);
      await trainRun({ run, plan, engines, checkpoint: options.checkpoint, setting }, agenda);
      return pointsOf(run, agenda, rates, plan.spec);
    }),
  );
}

function pointsOf({ state, folder }: Pick<Run, "state" | "folder">, agenda: Agenda, rates: readonly number[], spec: CompleteSpec): Points {
  const { seed, search } = spec;
  const seeds = seedsFrom(seed, 1 + (search.confirm?.seeds ?? 0));
  const failed = state.trials.find(({ status }) => status === "failed");
  if (failed !== undefined)
    throw new UserError(
      {
        code: "trial_failed",
        message: `${folder.path}: trial ${failed.id} failed, so the curve is not known`,
        hint: "the reason is above; the same command tries it again",
      },
      "noSurvivor",
    );
  return rates.map((rate) => {
    const trial = agenda.trials.find(({ hyperparameters }) => hyperparameters[variedIn(spec)] === rate);
    // A rate at which the first seed diverged is not tried on the others.
    const losses = seeds.map((each) => (trial === undefined ? null : (state.of({ id: trial.id, seed: each })?.validationLoss ?? null)));
    return { learning_rate: rate, losses };
  });
}
