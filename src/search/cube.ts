/**
 * The unit cube that designers see: one dimension for each hyperparameter that is
 * free, with logarithms, lists and integers laid out evenly. Lists count by
 * rank: their spacing says what their author takes for a step.
 */
import { completePoint, isFree, levelsOf, valueAt, valuesOf, type FreeDomain, type Point, type Space } from "./space.ts";

/** One free hyperparameter as an axis of the cube. */
export interface Dimension {
  readonly name: string;
  /** Number of values, each an equal part of [0, 1]; Infinity for a continuous range. */
  readonly levels: number;
  /** The value at 0 ≤ u < 1. */
  value(u: number): number;
  /** Where a value lies, the middle of its part for a list; within [0, 1] although a condition's `otherwise` need not be in the domain. */
  coordinate(value: number): number;
}

const clamp = (u: number): number => Math.min(1, Math.max(0, u));

function ladder(name: string, values: readonly number[]): Dimension {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const levels = sorted.length;
  return {
    name,
    levels,
    value: (u) => sorted[Math.min(levels - 1, Math.floor(u * levels))],
    coordinate: (value) => {
      const above = sorted.findIndex((each) => each >= value);
      if (above <= 0) return (above === 0 ? 0.5 : levels - 0.5) / levels;
      return (above + 0.5 - (sorted[above] - value) / (sorted[above] - sorted[above - 1])) / levels;
    },
  };
}

function slope(name: string, domain: Exclude<FreeDomain, { readonly values: readonly number[] }>): Dimension {
  const { distribution, min, max } = domain;
  const share =
    distribution === "log_uniform"
      ? (value: number): number => (value > 0 ? Math.log(value / min) / Math.log(max / min) : 0)
      : (value: number): number => (value - min) / (max - min);
  return { name, levels: Infinity, value: (u) => valueAt(domain, u), coordinate: (value) => clamp(share(value)) };
}

/** Integers beyond so many are as good as continuous. */
const mostLevels = 10_000;

function dimensionOf(name: string, domain: FreeDomain): Dimension {
  if ("values" in domain) return ladder(name, domain.values);
  const values = levelsOf(domain) > mostLevels ? undefined : valuesOf(domain);
  return values === undefined ? slope(name, domain) : ladder(name, values);
}

/** A space's free hyperparameters as the unit cube. */
export interface Cube {
  readonly dimensions: readonly Dimension[];
  /** The point at one coordinate per dimension. */
  readonly pointAt: (coordinates: ArrayLike<number>) => Point;
  /** Where a point lies; a hyperparameter that a condition fixes lies where its value does. */
  readonly coordinatesOf: (point: Point) => readonly number[];
}

/** The unit cube of a space. */
export function cubeOf(space: Space): Cube {
  const all = Object.entries(space).flatMap(([name, domain]) => (isFree(domain) ? [dimensionOf(name, domain)] : []));
  const dimensions = all.filter(({ levels }) => levels > 1);
  return {
    dimensions,
    pointAt: (coordinates) => {
      let next = 0;
      return completePoint(
        space,
        Object.fromEntries(all.map((each) => [each.name, each.value(each.levels > 1 ? coordinates[next++] : 0)])),
      );
    },
    coordinatesOf: (point) => dimensions.map((each) => each.coordinate(point[each.name])),
  };
}
