/**
 * A report: which figures a run has, their files, and the page that holds them all.
 * The same input gives the same bytes.
 */
import { coordinateCheck } from "./coordinates.ts";
import { factsMarkup } from "./facts.ts";
import { layouts, type Figure, type FigureName } from "./figure.ts";
import { csvOf, jsonOf } from "./files.ts";
import { history } from "./history.ts";
import type { ReportInput } from "./input.ts";
import { html, Markup, tableMarkup } from "./markup.ts";
import { parallelCoordinates } from "./parallel.ts";
import { rateCurves } from "./rate-curves.ts";
import { reproduceMarkup } from "./reproduce.ts";
import { rateScatter, slices } from "./scatter.ts";
import { pageStyle } from "./style.ts";
import { inlineSvg, openDrawing, svgFile, type Draw } from "./svg.ts";
import { figureStyle } from "./theme.ts";
import { trainingCurves } from "./training-curves.ts";

/** How each figure is made; `undefined` when the run has nothing to show in it. */
const makers: { readonly [K in FigureName]: (input: ReportInput) => Figure | undefined } = {
  "loss-by-learning-rate": (input) => (input.curves === undefined ? rateScatter(input) : rateCurves(input.curves)),
  "coordinate-check": ({ coordCheck }) => (coordCheck === undefined ? undefined : coordinateCheck(coordCheck)),
  slices,
  "parallel-coordinates": parallelCoordinates,
  history,
  "training-curves": trainingCurves,
};

/** Why a figure that others have may be absent here. */
const absences: { readonly [K in FigureName]: string } = {
  "loss-by-learning-rate": "loss against learning rate: the learning rate was not searched, and there is no curves.json",
  "coordinate-check": "coordinate check: there is no coord-check.json in this folder",
  slices: "slices: no hyperparameter differs between the trials that ended",
  "parallel-coordinates": "parallel coordinates: fewer than two trials completed, or none of their hyperparameters differs",
  history: "history: no trial has ended",
  "training-curves": "training curves: no trial has a curve",
};
const noTimes = "stacks on a time line: the journal holds no clock times, so that the same sweep gives the same bytes";

/** Every figure that a run has something to show in. */
function figuresOf(input: ReportInput): readonly Figure[] {
  return Object.values(makers).flatMap((make) => make(input) ?? []);
}

/** Figures and page as texts: paths relative to the page, and what is in them. */
export interface ReportFiles {
  readonly page: string;
  readonly figures: readonly { readonly name: FigureName; readonly svg: string; readonly csv: string; readonly json: string }[];
}

async function figureMarkup(figure: Figure, draw: Draw): Promise<{ readonly markup: Markup; readonly svg: string }> {
  const { name, title, caption, table } = figure;
  const drawn = [];
  for (const layout of layouts) drawn.push({ layout, svg: await draw(figure.chart(layout), `${name}-${layout.name}`) });
  const shown = drawn.map(({ layout, svg }) => html`<div class="${layout.name}">${new Markup(inlineSvg(svg, html`${title}`.text))}</div> `);
  const links = ["svg", "csv", "json"].map((kind) => html` <a href="figures/${name}.${kind}">${kind.toUpperCase()}</a>`);
  const markup = html`<figure id="${name}">
    <h2>${title}</h2>
    <figcaption>${caption}</figcaption>
    ${shown}${table === undefined ? undefined : tableMarkup(table)}
    <p class="data">This figure and its data:${links}</p>
  </figure>`;
  return { markup, svg: svgFile(drawn[0].svg, figureStyle) };
}

/** The page and its figures' files. */
export async function makeReport(input: ReportInput): Promise<ReportFiles> {
  const figures = figuresOf(input);
  const draw = await openDrawing();
  const parts = [];
  for (const figure of figures) parts.push({ figure, ...(await figureMarkup(figure, draw)) });
  const present = new Set(figures.map(({ name }) => name));
  const absent = Object.entries(absences).flatMap(([name, reason]) => (present.has(name as FigureName) ? [] : [reason]));
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="color-scheme" content="light dark" />
        <title>${input.run?.name ?? input.folder}: mutransfer report</title>
        <style>
          ${new Markup(pageStyle)}
        </style>
      </head>
      <body>
        <main>
          ${factsMarkup(input)} ${parts.map(({ markup }) => html`${markup} `)} ${reproduceMarkup(input)}
          <section id="absent">
            <h2>Not shown</h2>
            <ul>
              ${[...absent, noTimes].map((reason) => html`<li>${reason}</li> `)}
            </ul>
          </section>
        </main>
      </body>
    </html> `;
  return {
    page: page.text,
    figures: parts.map(({ figure, svg }) => ({ name: figure.name, svg, csv: csvOf(figure.rows), json: jsonOf(figure.rows) })),
  };
}
