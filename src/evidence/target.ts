/**
 * What a target's end says of the transfer: whether it learned at all, whether it is worse than the proxy by more than
 * seeds explain, and what may be to blame. Numbers only; what a target is judged untrained by is training's business.
 */
import { lossOf, valueOf } from "../numbers.ts";
import type { Parametrization } from "../parametrization/roles.ts";
import type { CurvePoint, Outcome } from "../training/outcome.ts";
import { noiseNats, type Between, type Noise } from "./prediction.ts";

/** A target that `holds` learned, and is no worse than the proxy where it is larger; one that is `worse` learned, and is. */
export type TargetWord = "holds" | "worse" | "untrained" | "diverged";

/** What a target's end is judged by; losses in nats. */
export interface TargetEnd {
  readonly outcome: Outcome;
  /** Whether it is wider or deeper than the proxy; nothing is to be compared otherwise. */
  readonly isLarger: boolean;
  /** The proxy's loss with the same hyperparameters: the mean over so many seeds. */
  readonly proxyLoss: number;
  readonly proxySeeds: number;
  readonly noise: Noise;
  readonly parametrization: Parametrization;
  /** How often it has read its text. */
  readonly passes: number;
  /** Whether its training and validation losses have parted by more than sampling explains. */
  readonly hasParted: boolean;
  /** The winner's value of the learning rate whose optimum the sweep has estimated, and what it is called. */
  readonly rate: { readonly word: string; readonly value: number };
  /** Where the sweep's interval of the best learning rate ends; null when it has none. */
  readonly highestRate: number | null;
  /** What the check before the launch has found, if there was one. */
  readonly between: Pick<Between, "width" | "half" | "winner"> | undefined;
}

/** What a target's end comes to. */
export interface TargetVerdict {
  readonly word: TargetWord;
  /** What may be to blame, when it does not hold, or holds within what seeds explain only. */
  readonly reasons: readonly string[];
  /** Whether it is larger than the proxy, so that its loss says something beside the proxy's. */
  readonly isCompared: boolean;
  /** By how much a target that is no worse is above the proxy in 1 of 20 cases, in nats. */
  readonly marginNats: number;
}

/** Why the best hyperparameters of a proxy are not expected to be the target's, where a parametrization is to blame. */
export const movesBecause: { readonly [P in Parametrization]: string | undefined } = {
  mup: undefined,
  completep: undefined,
  sp_fan_in: "only initial weights follow the width",
  sp: "nothing follows the width",
};

/** Judges a target's end; `outcome` is one that was judged by what an untrained model loses. */
export function judgeTarget(end: TargetEnd): TargetVerdict {
  const { outcome, isLarger, proxyLoss, proxySeeds, noise } = end;
  const marginNats = noiseNats(noise, 0.05) * Math.sqrt(1 + 1 / proxySeeds);
  const { status, validationLoss } = outcome;
  const isWorse = isLarger && validationLoss !== null && validationLoss > proxyLoss + marginNats;
  const word = status === "diverged" || status === "untrained" ? status : isWorse ? "worse" : "holds";
  const isAbove = isLarger && validationLoss !== null && validationLoss > proxyLoss;
  return { word, reasons: word === "holds" && !isAbove ? [] : reasonsOf(end), isCompared: isLarger, marginNats };
}

function reasonsOf({ outcome, isLarger, noise, parametrization, passes, hasParted, rate, highestRate, between }: TargetEnd): string[] {
  const why = isLarger ? movesBecause[parametrization] : undefined;
  const isLearntByHeart = passes > 1 && (hasParted || turned(outcome.curve));
  const half = between?.winner == null || between.half === null ? 0 : between.winner - between.half;
  const isMoved = half > Math.SQRT2 * noiseNats(noise);
  return [
    ...(why === undefined
      ? []
      : [`parametrization ${parametrization}: ${why}, so that a proxy's best hyperparameters are not the target's; use mup`]),
    ...(isLearntByHeart
      ? [
          `overfitting: it read its text ${passes < 10 ? passes.toFixed(1) : Math.round(passes)} times over, and its validation loss does not follow its training loss; give more text, or fewer steps`,
        ]
      : []),
    ...(isMoved
      ? [`at width ${between?.width} half the winner's learning rate was better by ${lossOf(half)} nats: the optimum has moved below it`]
      : []),
    ...(highestRate !== null && rate.value > highestRate
      ? [
          `the winner's ${rate.word} ${valueOf(rate.value)} is beyond the sweep's interval of the best, which ends at ${valueOf(highestRate)}`,
        ]
      : []),
  ];
}

/** A validation loss that ends so far above its lowest has risen: what samples of windows differ by. */
const risenNats = 0.02;

/** Whether the validation loss has risen since its lowest while the training loss went on falling. */
function turned(curve: readonly CurvePoint[]): boolean {
  const points = curve.flatMap(({ validationLoss, trainingLoss }) =>
    validationLoss === null || trainingLoss === null ? [] : [{ validationLoss, trainingLoss }],
  );
  const last = points.at(-1);
  if (last === undefined) return false;
  const lowest = points.reduce((a, b) => (b.validationLoss < a.validationLoss ? b : a));
  return last.validationLoss > lowest.validationLoss + risenNats && last.trainingLoss < lowest.trainingLoss;
}
