/**
 * Where a winner lies at an edge of what was tried, and what it owes to lying there. Numbers only: which edges stand
 * against a winner is for those to say who know how much a seed changes its loss.
 */
import { mean, squaredDeviations, thinned } from "../statistics.ts";
import { cubeOf } from "./cube.ts";
import { GaussianProcess } from "./gaussian-process.ts";
import { isFree, levelsOf, type Point, type Space } from "./space.ts";

/** A value at the edge of what was tried, and how far to look beyond it. */
export interface Edge {
  readonly name: string;
  readonly side: "lower" | "upper";
  readonly bound: number;
  readonly extendTo: number;
}

/** The lowest value that a hyperparameter can have at all; `open` excludes the bound itself. */
export interface Lowest {
  readonly bound: number;
  readonly open: boolean;
}

/** How near to a bound, as a fraction of the range, a value counts as lying at its edge. */
const edgeShare = 0.05;
/** How far an extension goes: in factors where values span a factor, in ranges elsewhere. */
const extension = 4;
/** Fewer different values than these have no inside that an edge could be told from. */
const leastLevels = 3;

/** Where a point is at an edge of the space. Where nothing lower is possible there is no lower edge. */
export function edgesOf(space: Space, point: Point, lowest: Readonly<Partial<Record<string, Lowest>>> = {}): readonly Edge[] {
  return Object.entries(space).flatMap(([name, domain]): Edge[] => {
    const value = point[name];
    // What a condition has fixed says nothing about the range.
    if (value === undefined || !isFree(domain) || value === domain.otherwise || levelsOf(domain) < leastLevels) return [];
    const [min, max] = "values" in domain ? [Math.min(...domain.values), Math.max(...domain.values)] : [domain.min, domain.max];
    const isLog = min > 0 && ("values" in domain || domain.distribution === "log_uniform");
    const share = isLog ? Math.log(value / min) / Math.log(max / min) : (value - min) / (max - min);
    const isInside = "values" in domain && value > min && value < max;
    const side = isInside ? undefined : share < edgeShare ? "lower" : share > 1 - edgeShare ? "upper" : undefined;
    const floor = lowest[name];
    if (side === undefined || (side === "lower" && floor !== undefined && min <= floor.bound)) return [];
    const reach = (max - min) / 2;
    const below = isLog ? min / extension : min - reach;
    // A linear step may lead below everything that is possible, where only a factor goes on.
    const reachable = floor === undefined || below > floor.bound ? below : floor.open ? min / extension : floor.bound;
    const extendTo = side === "lower" ? reachable : isLog ? max * extension : max + reach;
    return [{ name, side, bound: side === "lower" ? min : max, extendTo: Number(extendTo.toPrecision(4)) }];
  });
}

/** How far inside an edge the loss is compared with that at it, as a fraction of the range; a list's next value where that is further. */
const inward = 0.25;
/** Results that are looked at, the best half of them by rank and the others evenly: the cost grows with the cube of their number. */
const mostResults = 120;

/**
 * What a point would lose, in nats, by lying inside each of its edges instead of at it, with its other hyperparameters as
 * they are: the difference of a Gaussian process's means. `results` are best first; losses that are far worse than the
 * median count as no worse than twice as far from the best as that. Results that do not differ show no gain: 0.
 */
export function edgeGains(
  space: Space,
  results: readonly { readonly point: Point; readonly loss: number }[],
  point: Point,
  edges: readonly Pick<Edge, "name" | "side" | "bound">[],
): readonly number[] {
  const half = mostResults / 2;
  const rows = results.length <= mostResults ? results : [...results.slice(0, half), ...thinned(results.slice(half), half)];
  const most = results.length === 0 ? 0 : 2 * results[Math.floor((results.length - 1) / 2)].loss - results[0].loss;
  const losses = rows.map(({ loss }) => Math.min(loss, most));
  const center = mean(losses);
  const scale = Math.sqrt(squaredDeviations(losses) / losses.length);
  if (edges.length === 0 || !(scale > 0)) return edges.map(() => 0);
  const cube = cubeOf(space);
  const coordinates = cube.coordinatesOf(point);
  const compared = edges.flatMap(({ name, side, bound }) => {
    const index = cube.dimensions.findIndex((dimension) => dimension.name === name);
    const axis = cube.dimensions[index];
    const at = axis.coordinate(bound);
    const inside = at + (side === "lower" ? 1 : -1) * Math.max(inward, 1 / axis.levels);
    return [at, inside].map((u) => coordinates.map((each, dimension) => (dimension === index ? u : each)));
  });
  const { means } = new GaussianProcess(
    rows.map((row) => cube.coordinatesOf(row.point)),
    Float64Array.from(losses, (loss) => (loss - center) / scale),
    compared,
  );
  return edges.map((_, index) => scale * (means[2 * index + 1] - means[2 * index]));
}
