/**
 * Gaussian-process regression on the unit cube: Matérn-5/2 kernel with one length scale per dimension,
 * noise, and hyperparameters at the maximum of their posterior.
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), chapters 2, 4 and 5.
 */
import { cholesky, inverseOf, solveLower, solveUpper } from "./cholesky.ts";

/** Points of the unit cube, a row of coordinates each. */
type Coordinates = readonly (readonly number[])[];

/** Logarithms of: one length scale per dimension, the signal's variance, the noise's variance. */
export type Logs = Readonly<Float64Array>;

/** What is believed of a curve before there are results: the median and the spread (of its logarithm) of each. */
export interface Beliefs {
  /** In a space of three dimensions; they grow with √d, as Hvarfner et al. (2024) argue. */
  readonly lengthScale: { readonly median: number; readonly spread: number };
  /** The noise's variance, of targets whose variance is about one. */
  readonly noise: { readonly median: number; readonly spread: number };
}
/** For a search: results are taken at their word. */
const trusting: Beliefs = { lengthScale: { median: 0.4, spread: 0.8 }, noise: { median: 1e-3, spread: 1.5 } };

/** Normal priors of the logarithms. */
const priors = (dimensions: number, { lengthScale, noise }: Beliefs): readonly { readonly mean: number; readonly std: number }[] => [
  ...Array.from({ length: dimensions }, () => ({
    mean: Math.log(lengthScale.median * Math.sqrt(dimensions / 3)),
    std: lengthScale.spread,
  })),
  { mean: 0, std: 1 },
  { mean: Math.log(noise.median), std: noise.spread },
];
/** Starts of the maximization, in standard deviations of the length scales' prior. */
const starts = [0, -1.2, 1];
const iterations = 25;
/** Rows that hyperparameters are fitted to, at most: the cost grows with their cube. */
const fittedRows = 120;

const root5 = Math.sqrt(5);
/** Matérn-5/2 correlation at the squared distance, in length scales. */
function matern(squared: number): number {
  const r = root5 * Math.sqrt(squared);
  return (1 + r + (r * r) / 3) * Math.exp(-r);
}

const squaredDistance = (a: ArrayLike<number>, b: ArrayLike<number>, inverseSquares: Float64Array): number => {
  let sum = 0;
  for (let d = 0; d < inverseSquares.length; d++) sum += (a[d] - b[d]) ** 2 * inverseSquares[d];
  return sum;
};

/** Log posterior of hyperparameters, up to a constant, and its gradient; undefined where the covariance cannot be factored. */
function logPosterior(
  logs: Logs,
  x: Coordinates,
  y: Float64Array,
  beliefs: Beliefs,
): { readonly value: number; readonly gradient: Float64Array } | undefined {
  const n = y.length;
  const dimensions = logs.length - 2;
  const inverseSquares = logs.slice(0, dimensions).map((log) => Math.exp(-2 * log));
  const signal = Math.exp(logs[dimensions]);
  const noise = Math.exp(logs[dimensions + 1]);
  const k = new Float64Array(n * n);
  /** Derivatives of `k` by half the squared distance, which share its exponential. */
  const slopes = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const r = root5 * Math.sqrt(squaredDistance(x[i], x[j], inverseSquares));
      const decay = Math.exp(-r);
      k[i * n + j] = signal * ((1 + r + (r * r) / 3) * decay);
      slopes[i * n + j] = signal * (5 / 3) * (1 + r) * decay;
    }
    k[i * n + i] = signal + noise;
  }
  const l = cholesky(k, n);
  if (l === undefined) return undefined;
  const alpha = solveUpper(l, n, solveLower(l, n, y));
  const inverse = inverseOf(l, n);
  const gradient = new Float64Array(logs.length);
  let value = 0;
  for (let i = 0; i < n; i++) {
    value -= Math.log(l[i * n + i]) + (y[i] * alpha[i]) / 2;
    const diagonal = alpha[i] * alpha[i] - inverse[i * n + i];
    gradient[dimensions] += (diagonal * signal) / 2;
    gradient[dimensions + 1] += (diagonal * noise) / 2;
    for (let j = 0; j < i; j++) {
      const weight = alpha[i] * alpha[j] - inverse[i * n + j]; // of both triangles
      gradient[dimensions] += weight * k[i * n + j];
      const slope = weight * slopes[i * n + j];
      for (let d = 0; d < dimensions; d++) gradient[d] += slope * (x[i][d] - x[j][d]) ** 2 * inverseSquares[d];
    }
  }
  priors(dimensions, beliefs).forEach(({ mean, std }, index) => {
    const z = (logs[index] - mean) / std;
    value -= (z * z) / 2;
    gradient[index] -= z / std;
  });
  return { value, gradient };
}

