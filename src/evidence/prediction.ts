/**
 * What the target's loss will be, from losses at smaller widths: L∞ + A·w^−α. Numbers
 * only. Source of the form: Kaplan et al. 2020, section 1.2, with the irreducible term of Henighan et al. 2020.
 */
import { assumedDeviationNats, mean, slopeOf, studentBound } from "../statistics.ts";

/** The loss of one width. */
export interface WidthLoss {
  readonly width: number;
  readonly validationLoss: number;
}

/** A prediction of the target's loss. */
export interface Prediction {
  readonly validationLoss: number;
  /**
   * Range over all exponents that fit within the seeds' noise, and that noise (or what the fit misses the points by, if
   * that is more) in the points and in the target. It takes the law for granted.
   */
  readonly low: number;
  readonly high: number;
  /** Null when the points leave it open. */
  readonly exponent: number | null;
}

/** One seed's standard deviation, and the degrees of freedom it was estimated with; undefined when no seeds tell. */
export type Noise = { readonly deviationNats: number; readonly freedom: number } | undefined;

/** Exponents that are tried: slower than the first is a constant, faster than the last a step. */
const exponents = Array.from({ length: 96 }, (_, index) => 0.05 * (index + 2));
/** What a seed is assumed to change at most where no seeds tell, in nats. */
const assumedNats = 2 * assumedDeviationNats;
/** What one seed changes at most, up or down, but for a share `tail` of the cases to each side, in nats. */
export const noiseNats = (noise: Noise, tail = 0.025): number =>
  noise === undefined || noise.deviationNats === 0 ? assumedNats : studentBound(tail, noise.freedom) * noise.deviationNats;

/** L∞, A and the squared residual of the best fit with a fixed exponent; A is not negative: wider is not worse. */
function fitWith(exponent: number, points: readonly WidthLoss[]): { readonly at: (width: number) => number; readonly squares: number } {
  const xs = points.map(({ width }) => width ** -exponent);
  const ys = points.map(({ validationLoss }) => validationLoss);
  const [mx, my] = [mean(xs), mean(ys)];
  const factor = Math.max(0, slopeOf(xs, ys));
  const at = (width: number): number => my + factor * (width ** -exponent - mx);
  return { at, squares: points.reduce((sum, { width, validationLoss }) => sum + (at(width) - validationLoss) ** 2, 0) };
}

/** Predicts the loss at `width` from at least two widths. */
export function predictLoss(points: readonly WidthLoss[], width: number, noise: Noise): Prediction {
  const fits = exponents.map((exponent) => ({ exponent, ...fitWith(exponent, points) }));
  const best = fits.reduce((a, b) => (b.squares < a.squares ? b : a));
  const bound = noiseNats(noise);
  const range = fits.filter(({ squares }) => squares <= best.squares + bound ** 2).map(({ at }) => at(width));
  const [low, high] = [Math.min(...range), Math.max(...range)];
  const margin = Math.max(bound, Math.sqrt(best.squares)) * Math.sqrt(1 + 1 / points.length);
  // Every exponent goes through two points; the middle is no worse than any.
  const isOpen = points.length < 3;
  return {
    validationLoss: isOpen ? (low + high) / 2 : best.at(width),
    low: low - margin,
    high: high + margin,
    exponent: isOpen ? null : best.exponent,
  };
}

/** Validation losses of the winner's proxy, and at one width between it and the target, there at half and twice its learning rate as well; null where it diverged. */
export interface Between {
  readonly width: number;
  readonly proxy: number;
  readonly half: number | null;
  readonly winner: number | null;
  readonly twice: number | null;
}

/** What speaks against a launch; nothing when the winner holds up. Differences that seeds explain are none. */
export function objections({ width, proxy, half, winner, twice }: Between, noise: Noise): readonly string[] {
  if (winner === null) return [`at width ${width} the winner's learning rate diverges`];
  const bound = Math.SQRT2 * noiseNats(noise);
  const better = (loss: number | null): boolean => loss !== null && loss < winner - bound;
  return [
    ...(better(half) ? [`at width ${width} half the winner's learning rate is better: the optimum has moved, or the sweep missed it`] : []),
    ...(better(twice)
      ? [`at width ${width} twice the winner's learning rate is better: the optimum has moved, or the sweep missed it`]
      : []),
    ...(winner > proxy + bound ? [`width ${width} is worse than the proxy with the same hyperparameters`] : []),
  ];
}

/**
 * Widths to train before the launch: half the proxy's where a model can have it, and the one nearest to halfway to the
 * target, as a factor, that a model can have.
 */
export function checkWidths(
  proxy: number,
  target: number,
  isWidth: (width: number) => boolean,
): { readonly below: number | undefined; readonly between: number } {
  const halfway = Math.round(Math.sqrt(proxy * target));
  let away = 0;
  while (!isWidth(halfway - away) && !isWidth(halfway + away)) away++;
  const between = isWidth(halfway - away) ? halfway - away : halfway + away;
  return { below: isWidth(proxy / 2) ? proxy / 2 : undefined, between };
}
