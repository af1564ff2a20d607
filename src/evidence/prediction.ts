/**
 * What the target's loss will be, from losses at smaller widths: L∞ + A·w^−α. Numbers
 * only. Source of the form: Kaplan et al. 2020, section 1.2, with the irreducible term of Henighan et al. 2020.
 */
import { mean, slopeOf } from "../statistics.ts";

export interface WidthLoss {
  readonly width: number;
  readonly lossNats: number;
}

export interface Prediction {
  readonly lossNats: number;
  /** Range over all exponents that fit within the seeds' noise, and that noise in the points and in the target. */
  readonly lowNats: number;
  readonly highNats: number;
  readonly exponent: number;
}

/** Exponents that are tried: slower than the first is a constant, faster than the last a step. */
const exponents = Array.from({ length: 96 }, (_, index) => 0.05 * (index + 2));
/** Noise that is assumed where no seeds tell, in nats. */
const assumedDeviation = 0.01;
/** Standard deviations within which an exponent counts as fitting. */
const tolerance = 2;

/** L∞, A and the squared residual of the best fit with a fixed exponent; A is not negative: wider is not worse. */
function fitWith(exponent: number, points: readonly WidthLoss[]): { readonly at: (width: number) => number; readonly squares: number } {
  const xs = points.map(({ width }) => width ** -exponent);
  const ys = points.map(({ lossNats }) => lossNats);
  const [mx, my] = [mean(xs), mean(ys)];
  const factor = Math.max(0, slopeOf(xs, ys));
  const at = (width: number): number => my + factor * (width ** -exponent - mx);
  return { at, squares: points.reduce((sum, { width, lossNats }) => sum + (at(width) - lossNats) ** 2, 0) };
}

/** Predicts the loss at `width` from at least two widths; `deviationNats` is one seed's, null when it is not known. */
export function predictLoss(points: readonly WidthLoss[], width: number, deviationNats: number | null): Prediction {
  const fits = exponents.map((exponent) => ({ exponent, ...fitWith(exponent, points) }));
  const best = fits.reduce((a, b) => (b.squares < a.squares ? b : a));
  const noise = tolerance * (deviationNats || assumedDeviation);
  const allowed = best.squares + noise ** 2;
  const margin = noise * Math.sqrt(1 + 1 / points.length);
  const range = fits.filter(({ squares }) => squares <= allowed).map(({ at }) => at(width));
  return { lossNats: best.at(width), lowNats: Math.min(...range) - margin, highNats: Math.max(...range) + margin, exponent: best.exponent };
}

/** The winner at one width between proxy and target, and at half and twice its learning rate; null where it diverged. */
export interface Between {
  readonly width: number;
  readonly proxyNats: number;
  readonly halfNats: number | null;
  readonly winnerNats: number | null;
  readonly twiceNats: number | null;
}

/** What speaks against a launch; nothing when the winner holds up. Differences within two seed deviations are none. */
export function objections(
  { width, proxyNats, halfNats, winnerNats, twiceNats }: Between,
  deviationNats: number | null,
): readonly string[] {
  if (winnerNats === null) return [`at width ${width} the winner's learning rate diverges`];
  const noise = tolerance * Math.SQRT2 * (deviationNats || assumedDeviation);
  const better = (loss: number | null): boolean => loss !== null && loss < winnerNats - noise;
  return [
    ...(better(halfNats) ? [`at width ${width} half the winner's learning rate is better: the optimum has moved`] : []),
    ...(better(twiceNats) ? [`at width ${width} twice the winner's learning rate is better: the optimum has moved`] : []),
    ...(winnerNats > proxyNats + noise ? [`width ${width} is worse than the proxy with the same hyperparameters`] : []),
  ];
}

/**
 * Widths to train before the launch: half the proxy's where a model can have it, and the one halfway to the target.
 * `isWidth` says what a model can have: multiples of some number, of which proxy and target are two.
 */
export function checkWidths(
  proxy: number,
  target: number,
  isWidth: (width: number) => boolean,
): { readonly below: number | undefined; readonly between: number } {
  let step = 1;
  while (!isWidth(step)) step++;
  const between = Math.round(Math.sqrt(proxy * target) / step) * step;
  return { below: isWidth(proxy / 2) ? proxy / 2 : undefined, between };
}
