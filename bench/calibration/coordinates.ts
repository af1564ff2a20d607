/**
 * `node dist/bench/calibration/coordinates.js [FOLDER]`: how often a coordinate check of right rules passes, and what it
 * says of broken ones, by checks whose seeds are drawn from more than each has. Readings stay in FOLDER
 * (runs/coordinates), one file for each setting, and are taken only where there are none.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, engineHost } from "../../src/cache.ts";
import { engines } from "../../src/engines/registry.ts";
import { regimesOf, type CheckPlan } from "../../src/evidence/coord-check.ts";
import type { Coordinate } from "../../src/evidence/records.ts";
import { coordinatesOf, gateOf, judge } from "../../src/evidence/verdict.ts";
import { seedsFrom, randomStream } from "../../src/rng.ts";
import { quantile } from "../../src/statistics.ts";
import { readPlan } from "../../src/spec/read.ts";
import { planCheck } from "../../src/studies/check-plan.ts";
import { takeReadings, type Reading, type Subject } from "../../src/training/coordinates.ts";
import { settings, type Setting } from "./coordinate-settings.ts";

/** Seeds of a round, and rounds of a check, as the command has them unless told otherwise. */
const [seedsPerRound, mostRounds] = [5, 4];
const checks = 400;
/** Lanes of a stack, so that the largest fit in memory. */
const stackSize = 10;

interface Readings extends Pick<CheckPlan, "roles" | "movesOnly"> {
  readonly sizes: readonly number[];
  /** Per size; every reading has one value for each seed. */
  readonly readings: readonly (readonly Reading[])[];
  /** Per size, on one thread. */
  readonly seconds: readonly number[];
}

function brokenSubject({ model, scaling }: Subject, { rules, depthRules }: Setting): Subject {
  const { depth } = scaling;
  const [role, exponents] = rules ?? ["hidden", {}];
  return {
    model,
    scaling: {
      ...scaling,
      rules: { ...scaling.rules, [role]: { ...scaling.rules[role], ...exponents } },
      ...(depth && { depth: { ...depth, rules: { ...depth.rules, ...depthRules } } }),
    },
  };
}

async function take(setting: Setting): Promise<Readings> {
  const { name, spec: text, axis, sizes, seeds, only } = setting;
  const plan = await readPlan({ text, file: `${name}.yaml`, directory: "." }, cacheFolder());
  const { checkPlan } = planCheck(plan, { axis, sizes, seeds, steps: 10 });
  const { subject, optimizer, batch, steps } = checkPlan;
  const engine = await engines.native.open(engineHost());
  const conditions = Object.values(regimesOf(checkPlan)).filter(({ regime }) => only === undefined || regime === only);
  const all = seedsFrom(plan.spec.seed, seeds);
  const found: Reading[][] = [];
  const seconds: number[] = [];
  for (const size of sizes) {
    const started = performance.now();
    let joined: Reading[] = [];
    for (let from = 0; from < seeds; from += stackSize) {
      const exercise = { seeds: all.slice(from, from + stackSize), optimizer, measuredSteps: [0, 1, 2, steps], batch, threads: 1 };
      const blocks = axis === "width" ? ("all" as const) : ("halfway" as const);
      const read = await takeReadings(
        (program, options) => engine.compile(program, options),
        brokenSubject(subject(size), setting),
        conditions,
        { ...exercise, blocks },
      );
      joined = read.map((each, index) => ({
        ...each,
        size: [...(joined[index]?.size ?? []), ...each.size],
        update: [...(joined[index]?.update ?? []), ...each.update],
      }));
    }
    found.push(joined);
    seconds.push((performance.now() - started) / 1000);
  }
  return { sizes, roles: checkPlan.roles, movesOnly: checkPlan.movesOnly, readings: found, seconds };
}

const shuffled = (count: number, random: () => number): readonly number[] =>
  Array.from({ length: count }, (_, index) => [random(), index] as const)
    .sort(([a], [b]) => a - b)
    .map(([, index]) => index);

const steepness = (each: Coordinate): number => Math.abs(each.slope ?? 0) / gateOf(each);

