/**
 * Charts as SVG text, through Vega-Lite and Vega without a browser. They are imported
 * when the first chart is drawn: no other command waits for them.
 */
import type { Config, TopLevelSpec } from "vega-lite";
import type { Chart } from "./figure.ts";
import { html } from "./markup.ts";
import { inkOf } from "./theme.ts";
import { tipPrefix } from "./trials.ts";

const font = "system-ui, sans-serif";
const text = { labelFont: font, titleFont: font, labelFontSize: 12, titleFontSize: 12.5, titleFontWeight: "normal" } as const;

const config: Config = {
  background: null as unknown as string, // Vega-Lite's types know no "none"
  font,
  padding: 4,
  view: { stroke: null },
  axis: {
    ...text,
    labelColor: inkOf("muted"),
    titleColor: inkOf("ink"),
    gridColor: inkOf("grid"),
    domainColor: inkOf("muted"),
    tickColor: inkOf("muted"),
    titlePadding: 8,
    labelOverlap: "greedy",
    labelSeparation: 4,
  },
  legend: { ...text, labelColor: inkOf("ink"), titleColor: inkOf("ink"), orient: "bottom", labelLimit: 240, symbolStrokeWidth: 2 },
  title: { font, fontSize: 14, fontWeight: "bold", color: inkOf("ink"), anchor: "start", offset: 10 },
  text: { font, fontSize: 12, color: inkOf("muted") },
  concat: { spacing: 28 },
};

/** Draws a chart as SVG text; `name` prefixes its ids. */
export type Draw = (chart: Chart, name: string) => Promise<string>;

/** Mean width of a character of a sans-serif font, in its size. */
const characterWidth = 0.56;

/** The last drawing of each name: a page that is drawn again and again draws anew only what has changed. */
const lastDrawn = new Map<string, { readonly chart: string; readonly svg: string }>();

/** Makes the function that draws; everything that Vega has to say of a chart is an error. */
export async function openDrawing(): Promise<Draw> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  // Vega measures with a canvas where one is installed; the same bytes everywhere need a measure of our own.
  const { textMetrics } = vega as unknown as {
    textMetrics: { width: (item: { fontSize?: number }, value?: string | number | null) => number };
  };
  textMetrics.width = ({ fontSize }, value) => Math.round(characterWidth * (fontSize ?? 11) * String(value ?? "").length);
  return async (chart, name) => {
    const text = JSON.stringify(chart);
    const last = lastDrawn.get(name);
    if (last?.chart === text) return last.svg;
    const complain = (...all: readonly unknown[]): never => {
      throw new Error(`${name}: ${all.map(String).join(" ")}`);
    };
    const logger = { level: () => logger, error: complain, warn: complain, info: () => logger, debug: () => logger };
    const { spec } = vegaLite.compile(chart as unknown as TopLevelSpec, {
      config,
      logger,
    });
    vega.resetSVGDefIds();
    const view = new vega.View(vega.parse(spec), { renderer: "none", logger });
    const svg = await view.toSVG();
    view.finalize();
    const own = withOwnIds(withMarkKeys(svg), name);
    lastDrawn.set(name, { chart: text, svg: own });
    return own;
  };
}

/** Vega says what every mark is; what we have said of ours stays, as the key of what is told of it. */
const withMarkKeys = (svg: string): string =>
  svg.replace(
    /<(path|line|text|rect)([^>]*?) aria-label="([^"]*)"([^>]*?)\/>/g,
    (whole, tag: string, before: string, label: string, after: string) =>
      label.startsWith(tipPrefix) ? `<${tag} data-key="${label.slice(tipPrefix.length)}"${before}${after}/>` : whole,
  );

const decoded: Readonly<Record<string, string>> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const plainOf = (attribute: string): string => attribute.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => decoded[entity]);

/** A drawing whose marks say what is told of them: browsers show it under the pointer, without a script. */
export function withTitles(svg: string, tips: ReadonlyMap<string, string>): string {
  return svg.replace(/<(\w+) (data-key="([^"]*)"[^>]*?)\/>/g, (_, tag: string, attributes: string, label: string) => {
    const key = plainOf(label);
    return `<${tag} ${attributes}>${html`<title>${tips.get(key) ?? key}</title>`.text}</${tag}>`;
  });
}

/** Several figures share a page: their ids must not meet. A drawing as a whole has a label; its parts need none. */
const withOwnIds = (svg: string, name: string): string =>
  svg
    .replace(/ (?:role|aria-[a-z]+)="[^"]*"/g, "")
    .replace(/\bid="([^"]+)"/g, `id="${name}-$1"`)
    .replace(/url\(#([^)]+)\)/g, `url(#${name}-$1)`);

/** A figure as a file: with the style that makes it dark where the reader is. */
export const svgFile = (svg: string, style: string): string => `${svg.replace(/^(<svg[^>]*>)/, `$1<style>${style}</style>`)}\n`;

/** A figure inside a page, with a name for those who hear it. */
export const inlineSvg = (svg: string, label: string): string =>
  svg.replace(/^<svg[^>]*?(viewBox="[^"]*")[^>]*>/, `<svg role="img" aria-label="${label}" $1>`).replace(/ xmlns(:xlink)?="[^"]*"/g, "");
