/** What a page says of one trial wherever it stands: its words and marks, the loss it is shown at, and what is told of it under the pointer. */
import { lossOf, valueOf } from "../../numbers.ts";
import type { TrialSummary } from "../../run/state.ts";
import type { Row } from "./figure.ts";
import type { ReportInput } from "./input.ts";

/** How a trial ended. */
export type Status = TrialSummary["status"];

/** How a trial ended, in words; tables and figures have the mark before it. */
export const endings: { readonly [K in Status]: { readonly word: string; readonly mark: string } } = {
  completed: { word: "completed", mark: "●" },
  stopped: { word: "stopped early", mark: "○" },
  untrained: { word: "learned nothing", mark: "□" },
  diverged: { word: "diverged", mark: "×" },
  failed: { word: "failed", mark: "|" },
};

/** What figures call a trial, so that it can be found in all of them. */
export const trialKey = (id: number): string => `trial ${id}`;

/** The column of a chart's rows that says what is told of a mark, and its channel. */
export const tipChannel = { description: { field: "tip", type: "nominal" } } as const;
/** A chart's rows, each the mark of something that can be told of. */
export const withTips = (rows: readonly Row[], tipOf: (row: Row) => string): readonly Row[] =>
  rows.map((row) => ({ ...row, tip: `${tipPrefix}${tipOf(row)}` }));
/** A chart's rows, each the mark of its trial. */
export const withTrials = (rows: readonly Row[]): readonly Row[] => withTips(rows, ({ trial }) => trialKey(Number(trial)));
/** How a drawing tells what is said of a mark from what Vega says of marks by itself. */
export const tipPrefix = "tip:";

/** The means over fresh seeds, by trial. */
export const meansOf = ({ confirmed }: Pick<ReportInput, "confirmed">): ReadonlyMap<number, ReportInput["confirmed"][number]> =>
  new Map(confirmed.map((each) => [each.trial, each]));

/** A mean over fresh seeds with one standard error. */
export const meanText = ({ mean, standardError }: ReportInput["confirmed"][number]): string =>
  `${mean === null ? "no mean" : lossOf(mean)}${mean === null || standardError === null ? "" : ` ± ${lossOf(standardError)}`}`;

const settingsOf = (hyperparameters: object): string =>
  Object.entries(hyperparameters)
    .map(([name, value]) => `${name} ${valueOf(Number(value))}`)
    .join("\n");

/** What is told of each trial that is drawn: how it ended, its loss and its hyperparameters. */
export function tipsOf(input: ReportInput): ReadonlyMap<string, string> {
  const means = meansOf(input);
  const ended = input.sample.map((trial): [string, string] => {
    const { id, status, validation_loss: loss, steps, reason, hyperparameters } = trial;
    const mean = means.get(id);
    return [
      trialKey(id),
      [
        `${trialKey(id)}${id === input.best?.trial ? ", the winner" : ""}: ${endings[status].word} after ${steps} steps`,
        ...(reason === undefined ? [] : [reason]),
        ...(loss === null ? [] : [`validation loss ${lossOf(loss)}`]),
        ...(mean === undefined ? [] : [`fresh seeds ${meanText(mean)} (${mean.seeds})`]),
        settingsOf(hyperparameters),
      ].join("\n"),
    ];
  });
  const training = trainingNow(input).map(({ name, step, curve }): [string, string] => [
    name,
    `${name}: in training, step ${step}\nvalidation loss ${lossOf(curve.at(-1)?.validationLoss ?? null)}`,
  ]);
  return new Map([...training, ...ended]);
}

/** A training that goes on, as a page names it. */
export interface TrainingNow {
  readonly name: string;
  readonly trial: number;
  readonly isTarget: boolean;
  readonly step: number;
  readonly curve: readonly { readonly step: number; readonly validationLoss: number | null }[];
}

/** What is in training; once every trial has ended, that is the target. */
export function trainingNow({ live, phase, spec }: ReportInput): readonly TrainingNow[] {
  return (live?.stacks ?? []).flatMap(({ step, trainings }) =>
    trainings.map(({ trial, seed, curve }, index) => {
      if (live?.besides?.kind === "check") {
        const name = trainings.length === 1 ? live.besides.name : `${live.besides.name}, ${index + 1} of ${trainings.length}`;
        return { name, trial, isTarget: false, step, curve };
      }
      const isTarget = trial < 0 || phase === "finished" || live?.besides !== undefined;
      const again = spec !== undefined && seed !== spec.seed ? `, seed ${seed}` : "";
      return { name: isTarget ? "the target" : `${trialKey(trial)}${again}`, trial, isTarget, step, curve };
    }),
  );
}
