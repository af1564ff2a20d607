/**
 * `node dist/bench/replay/edges.js [replays]`: how often a winner's edge is refused where the optimum lies beyond it, and
 * where nothing would be lost by lying inside. Sweeps of random trials are replayed in windows of the 784-cell table; what
 * lies beyond a window, the table knows. Prints rates for each number of trials.
 */
import { randomStream } from "../../src/rng.ts";
import { importances } from "../../src/search/analysis.ts";
import { edgeGains, edgesOf, type Edge } from "../../src/search/edges.ts";
import { everyPoint, type Space } from "../../src/search/space.ts";
import { assumedDeviationNats } from "../../src/statistics.ts";
import { readTable } from "./table.ts";

const replays = Number(process.argv[2] ?? 500);
const budgets = [8, 16, 24, 48];
/** An edge beyond which more than the first is gained is a true one; one beyond and at which less than the second is gained is harmless. */
const [trueNats, harmlessNats] = [0.03, 0.01];
/** How far beyond an edge is looked, in the table's steps: the factor of 4 that a user is told to go on by. */
const beyondSteps: Readonly<Record<string, number>> = { learning_rate: 4, init_std: 2, output_multiplier: 2 };
/** The fewest values of a window. */
const leastValues: Readonly<Record<string, number>> = { learning_rate: 6, init_std: 3, output_multiplier: 3 };

const { space, losses_nats: curves } = readTable();
const names = Object.keys(space);
const cells = everyPoint(space).map((point, cell) => {
  const losses = curves[cell].map((seed) => seed.at(-1) ?? 20);
  return { point, losses, mean: losses.reduce((sum, loss) => sum + loss, 0) / losses.length };
});
type Cell = (typeof cells)[number];
/** The first and the last index of each name's values. */
type Window = Readonly<Record<string, readonly [first: number, last: number]>>;
const within = (window: Window): readonly Cell[] =>
  cells.filter(({ point }) =>
    names.every((name) => {
      const index = space[name].values.indexOf(point[name]);
      return index >= window[name][0] && index <= window[name][1];
    }),
  );
const best = (window: Window): number => within(window).reduce((least, { mean }) => Math.min(least, mean), Infinity);

/** What the table knows of an edge: what is gained beyond it, and what is lost by keeping off it; undefined where the table ends. */
function truthOf(window: Window, { name, side }: Edge): { readonly beyond: number; readonly worth: number } | undefined {
  const [first, last] = window[name];
  const end = space[name].values.length - 1;
  if (side === "lower" ? first === 0 : last === end) return undefined;
  const steps = beyondSteps[name];
  const wider = side === "lower" ? [Math.max(0, first - steps), last] : [first, Math.min(end, last + steps)];
  const inside = side === "lower" ? [first + 1, last] : [first, last - 1];
  const at = side === "lower" ? [first, first] : [last, last];
  const bestIn = (range: readonly number[]): number => best({ ...window, [name]: [range[0], range[1]] });
  return { beyond: best(window) - bestIn(wider), worth: bestIn(inside) - bestIn(at) };
}

/** Refusals of each rule, and edges in all. */
interface Count {
  edges: number;
  gain: number;
  importance: number;
}
const counts = new Map<string, Count>();
function count(key: string, refused: Pick<Record<keyof Count, boolean>, "gain" | "importance">): void {
  const known = counts.get(key) ?? { edges: 0, gain: 0, importance: 0 };
  counts.set(key, known);
  known.edges++;
  if (refused.gain) known.gain++;
  if (refused.importance) known.importance++;
}

for (const trials of budgets)
  for (let replay = 0; replay < replays; replay++) {
    const stream = randomStream(replay, `edges ${trials}`);
    const window: Window = Object.fromEntries(
      names.map((name) => {
        const { length } = space[name].values;
        const values = leastValues[name] + stream.integer(length - leastValues[name] + 1);
        const first = stream.integer(length - values + 1);
        return [name, [first, first + values - 1]];
      }),
    );
    const all = within(window).map((cell) => ({ cell, order: stream.uniform() }));
    if (all.length < trials) continue;
    const tried = all
      .sort((a, b) => a.order - b.order)
      .slice(0, trials)
      .map(({ cell }) => cell);
    const seed = replay % 3;
    const ranked = [...tried].sort((a, b) => a.losses[seed] - b.losses[seed]);
    // Confirmed as sweeps do it: the best on the other seeds.
    const fresh = ({ losses }: Cell): number => losses.reduce((sum, loss, index) => sum + (index === seed ? 0 : loss / 2), 0);
    const winner = ranked.slice(0, Math.max(4, Math.ceil(trials / 8))).reduce((a, b) => (fresh(b) < fresh(a) ? b : a));
    const domains: Space = Object.fromEntries(
      names.map((name) => [name, { values: space[name].values.slice(window[name][0], window[name][1] + 1) }]),
    );
    const results = ranked.map(({ point, losses }) => ({ point, loss: losses[seed] }));
    const edges = edgesOf(domains, winner.point).filter(({ name }) => name !== "learning_rate");
    const shares = edges.length === 0 ? [] : importances(domains, results, replay);
    edgeGains(domains, results, winner.point, edges).forEach((gain, index) => {
      const truth = truthOf(window, edges[index]);
      if (truth === undefined) return;
      const kind = truth.beyond >= trueNats ? "true" : Math.max(truth.beyond, truth.worth) <= harmlessNats ? "harmless" : "neither";
      const share = shares.find(({ name }) => name === edges[index].name);
      const refused = { gain: gain > 2 * assumedDeviationNats, importance: (share?.low ?? 0) > 0 };
      count(`${kind}, ${trials} trials`, refused);
      count(`${kind}, all`, refused);
    });
  }

for (const [key, { edges, gain, importance }] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  console.log(
    `${key}: ${edges} edges, ${Math.round((100 * gain) / edges)} % refused by what the winner owes, ${Math.round((100 * importance) / edges)} % by an importance above nothing`,
  );