/** Climbs from `start` with a step of its own for each number, by the signs of the gradient (Riedmiller and Braun, Rprop, 1993). */
function climb(start: Logs, x: Coordinates, y: Float64Array, beliefs: Beliefs): { readonly logs: Logs; readonly value: number } {
  let best = { logs: start, value: -Infinity };
  const logs = Float64Array.from(start);
  const steps = new Float64Array(logs.length).fill(0.3);
  let previous: Float64Array | undefined;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const here = logPosterior(logs, x, y, beliefs);
    if (here === undefined) break;
    if (here.value > best.value) best = { logs: Float64Array.from(logs), value: here.value };
    const { gradient } = here;
    for (let index = 0; index < logs.length; index++) {
      const turned = previous === undefined ? 0 : Math.sign(gradient[index]) * Math.sign(previous[index]);
      steps[index] = Math.min(1, steps[index] * (turned < 0 ? 0.5 : turned > 0 ? 1.2 : 1));
      logs[index] += Math.sign(gradient[index]) * steps[index];
    }
    previous = gradient;
  }
  return best;
}

/** The most probable hyperparameters of results `y` at rows `x`; the first rows count when there are many. */
export function fittedLogs(rows: Coordinates, targets: Float64Array, beliefs = trusting): Logs {
  const chosen = sampleOf(rows.length, fittedRows);
  const x = chosen.map((index) => rows[index]);
  const y = Float64Array.from(chosen, (index) => targets[index]);
  const prior = priors(x[0].length, beliefs);
  const climbed = starts.map((shift) =>
    climb(
      Float64Array.from(prior, ({ mean, std }, index) => mean + (index < prior.length - 2 ? shift * std : 0)),
      x,
      y,
      beliefs,
    ),
  );
  return climbed.reduce((best, each) => (each.value > best.value ? each : best)).logs;
}

/** A Gaussian process fitted to results, as its means and variances at some points; a result at one of them changes the variances of all. */
export class GaussianProcess {
  /** Means at the results themselves: without their noise. */
  readonly smoothed: Float64Array;
  readonly means: Float64Array;
  readonly variances: Float64Array;
  private readonly points: Coordinates;
  /** Coordinates of all points along each dimension. */
  private readonly columns: readonly Float64Array[];
  private readonly inverseSquares: Float64Array;
  private readonly signal: number;
  private readonly noise: number;
  /** Row i holds entry i of L⁻¹·k(x, point) for every point. */
  private readonly whitened: Float64Array[] = [];

