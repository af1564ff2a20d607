/**
 * How one trial goes and ends: its loss curve and whether it diverged. What is
 * recorded depends on the trial's own losses only, not on how many steps a call
 * made or on the neighbours in its stack.
 */

/** One evaluation of one trial; losses in nats per token, null when diverged. */
export interface CurvePoint {
  readonly step: number;
  readonly validationLoss: number | null;
  /** Mean training loss since the previous evaluation; null at step 0. */
  readonly trainingLoss: number | null;
}

/** How one lane's training ended. */
export interface Outcome {
  /** `stopped` is one that was sound when it was not trained any further; `untrained` is yardstick.ts's word. */
  readonly status: "completed" | "stopped" | "untrained" | "diverged";
  /** Loss of the last evaluation, in nats per token; null when diverged. */
  readonly validationLoss: number | null;
  readonly curve: readonly CurvePoint[];
  /** Steps made, up to the one at which the trial diverged. */
  readonly steps: number;
}

/** A loss beyond this is blown up although it is still a number: a sane model's first loss is at most a few hundred nats. */
const blownUpNats = 1e4;

/** Rounding may put a loss of next to nothing below zero. */
const leastNats = -1e-3;
/** Whether a finite loss is one that a record can hold. */
export const isLoss = (loss: number): boolean => loss >= leastNats && loss < blownUpNats;

/** The loss, or null when it is not finite or blown up. */
const sound = (loss: number): number | null => (isLoss(loss) ? loss : null);

/** What a record holds, as plain data. */
export interface LaneSnapshot {
  readonly curve: readonly CurvePoint[];
  /** Sum of the training losses since the last evaluation, and how many they are. */
  readonly lossSum: number;
  readonly lossCount: number;
  readonly divergedAt: number | null;
}

/** What becomes of one lane while it trains: its curve, and the step at which it diverged. */
export class LaneRecord {
  private readonly curve: CurvePoint[] = [];
  private lossSum = 0;
  private lossCount = 0;
  private divergedAt: number | undefined;
  private reported = 0;

  /** Goes on from a snapshot, or begins. */
  constructor(snapshot?: LaneSnapshot) {
    if (snapshot === undefined) return;
    this.curve.push(...snapshot.curve);
    ({ lossSum: this.lossSum, lossCount: this.lossCount } = snapshot);
    this.divergedAt = snapshot.divergedAt ?? undefined;
  }

  get snapshot(): LaneSnapshot {
    const { curve, lossSum, lossCount, divergedAt } = this;
    return { curve: [...curve], lossSum: Number.isFinite(lossSum) ? lossSum : 0, lossCount, divergedAt: divergedAt ?? null };
  }

  get diverged(): boolean {
    return this.divergedAt !== undefined;
  }

  /** Latest validation loss, in nats. */
  get latest(): number | null {
    return this.curve.at(-1)?.validationLoss ?? null;
  }

  /** Losses that this was not asked for before; one that diverged between two evaluations has none at that step. */
  unreported(): readonly Pick<CurvePoint, "step" | "validationLoss">[] {
    const all =
      this.divergedAt === undefined || this.latest === null ? this.curve : [...this.curve, { step: this.divergedAt, validationLoss: null }];
    const points = all.slice(this.reported);
    this.reported = all.length;
    return points;
  }

  /** Takes the training loss of step `step`, counted from 1, before its update. */
  trained(step: number, loss: number): void {
    if (this.diverged) return;
    this.lossSum += loss;
    this.lossCount++;
    if (sound(loss) === null) this.divergedAt = step;
  }

  /** Takes the validation loss after `step` updates. */
  evaluated(step: number, loss: number): void {
    if (this.diverged) return;
    const validationLoss = sound(loss);
    this.curve.push({ step, validationLoss, trainingLoss: this.lossCount === 0 ? null : this.lossSum / this.lossCount });
    this.lossSum = this.lossCount = 0;
    if (validationLoss === null) this.divergedAt = step;
  }

  /** How it stands after `steps` of `planned` steps. */
  outcome(steps: number, planned: number): Outcome {
    const { curve, divergedAt } = this;
    if (divergedAt !== undefined) return { status: "diverged", validationLoss: null, curve, steps: divergedAt };
    return { status: steps < planned ? "stopped" : "completed", validationLoss: this.latest, curve, steps };
  }
}