/** What checks of some seeds each come to. */
function replay({ name, axis, blame }: Setting, { sizes, roles, movesOnly, readings, seconds }: Readings): Record<string, unknown> {
  const seeds = readings[0][0].size.length;
  const stream = randomStream(1, `coordinates ${name}`);
  const counts = { PASS: 0, WARN: 0, FAIL: 0, INCONCLUSIVE: 0 };
  const steepest: number[] = [];
  let [used, first, blamed] = [0, 0, 0];
  for (let check = 0; check < checks; check++) {
    const order = shuffled(seeds, () => stream.uniform());
    for (let round = 1; ; round++) {
      const chosen = order.slice(0, round * seedsPerRound);
      const of = (values: readonly number[]): readonly number[] => chosen.map((index) => values[index]);
      const coordinates = coordinatesOf(
        sizes,
        readings.map((each) => each.map((reading) => ({ ...reading, size: of(reading.size), update: of(reading.update) }))),
        movesOnly,
      );
      const { verdict, reason } = judge({
        axis,
        coordinates,
        control: [],
        quantities: ["none"],
        parameters: sizes,
        substitutes: [],
        roles,
      });
      // Without controls nothing is a PASS: what would be is told by the coordinates.
      const outcome =
        verdict === "FAIL" || coordinates.some((each) => each.verdict === "INCONCLUSIVE")
          ? verdict
          : coordinates.some((each) => each.verdict === "WARN")
            ? "WARN"
            : "PASS";
      if (outcome === "PASS" && round === 1) first++;
      if (outcome === "WARN" && round < mostRounds && (round + 1) * seedsPerRound <= seeds) continue;
      counts[outcome]++;
      used += chosen.length;
      if (blame !== undefined && reason.includes(`look at ${blame}`)) blamed++;
      steepest.push(Math.max(...coordinates.map(steepness)));
      break;
    }
  }
  const whole = coordinatesOf(sizes, readings);
  const worst = [...whole].sort((a, b) => steepness(b) - steepness(a)).slice(0, 3);
  const sorted = steepest.sort((a, b) => a - b);
  const share = (count: number): number => Number((count / checks).toFixed(4));
  const rounded = (value: number): number => Number(value.toFixed(3));
  return {
    sizes,
    seeds,
    verdicts: Object.fromEntries(Object.entries(counts).map(([verdict, count]) => [verdict, share(count)])),
    passed_at_once: share(first),
    seeds_used: rounded(used / checks),
    ...(blame !== undefined && { blame, blamed: share(blamed) }),
    steepest_slope_in_gates: Object.fromEntries([0, 0.05, 0.5, 0.95, 1].map((at) => [`${at * 100} %`, rounded(quantile(sorted, at))])),
    steepest_of_all_seeds: worst.map(({ regime, tensor, statistic, step, slope, slope_standard_error: error }) => ({
      ...{ regime, tensor, statistic, step },
      slope: rounded(slope ?? NaN),
      standard_error: rounded(error ?? NaN),
    })),
    seconds: rounded(seconds.reduce((sum, each) => sum + each, 0)),
  };
}

const folder = process.argv[2] ?? join("runs", "coordinates");
mkdirSync(folder, { recursive: true });
const results: Record<string, unknown> = {};
for (const setting of settings) {
  const path = join(folder, `${setting.name}.json`);
  if (!existsSync(path)) writeFileSync(path, JSON.stringify(await take(setting)));
  results[setting.name] = replay(setting, JSON.parse(readFileSync(path, "utf8")) as Readings);
  console.error(setting.name);
}
writeFileSync(
  fileURLToPath(new URL("../../../bench/results/coordinates.json", import.meta.url)),
  `${JSON.stringify({ command: "npm run build && node dist/bench/calibration/coordinates.js", checks, seeds_per_round: seedsPerRound, most_rounds: mostRounds, gates: { adam: 0.25, attention_logits: 0.5, epsilon: 0.5, decay: 0.35 }, settings: results }, null, 1)}\n`,
);