  /** Learns targets `y` (best smallest, of about zero mean and unit variance) at rows `x`, with hyperparameters fitted to them unless given. */
  constructor(x: Coordinates, y: Float64Array, points: Coordinates, logs = fittedLogs(x, y)) {
    const dimensions = logs.length - 2;
    this.inverseSquares = logs.slice(0, dimensions).map((log) => Math.exp(-2 * log));
    this.signal = Math.exp(logs[dimensions]);
    this.noise = Math.exp(logs[dimensions + 1]);
    this.points = points;
    this.columns = Array.from(this.inverseSquares, (_, d) => Float64Array.from(points, (point) => point[d]));
    this.means = new Float64Array(points.length);
    this.variances = new Float64Array(points.length).fill(this.signal);
    const n = x.length;
    const k = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) k[i * n + j] = this.signal * matern(squaredDistance(x[i], x[j], this.inverseSquares));
      k[i * n + i] = this.signal + this.noise;
    }
    const l = cholesky(k, n);
    if (l === undefined) throw new Error("GaussianProcess: the covariance of a fit is not positive");
    const residuals = solveLower(l, n, y);
    // K·α = y with K = k + noise·I, so that the means k·α are y − noise·α.
    this.smoothed = solveUpper(l, n, residuals).map((alpha, index) => y[index] - this.noise * alpha);
    for (let i = 0; i < n; i++) {
      const row = this.covariances(x[i]);
      subtract(row, this.whitened, l.subarray(i * n, i * n + i));
      this.take(row, l[i * n + i], residuals[i]);
    }
  }

  /** Covariances of one place with all points. */
  private covariances(place: readonly number[]): Float64Array {
    const row = new Float64Array(this.points.length);
    this.columns.forEach((column, d) => {
      const [center, inverseSquare] = [place[d], this.inverseSquares[d]];
      for (let p = 0; p < row.length; p++) row[p] += (center - column[p]) ** 2 * inverseSquare;
    });
    for (let p = 0; p < row.length; p++) row[p] = this.signal * matern(row[p]);
    return row;
  }

  /** Conditions means and variances on one more result. */
  private take(row: Float64Array, diagonal: number, residual: number): void {
    for (let p = 0; p < row.length; p++) {
      row[p] /= diagonal;
      this.means[p] += row[p] * residual;
      this.variances[p] = Math.max(1e-12, this.variances[p] - row[p] * row[p]);
    }
    this.whitened.push(row);
  }

  /** Covariances of the curve at a point with all points, given the results; `drift` times the noise's variance is left open whatever the results are. */
  covariancesAt(index: number, drift: number): Float64Array {
    const row = this.covariances(this.points[index]).map((prior) => prior * (1 + (drift * this.noise) / this.signal));
    // The results take away from what the prior leaves open, not from the drift.
    subtract(
      row,
      this.whitened,
      this.whitened.map((each) => each[index]),
    );
    return row;
  }

  /** Takes the mean at point `index` for a result (the kriging believer of Ginsbourger et al., 2010): means stay, variances shrink. */
  takeMeanForResult(index: number): void {
    const row = this.covariancesAt(index, 0);
    this.take(row, Math.sqrt(this.variances[index] + this.noise), 0);
  }
}

/** Subtracts rows times their factors from `row`: four at a time, as it takes longer to load and store numbers than to multiply them. */
function subtract(row: Float64Array, rows: readonly Float64Array[], factors: ArrayLike<number>): void {
  let first = 0;
  for (; first + 4 <= rows.length; first += 4) {
    const [a, b, c, d] = [rows[first], rows[first + 1], rows[first + 2], rows[first + 3]];
    const [fa, fb, fc, fd] = [factors[first], factors[first + 1], factors[first + 2], factors[first + 3]];
    for (let p = 0; p < row.length; p++) row[p] = row[p] - fa * a[p] - fb * b[p] - fc * c[p] - fd * d[p];
  }
  for (; first < rows.length; first++) {
    const [other, factor] = [rows[first], factors[first]];
    for (let p = 0; p < row.length; p++) row[p] -= factor * other[p];
  }
}

/** All of `total` indices or, of more than `most`, the first half of as many and the rest spread evenly over those that follow. */
export function sampleOf(total: number, most: number): readonly number[] {
  const count = Math.min(total, most);
  const half = Math.floor(count / 2);
  return Array.from({ length: count }, (_, index) =>
    index < half ? index : half + Math.floor(((index - half) * (total - half)) / (count - half)),
  );
}
