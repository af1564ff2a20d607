/**
 * `mutransfer curves`: loss against learning rate at several widths, under μP and SP on
 * the same grid, steps and seeds. Each width is a sweep in a folder of its own, so it
 * continues as sweeps do; curves.json is what they add up to.
 */
import { join } from "node:path";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { familyOf } from "../evidence/curves.ts";
import type { Curves, Family } from "../evidence/records.ts";
import { hashOf } from "../hash.ts";
import type { Parametrization } from "../parametrization/roles.ts";
import { renderCurves } from "../report/curves.ts";
import { jsonText } from "../report/json.ts";
import type { CompleteSpec } from "../spec/complete.ts";
import type { Plan } from "../spec/plan.ts";
import { Agenda } from "../sweep/agenda.ts";
import { makeRunDirectory, writeAtomically } from "../sweep/run-dir.ts";
import { Run } from "../sweep/run.ts";
import type { RunState } from "../sweep/state.ts";
import { trainAll, type ContinueOptions } from "./continue.ts";
import { Engines } from "./engine.ts";
import { openPlan, self } from "./files.ts";
import type { Terminal } from "./terminal.ts";
import { checkWidth } from "./width.ts";

export interface CurvesCommand extends ContinueOptions {
  readonly out?: string;
}

type Wanted = NonNullable<CompleteSpec["curves"]>;

export async function curves(file: string, options: CurvesCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const plan = await openPlan(file);
  const wanted = wantedOf(plan.spec, file);
  const folder = options.out ?? join("runs", plan.spec.name);
  makeRunDirectory(folder);
  const rates = ratesOf(wanted);
  const points = new Map<string, Family["curves"][number]["points"]>();
  const widths = [...new Set(wanted.widths)].sort((a, b) => a - b);
  for (const parametrization of wanted.parametrizations)
    for (const width of widths) {
      // At the base width every parametrization is the same model, bit for bit.
      const like = width === plan.spec.width.base ? wanted.parametrizations[0] : parametrization;
      const key = `${like}-${width}`;
      const known =
        points.get(key) ?? (await trainCurve(variantOf(plan, wanted, like, width), join(folder, key), rates, options, terminal, version));
      if (typeof known === "number") return known;
      points.set(key, known);
      points.set(`${parametrization}-${width}`, known);
    }
  const families = wanted.parametrizations.map((parametrization) =>
    familyOf(
      parametrization,
      widths.map((width) => ({ width, points: points.get(`${parametrization}-${width}`) ?? [] })),
    ),
  );
  const seeds = Array.from({ length: wanted.seeds }, (_, index) => plan.spec.seed + index);
  const record: Curves = { version: 1, name: plan.spec.name, spec_hash: plan.specHash, seeds, families };
  const path = join(folder, "curves.json");
  writeAtomically(path, [jsonText(record)], "results");
  terminal.out(options.json ? jsonText(record) : `${renderCurves(record, terminal.outStyle)}\nwrote ${path}\n`);
  return exitCodes.ok;
}

function wantedOf(spec: CompleteSpec, file: string): Wanted {
  const { curves: wanted } = spec;
  if (wanted === undefined)
    throw new UserError({
      code: "no_curves",
      message: `${file} does not say which widths and learning rates to compare`,
      hint: "add `curves: {widths: […], learning_rates: {min: …, max: …, count: …}}`, as configs/curves.yaml does",
    });
  for (const width of wanted.widths) checkWidth(spec, width);
  if (wanted.learning_rates.min >= wanted.learning_rates.max)
    throw new UserError({ code: "empty_range", message: "curves.learning_rates: max is not above min" });
  return wanted;
}

/** The grid, in equal factors; four significant digits, as everywhere. */
function ratesOf({ learning_rates: { min, max, count } }: Wanted): readonly number[] {
  return Array.from({ length: count }, (_, index) => Number((min * (max / min) ** (index / (count - 1))).toPrecision(4)));
}

/** One curve as a sweep: a grid over the rates, each confirmed on the other seeds. */
function variantOf(plan: Plan, wanted: Wanted, parametrization: Parametrization, width: number): Plan {
  const { spec } = plan;
  const rates = ratesOf(wanted);
  const fixed = Object.entries(spec.search.parameters).map(([name, domain]) => {
    if (name !== "learning_rate" && !("value" in domain))
      throw new UserError({
        code: "curves_vary_one",
        message: `search.parameters.${name} is searched, and curves vary the learning rate only`,
        hint: "give it as `value:`",
      });
    return [name, domain] as const;
  });
  const variant: CompleteSpec = {
    ...spec,
    curves: undefined,
    name: `${spec.name}-${parametrization}-${width}`,
    parametrization,
    width: { ...spec.width, proxy: width },
    search: {
      method: "grid",
      trials: rates.length,
      batch: null,
      early_stopping: null,
      confirm: wanted.seeds === 1 ? null : { top: rates.length, seeds: wanted.seeds - 1 },
      parameters: { ...(Object.fromEntries(fixed) as CompleteSpec["search"]["parameters"]), learning_rate: { values: [...rates] } },
    },
  };
  return { ...plan, spec: variant, specHash: hashOf(variant) };
}

/** Trains what a curve still lacks; gives its points, or the exit code when it was interrupted before. */
async function trainCurve(
  plan: Plan,
  folder: string,
  rates: readonly number[],
  options: CurvesCommand,
  terminal: Terminal,
  version: string,
): Promise<Family["curves"][number]["points"] | ExitCode> {
  const run = Run.open(folder, self);
  const engines = new Engines(options, {
    say: (text) => (options.quiet ? undefined : terminal.err(`${text}\n`)),
    now: () => terminal.now(),
  });
  try {
    run.match({ spec: plan.spec, specHash: plan.specHash, dataHash: plan.dataset.hash }, false);
    const agenda = new Agenda(plan.spec);
    const interrupted = await trainAll(run, plan, agenda, engines, options, terminal, version);
    return interrupted ?? pointsOf(run.state, agenda, rates, plan.spec);
  } finally {
    engines.close();
    run.close();
  }
}

function pointsOf(
  state: RunState,
  agenda: Agenda,
  rates: readonly number[],
  { seed, search }: CompleteSpec,
): Family["curves"][number]["points"] {
  const seeds = Array.from({ length: 1 + (search.confirm?.seeds ?? 0) }, (_, index) => (seed + index) % 2 ** 32);
  return rates.map((rate) => {
    const trial = agenda.trials.find(({ hyperparameters }) => hyperparameters.learning_rate === rate);
    // A rate at which the first seed diverged is not tried on the others.
    const losses = seeds.map((each) => (trial === undefined ? null : (state.of({ id: trial.id, seed: each })?.validationLoss ?? null)));
    return { learning_rate: rate, losses };
  });
}
