/**
 * Gaussian-process regression on the unit cube: Matérn-5/2 kernel with one length scale per dimension,
 * noise, and hyperparameters at the maximum of their posterior.
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), chapters 2, 4 and 5.
 */
import { cholesky, inverseOf, solveLower, solveUpper } from "./cholesky.ts";

/** Points of the unit cube, a row of coordinates each. */
type Coordinates = readonly (readonly number[])[];

/** Logarithms of: one length scale per dimension, the signal's variance, the noise's variance. */
type Logs = Float64Array;

/** Normal priors of the logarithms; targets have a variance of about one. Length scales grow with √d, as Hvarfner et al. (2024) argue. */
const priors = (dimensions: number): readonly { readonly mean: number; readonly std: number }[] => [
  ...Array.from({ length: dimensions }, () => ({ mean: Math.log(0.4 * Math.sqrt(dimensions / 3)), std: 0.8 })),
  { mean: 0, std: 1 },
  { mean: Math.log(1e-3), std: 1.5 },
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
): { readonly value: number; readonly gradient: Float64Array } | undefined {
  const n = y.length;
  const dimensions = logs.length - 2;
  const inverseSquares = logs.slice(0, dimensions).map((log) => Math.exp(-2 * log));
  const signal = Math.exp(logs[dimensions]);
  const noise = Math.exp(logs[dimensions + 1]);
  const k = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) k[i * n + j] = signal * matern(squaredDistance(x[i], x[j], inverseSquares));
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
      const r = root5 * Math.sqrt(squaredDistance(x[i], x[j], inverseSquares));
      const slope = weight * signal * (5 / 3) * (1 + r) * Math.exp(-r);
      for (let d = 0; d < dimensions; d++) gradient[d] += slope * (x[i][d] - x[j][d]) ** 2 * inverseSquares[d];
    }
  }
  priors(dimensions).forEach(({ mean, std }, index) => {
    const z = (logs[index] - mean) / std;
    value -= (z * z) / 2;
    gradient[index] -= z / std;
  });
  return { value, gradient };
}

/** Climbs from `start` with a step of its own for each number, by the signs of the gradient (Riedmiller and Braun, Rprop, 1993). */
function climb(start: Logs, x: Coordinates, y: Float64Array): { readonly logs: Logs; readonly value: number } {
  let best = { logs: start, value: -Infinity };
  const logs = Float64Array.from(start);
  const steps = new Float64Array(logs.length).fill(0.3);
  let previous: Float64Array | undefined;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const here = logPosterior(logs, x, y);
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

function fit(x: Coordinates, y: Float64Array): Logs {
  const prior = priors(x[0].length);
  const climbed = starts.map((shift) =>
    climb(
      Float64Array.from(prior, ({ mean, std }, index) => mean + (index < prior.length - 2 ? shift * std : 0)),
      x,
      y,
    ),
  );
  return climbed.reduce((best, each) => (each.value > best.value ? each : best)).logs;
}

/** A Gaussian process fitted to results, as its means and variances at some points; a result at one of them changes the variances of all. */
export class GaussianProcess {
  readonly means: Float64Array;
  readonly variances: Float64Array;
  private readonly points: Coordinates;
  private readonly inverseSquares: Float64Array;
  private readonly signal: number;
  private readonly noise: number;
  /** Row i holds entry i of L⁻¹·k(x, point) for every point. */
  private readonly whitened: Float64Array[] = [];

  /** Learns targets `y` (best smallest, of about zero mean and unit variance) at rows `x`; the first rows count for the fit when there are many. */
  constructor(x: Coordinates, y: Float64Array, points: Coordinates) {
    const chosen = x.length <= fittedRows ? x.map((_, index) => index) : sampleOf(x.length, fittedRows);
    const logs = fit(
      chosen.map((index) => x[index]),
      Float64Array.from(chosen, (index) => y[index]),
    );
    const dimensions = logs.length - 2;
    this.inverseSquares = logs.slice(0, dimensions).map((log) => Math.exp(-2 * log));
    this.signal = Math.exp(logs[dimensions]);
    this.noise = Math.exp(logs[dimensions + 1]);
    this.points = points;
    this.means = new Float64Array(points.length);
    this.variances = new Float64Array(points.length).fill(this.signal);
    const n = x.length;
    const k = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) k[i * n + j] = this.covariance(x[i], x[j]);
      k[i * n + i] = this.signal + this.noise;
    }
    const l = cholesky(k, n);
    if (l === undefined) throw new Error("GaussianProcess: the covariance of a fit is not positive");
    const residuals = solveLower(l, n, y);
    for (let i = 0; i < n; i++) {
      const row = Float64Array.from(points, (point) => this.covariance(x[i], point));
      for (let j = 0; j < i; j++) subtract(row, this.whitened[j], l[i * n + j]);
      this.take(row, l[i * n + i], residuals[i]);
    }
  }

  private covariance(a: ArrayLike<number>, b: ArrayLike<number>): number {
    return this.signal * matern(squaredDistance(a, b, this.inverseSquares));
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

  /** Takes the mean at point `index` for a result (the kriging believer of Ginsbourger et al., 2010): means stay, variances shrink. */
  takeMeanForResult(index: number): void {
    const row = Float64Array.from(this.points, (each) => this.covariance(this.points[index], each));
    for (const each of this.whitened) subtract(row, each, each[index]);
    this.take(row, Math.sqrt(this.variances[index] + this.noise), 0);
  }
}

function subtract(row: Float64Array, other: Float64Array, factor: number): void {
  for (let p = 0; p < row.length; p++) row[p] -= factor * other[p];
}

/** The first half of `count` indices, and the rest spread evenly over those up to `total`. */
function sampleOf(total: number, count: number): readonly number[] {
  const half = Math.floor(count / 2);
  return Array.from({ length: count }, (_, index) =>
    index < half ? index : half + Math.floor(((index - half) * (total - half)) / (count - half)),
  );
}
