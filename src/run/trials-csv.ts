/** The format of trials.csv: every training of a sweep as a line, for spreadsheets. */
import type { HyperparameterName } from "../parametrization/roles.ts";
import type { TrialResult } from "./trial-result.ts";

const csvCell = (value: string | number | null | undefined): string => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Every first run as CSV, best first, and then the confirmations, a piece at a time; losses in nats. */
export function* trialsCsv(ranked: Iterable<TrialResult>, seed: number): Generator<string> {
  const line = (cells: readonly (string | number | null | undefined)[]): string => `${cells.map(csvCell).join(",")}\n`;
  let names: readonly HyperparameterName[] | undefined;
  let rank = 0;
  for (const trial of ranked) {
    if (names === undefined) {
      names = Object.keys(trial.hyperparameters) as HyperparameterName[];
      yield line(["rank", "trial", "status", "validation_loss", "steps", "seed", ...names, "reason"]);
    }
    const tried = names.map((name) => trial.hyperparameters[name]);
    yield line([
      trial.seed === seed ? ++rank : null,
      trial.id,
      trial.status,
      trial.validation_loss,
      trial.steps,
      trial.seed,
      ...tried,
      trial.reason,
    ]);
  }
}
