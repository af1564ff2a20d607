/**
 * `npm run bench:headline`: the paper's headline in miniature. Sweeps configs/headline.yaml with three seeds, trains the
 * target with each winner, and holds it against the best of a direct search at the target's width and against SP tuned on
 * the proxies and copied. Prints a table, writes bench/results/headline.json. Runs lie in runs/bench-headline and go on.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../src/cache.ts";
import { flopsPerStep } from "../src/model/counts.ts";
import { modelConfig, sizesOf } from "../src/spec/plan.ts";
import { readPlan } from "../src/spec/read.ts";
import { mean, pooledDeviation } from "../src/statistics.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = join(root, "runs/bench-headline");
const config = readFileSync(join(root, "configs/headline.yaml"), "utf8");

/** Runs a command of this program; its exit code, which may be a verdict. */
function mutransfer(...args: readonly string[]): number {
  console.error(`mutransfer ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [join(root, "bin/mutransfer.js"), ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    cwd: folder,
  });
  return status ?? 1;
}
const read = (path: string): unknown => JSON.parse(readFileSync(join(folder, path), "utf8"));

interface Results {
  readonly best: { readonly hyperparameters: { readonly learning_rate: number }; readonly validation_loss: number } | null;
  readonly cost: { readonly proxy_flops: number; readonly target_flops: number; readonly ratio: number };
  readonly trials: readonly unknown[];
}
interface Transfer {
  readonly validation_loss: number | null;
}
interface Prelaunch {
  readonly widths: readonly { readonly width: number }[];
  readonly between: { readonly width: number };
  readonly prediction: { readonly validation_loss: number; readonly low: number; readonly high: number } | null;
}
interface Curves {
  readonly families: readonly { readonly curves: readonly { readonly size: number; readonly points: readonly Point[] }[] }[];
}
interface Point {
  readonly learning_rate: number;
  readonly losses: readonly (number | null)[];
}

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "headline.yaml"), config);
const plan = await readPlan({ text: config, file: "headline.yaml", directory: folder }, cacheFolder());
const { proxy, target } = sizesOf(plan.spec);
const flopsAt = (width: number): number => flopsPerStep(modelConfig(plan, { ...proxy, width }), plan.spec.train.batch);
/** What the trainings of the check before a launch cost, as a share of the target's. */
const checkShare = ({ widths, between }: Prelaunch): number =>
  (widths.filter(({ width }) => width !== proxy.width && width !== between.width).reduce((sum, { width }) => sum + flopsAt(width), 0) +
    3 * flopsAt(between.width)) /
  flopsAt(target.width);

/** The spec that was tried first, and fixed before the direct search was looked at: more trials, stopped earlier. */
const firstConfig = config.replace("trials: 10", "trials: 16").replace(", first: 150", "");

/** A sweep on the proxies and one target with its winner. */
function tuned(name: string, seed: number, parametrization: string, from = config): Readonly<Record<string, unknown>> {
  const spec = `${from.replace(/^name: .*$/m, `name: ${name}`)}seed: ${seed}\nparametrization: ${parametrization}\n`;
  writeFileSync(join(folder, `${name}.yaml`), spec);
  const swept = mutransfer("sweep", `${name}.yaml`, "--out", name, "-q");
  const results = read(`${name}/results.json`) as Results;
  const checks = parametrization === "mup";
  const transferred = mutransfer("transfer", "--best", `${name}/results.json`, "-q", ...(checks ? [] : ["--skip-check", "--force"]));
  const { validation_loss: loss } = read(`${name}/transfer.json`) as Transfer;
  const check = checks ? (read(`${name}/prelaunch.json`) as Prelaunch) : undefined;
  return {
    ...{ parametrization, seed, sweep_exit_code: swept, transfer_exit_code: transferred },
    learning_rate: results.best?.hyperparameters.learning_rate ?? null,
    trainings: results.trials.length,
    proxy_loss: results.best?.validation_loss ?? null,
    tuning_share: results.cost.ratio,
    check_share: check === undefined ? null : checkShare(check),
    predicted: check?.prediction ?? null,
    target_loss: loss,
  };
}

const own = [1, 2, 3].map((seed) => tuned(`mup-${seed}`, seed, "mup"));
const first = [1, 2, 3].map((seed) => tuned(`first-${seed}`, seed, "mup", firstConfig));
const standard = (["sp", "sp_fan_in"] as const).map((parametrization) => tuned(parametrization, 1, parametrization));
mutransfer("curves", "headline.yaml", "--out", "direct", "-q");
const direct = (read("direct/curves.json") as Curves).families[0].curves.find(({ size }) => size === target.width)?.points ?? [];
const sound = direct.flatMap(({ learning_rate, losses }) => {
  const known = losses.filter((loss) => loss !== null);
  return known.length === losses.length ? [{ learning_rate, losses: known, mean: mean(known) }] : [];
});
const best = sound.reduce((a, b) => (b.mean < a.mean ? b : a));
const near = sound.filter(({ learning_rate: rate }) => Math.abs(Math.log2(rate / best.learning_rate)) < 0.75);
const deviation = pooledDeviation(near.map(({ losses }) => losses)) ?? NaN;
const share = (value: unknown): string => (typeof value === "number" ? `${(100 * value).toFixed(1)} %` : "–");
const nats = (value: unknown): string => (typeof value === "number" ? value.toFixed(4) : "diverged");

console.log(
  "| | learning rate | tuning, of the target's FLOPs | check before the launch | target's loss | above the direct optimum, seed deviations |",
);
console.log("|---|---:|---:|---:|---:|---:|");
const rows = [
  ...own.map((each) => ["μP", each] as const),
  ...first.map((each) => ["μP, the first spec", each] as const),
  ...standard.map((each) => [String(each["parametrization"]), each] as const),
];
for (const [name, each] of rows) {
  const loss = each["target_loss"];
  const above = typeof loss === "number" ? `${(loss - best.mean).toFixed(4)}, ${((loss - best.mean) / deviation).toFixed(1)}` : "–";
  console.log(
    `| ${name}, seed ${String(each["seed"])} | ${String(each["learning_rate"])} | ${share(each["tuning_share"])} | ${share(each["check_share"])} | ${nats(loss)} | ${above} |`,
  );
}
const searchShare = direct.reduce((sum, { losses }) => sum + losses.length, 0);
console.log(
  `| direct search, ${direct.length} rates × ${direct[0].losses.length} seeds | ${best.learning_rate} | ${share(searchShare)} | – | ${best.mean.toFixed(4)} ± ${deviation.toFixed(4)} a seed | 0 |`,
);
writeFileSync(
  join(root, "bench/results/headline.json"),
  `${JSON.stringify({ command: "npm run bench:headline", config, tuned: own, first_spec: { config: firstConfig, tuned: first }, standard, direct, direct_best: best, seed_deviation: deviation }, null, 1)}\n`,
);
