/** What is known of trials that were trained again on fresh seeds, and what a set of rules makes of that. Types only. */

/** A trial trained again on fresh seeds. */
export interface Confirmed {
  readonly id: number;
  readonly learningRate: number;
  readonly seeds: readonly number[];
  /** One per seed; null where it did not complete. */
  readonly validationLosses: readonly (number | null)[];
  /** Null when a seed did not complete. */
  readonly meanLoss: number | null;
  /** Loss of the trial's own first run, by which it was chosen; null when that was stopped early. */
  readonly firstLoss: number | null;
  /** Whether it diverged or learned nothing on a fresh seed, which a failure is not. */
  readonly isRefuted: boolean;
}

/** Which fresh seeds there are, in order: each trial that is confirmed gets the first `least` of them. */
export interface FreshSeeds {
  readonly seeds: readonly number[];
  readonly least: number;
}

/** How trials were told apart by more seeds, or were not. */
export interface Race {
  /** Trials that got more seeds than the others, by id; nobody when none were added. */
  readonly raced: readonly number[];
  /** Fresh seeds that those share which were in it to the end. */
  readonly seeds: number;
  /** Trials that these do not tell apart, from best to worst; only the best when they do. */
  readonly tied: readonly number[];
}

/** What fresh seeds have decided. */
export interface Decision {
  /** From best to worst. */
  readonly confirmed: readonly Confirmed[];
  /** Undefined when no trial completed on all of its seeds. */
  readonly winner: { readonly id: number; readonly standardError: number | null } | undefined;
  /** Undefined under rules that do not race. */
  readonly race: Race | undefined;
}
