/** What the analysis in results.json says, as sentences and a figure: the best learning rate's interval, and which hyperparameters mattered. */
import { percentOf, valueOf } from "../../numbers.ts";
import type { Results } from "../../run/results.ts";
import { rateWord } from "../rates.ts";
import { lastRate, withoutStopped } from "../ranking.ts";
import type { Figure, Layout, Row } from "./figure.ts";
import type { ReportInput } from "./input.ts";
import { html, type Markup } from "./markup.ts";
import { inkOf } from "./theme.ts";
import { tipChannel, withTips } from "./trials.ts";

/** With fewer trials shares are a guess. */
const fewTrials = 50;

/** The best learning rate with its interval, as a sentence. */
export function bestRateText({ optimum, steps, rate: name }: Results["analysis"]): string {
  const left = steps.spared > 0 ? `; ${withoutStopped}` : "";
  const word = rateWord(name);
  if (optimum === null) return `The trials do not determine the best ${word}${left}.`;
  const { learning_rate: rate, low, high, open } = optimum;
  const beyond =
    open == null ? "" : `; the losses had not turned by ${lastRate[open]}, so it may lie ${open === "lower" ? "below" : "above"}`;
  return `The best ${word} is ${valueOf(rate)}, between ${valueOf(low)} and ${valueOf(high)} at 90 % confidence${beyond}${left}.`;
}

/** What the sweep says as a whole. */
export function findingsMarkup({ analysis, phase }: ReportInput): Markup | undefined {
  if (phase === "none") return undefined;
  const [first] = analysis?.importance ?? [];
  const text =
    analysis === undefined
      ? "The best learning rate's interval and what each hyperparameter mattered are known when the sweep has ended."
      : [
          bestRateText(analysis),
          ...(first === undefined ? [] : [` ${first.hyperparameter} mattered most: ${percentOf(first.share)} of the ranks' variance.`]),
        ].join("");
  return html`<section id="findings">
    <h2>What the trials say</h2>
    <p>${text}</p>
  </section>`;
}

/** Pixels for the names beside the bars. */
const namePixels = 160;

/** The shares of the hyperparameters; nothing before the sweep has ended. */
export function importance({ analysis, ranked }: ReportInput): Figure | undefined {
  const rows: readonly Row[] = (analysis?.importance ?? []).map(({ hyperparameter, share, low, high }) => ({
    hyperparameter,
    share,
    low,
    high,
  }));
  if (rows.length === 0) return undefined;
  const guess = ranked.length < fewTrials ? ` With fewer than ${fewTrials} trials this is a guess.` : "";
  const told = withTips(
    rows,
    ({ hyperparameter, share, low, high }) =>
      `${String(hyperparameter)}: ${percentOf(Number(share))} (${percentOf(Number(low))} to ${percentOf(Number(high))})`,
  );
  const y = {
    field: "hyperparameter",
    type: "nominal",
    sort: null,
    title: null,
    axis: { labelLimit: namePixels - 10, labelColor: inkOf("ink"), ticks: false, domain: false },
  };
  const x = {
    field: "share",
    type: "quantitative",
    title: "share of the ranks' variance",
    scale: { domain: [0, 1] },
    axis: { format: ".0%", values: [0, 0.5, 1] },
  };
  return {
    name: "importance",
    title: "What mattered",
    caption: `How much of the differences between the trials' ranks each hyperparameter explains, over the ranges that were searched; the line through the end of a bar is its 90 % interval.${guess}`,
    rows,
    chart: (layout: Layout) => ({
      width: layout.width - 32 - namePixels,
      height: { step: 44 },
      layer: [
        { data: { values: told }, mark: { type: "bar", color: inkOf("trial"), height: 20 }, encoding: { x, y, ...tipChannel } },
        {
          data: { values: told },
          mark: { type: "rule", color: inkOf("ink"), strokeWidth: 2 },
          encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y, ...tipChannel },
        },
      ],
    }),
    table: {
      head: ["hyperparameter", "share", "90 % interval"],
      numeric: [false, true, true],
      rows: (analysis?.importance ?? []).map(({ hyperparameter, share, low, high }) => [
        hyperparameter,
        percentOf(share),
        `${percentOf(low)} to ${percentOf(high)}`,
      ]),
    },
  };
}
