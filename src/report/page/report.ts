/**
 * A report: which figures a run has, their files, and the page that holds them all.
 * The same input gives the same bytes.
 */
import { rateNames } from "../rates.ts";
import { coordinateCheck } from "./coordinates.ts";
import { factsMarkup } from "./facts.ts";
import { findingsMarkup, importance } from "./findings.ts";
import { layouts, type Figure, type FigureName } from "./figure.ts";
import { csvOf, jsonOf } from "./files.ts";
import { history } from "./history.ts";
import type { ReportInput } from "./input.ts";
import { html, Markup, tableMarkup } from "./markup.ts";
import { parallelCoordinates } from "./parallel.ts";
import { rankingMarkup, trainingMarkup } from "./ranking.ts";
import { rateCurves } from "./rate-curves.ts";
import { reproduceMarkup } from "./reproduce.ts";
import { rateScatter, searchedOf, slices } from "./scatter.ts";
import { scriptHash, scripts, type PageKind } from "./script.ts";
import { pageStyle } from "./style.ts";
import { inlineSvg, openDrawing, svgFile, withTitles, type Draw } from "./svg.ts";
import { tensorsMarkup } from "./tensors.ts";
import { figureStyle } from "./theme.ts";
import { trainingCurves } from "./training-curves.ts";
import { tipsOf } from "./trials.ts";

/** How each figure is made; `undefined` when the run has nothing to show in it. */
const makers: { readonly [K in FigureName]: (input: ReportInput) => Figure | undefined } = {
  "loss-by-learning-rate": (input) => (input.curves === undefined ? rateScatter(input) : rateCurves(input.curves)),
  "coordinate-check": ({ coordCheck }) => (coordCheck === undefined ? undefined : coordinateCheck(coordCheck)),
  slices,
  importance,
  "parallel-coordinates": parallelCoordinates,
  history,
  "training-curves": trainingCurves,
};

/** Why a figure that others have may be absent here. */
const absences: { readonly [K in FigureName]: (input: ReportInput) => string } = {
  "loss-by-learning-rate": ({ spec }) =>
    `loss against learning rate: ${spec !== undefined && rateNames.every((name) => "value" in (spec.search.parameters[name] ?? { value: NaN })) ? "the learning rate was not searched" : "the trials that ended do not have two learning rates"}, and there is no curves.json`,
  "coordinate-check": () => "coordinate check: there is no coord-check.json in this folder",
  slices: () => "slices: no hyperparameter differs between the trials that ended",
  importance: (input) => `what mattered: ${whyNoImportance(input)}`,
  "parallel-coordinates": () => "parallel coordinates: fewer than two trials completed, or none of their hyperparameters differs",
  history: () => "history: no trial has ended",
  "training-curves": () => "training curves: no trial has a curve",
};

function whyNoImportance(input: ReportInput): string {
  if (input.analysis === undefined) return "results.json says it, which is written when the sweep has ended";
  if (searchedOf(input).length === 0) return "no hyperparameter differs between the trials that ended";
  return `too few trials have ended to tell: ${input.ranked.filter(({ status }) => status !== "failed").length}`;
}

const noTimes = "stacks on a time line: the journal holds no clock times, so that the same sweep gives the same bytes";

/** Every figure that a run has something to show in. */
function figuresOf(input: ReportInput): readonly Figure[] {
  return Object.values(makers).flatMap((make) => make(input) ?? []);
}

/** Figures and page as texts: paths relative to the page, and what is in them. */
export interface ReportFiles {
  readonly page: string;
  /** What is in the page's main element: all that changes while a run goes on. */
  readonly main: string;
  readonly figures: readonly { readonly name: FigureName; readonly svg: string; readonly csv: string; readonly json: string }[];
}

interface Drawn {
  readonly markup: Markup;
  readonly svg: string;
}

async function drawFigure(figure: Figure, draw: Draw, tips: ReadonlyMap<string, string>): Promise<Drawn> {
  const { name, title, caption, table } = figure;
  const drawn = [];
  for (const layout of layouts) {
    const svg = await draw(figure.chart(layout), `${name}-${layout.name}`);
    // Where no pointer hovers nothing has to be told under it.
    drawn.push({ layout, svg: layout.name === "wide" ? withTitles(svg, tips) : svg });
  }
  const shown = drawn.map(({ layout, svg }) => html`<div class="${layout.name}">${new Markup(inlineSvg(svg, html`${title}`.text))}</div> `);
  const links = ["svg", "csv", "json"].map((kind) => html` <a href="figures/${name}.${kind}">${kind.toUpperCase()}</a>`);
  const markup = html`<figure id="${name}">
    <h2>${title}</h2>
    <figcaption>${caption}</figcaption>
    ${shown}${table === undefined ? undefined : tableMarkup({ ...table, id: `${name}-table` })}
    <p class="data">This figure and its data:${links}</p>
  </figure>`;
  return { markup, svg: svgFile(drawn[0].svg, figureStyle) };
}

/** What the head of each kind of page has besides what both have. */
const heads: { readonly [K in PageKind]: { readonly policy: string; readonly more: Markup | undefined } } = {
  static: { policy: "", more: undefined },
  live: { policy: "; connect-src 'self'", more: html`<noscript><meta http-equiv="refresh" content="10" /></noscript>` },
};

function pageOf(title: string, main: string, kind: PageKind): string {
  const { policy, more } = heads[kind];
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; script-src '${new Markup(scriptHash(kind))}'; base-uri 'none'; form-action 'none'${new Markup(policy)}"
        />
        <meta name="color-scheme" content="light dark" />
        <title>${title}: mutransfer report</title>
        ${more}
        <style>
          ${new Markup(pageStyle)}
        </style>
      </head>
      <body>
        ${kind === "live" ? html`<p id="connection" role="status" hidden>Connection lost, trying again.</p>` : undefined}
        <main>${new Markup(main)}</main>
        ${new Markup(`<script>${scripts[kind]}</script>`)}
      </body>
    </html> `.text;
}

/** The page and its figures' files; a live page is one that whoever serves it sends its main element anew. */
export async function makeReport(input: ReportInput, kind: PageKind = "static"): Promise<ReportFiles> {
  const figures = figuresOf(input);
  const draw = await openDrawing();
  const tips = tipsOf(input);
  const parts = [];
  for (const figure of figures) parts.push({ figure, ...(await drawFigure(figure, draw, tips)) });
  const present = new Set(figures.map(({ name }) => name));
  const absent = Object.entries(absences).flatMap(([name, reason]) => (present.has(name as FigureName) ? [] : [reason(input)]));
  const main = html`${factsMarkup(input, kind)} ${trainingMarkup(input)} ${rankingMarkup(input)} ${findingsMarkup(input)}
    ${parts.map(({ markup }) => html`${markup} `)} ${tensorsMarkup(input)} ${reproduceMarkup(input)}
    <section id="absent">
      <h2>Not shown</h2>
      <ul>
        ${[...absent, noTimes].map((reason) => html`<li>${reason}</li> `)}
      </ul>
    </section>`.text;
  return {
    page: pageOf(input.run?.name ?? input.folder, main, kind),
    main,
    figures: parts.map(({ figure, svg }) => ({ name: figure.name, svg, csv: csvOf(figure.rows), json: jsonOf(figure.rows) })),
  };
}
