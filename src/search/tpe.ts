/**
 * Tree-structured Parzen estimator: the next point is where the density of good trials is highest in
 * relation to that of the others. Sources: Bergstra et al., "Algorithms for Hyper-Parameter
 * Optimization" (2011); Falkner et al., BOHB (2018), for densities over all dimensions at once;
 * Watanabe, "Tree-Structured Parzen Estimator" (2023), for the uniform prior and the bandwidths.
 */
import type { RandomStream } from "../rng.ts";
import type { Dimension } from "./cube.ts";
import type { Designer, DesignerOptions } from "./designer.ts";
import { learner, type PlacedPoint, type Situation } from "./learner.ts";
import { logNormalDensity, normalCdf } from "./normal.ts";

/** Trials that count as good, of so many: the square root's growth keeps few of few and does not drown in many. */
const goodOf = (trials: number): number => Math.max(1, Math.ceil(0.15 * trials));
/** Draws from the good trials' density per proposal, where the points of the space cannot be listed. */
const draws = 128;
/** Width of a kernel as a share of the range, for a density of one trial; it narrows as trials accumulate. */
const widest = 0.25;
/** Kernels are never narrower than this many values of a list, or this share of a range. */
const [narrowestPart, narrowestShare] = [0.5, 0.02];

/** Density of one trial along one dimension, relative to the uniform one. */
type Kernel = (u: number) => number;

/** Normal kernels cut off at the ends of [0, 1]; along a list, the mass of each value's part. */
function kernelsOf({ levels }: Dimension, centers: readonly number[], width: number): readonly Kernel[] {
  const made = new Map<number, Kernel>();
  const kernel = (center: number): Kernel => {
    const below = (u: number): number => normalCdf((u - center) / width);
    const inside = below(1) - below(0);
    if (levels === Infinity) return (u) => Math.exp(logNormalDensity((u - center) / width)) / (width * inside);
    const parts = Float64Array.from({ length: levels }, (_, v) => ((below((v + 1) / levels) - below(v / levels)) / inside) * levels);
    return (u) => parts[Math.min(levels - 1, Math.floor(u * levels))];
  };
  return centers.map((center) => {
    const known = made.get(center) ?? kernel(center);
    made.set(center, known);
    return known;
  });
}

/** A mixture of one product of kernels for each trial, and of the uniform density. */
interface Density {
  at(coordinates: readonly number[]): number;
  sample(stream: RandomStream): readonly number[];
}

function densityOf(centers: readonly (readonly number[])[], dimensions: readonly Dimension[]): Density {
  const shrink = Math.max(1, centers.length) ** (-1 / (dimensions.length + 4));
  const widths = dimensions.map(({ levels }) => Math.max(widest * shrink, levels === Infinity ? narrowestShare : narrowestPart / levels));
  const kernels = dimensions.map((dimension, d) =>
    kernelsOf(
      dimension,
      centers.map((center) => center[d]),
      widths[d],
    ),
  );
  return {
    at: (coordinates) => {
      let sum = 1;
      for (let trial = 0; trial < centers.length; trial++) {
        let product = 1;
        for (let d = 0; d < coordinates.length; d++) product *= kernels[d][trial](coordinates[d]);
        sum += product;
      }
      return sum / (centers.length + 1);
    },
    sample: (stream) => {
      const center = centers[stream.integer(centers.length + 1)];
      return widths.map((width, d) => {
        if (center === undefined) return stream.uniform();
        for (;;) {
          const u = center[d] + width * stream.normal();
          if (u >= 0 && u < 1) return u;
        }
      });
    },
  };
}

function propose({ cube, results, pending, stream, untried, isTried }: Situation, count: number): readonly PlacedPoint[] {
  const { dimensions, pointAt, coordinatesOf } = cube;
  const goods = goodOf(results.length);
  const good = densityOf(
    results.slice(0, goods).map(({ coordinates }) => coordinates),
    dimensions,
  );
  const others = [...results.slice(goods), ...pending].map(({ coordinates }) => coordinates);
  const chosen: PlacedPoint[] = [];
  while (chosen.length < count) {
    // Points that are under way count as bad ones (a constant liar), so that those of a batch keep their distance.
    const rest = densityOf([...others, ...chosen.map(({ coordinates }) => coordinates)], dimensions);
    const candidates =
      untried ??
      Array.from({ length: draws }, () => {
        const point = pointAt(good.sample(stream));
        return { point, coordinates: coordinatesOf(point) };
      }).filter(({ point }) => !isTried(point));
    const scores = candidates.map((candidate) =>
      chosen.includes(candidate) ? -Infinity : good.at(candidate.coordinates) / rest.at(candidate.coordinates),
    );
    const best = scores.indexOf(Math.max(...scores));
    if (best < 0 || scores[best] === -Infinity) break;
    chosen.push(candidates[best]);
  }
  return chosen;
}

/** The designer that specs call `tpe`. */
export const tpeDesigner = (options: DesignerOptions): Designer => learner(options, { label: "tpe", startup: () => 8, propose });
