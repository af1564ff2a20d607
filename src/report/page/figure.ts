/**
 * What a figure is: rows of data, a chart of them for each layout, and the words
 * that say how to read it. Rows are what the CSV and JSON files hold.
 */

export type Cell = string | number | boolean | null;
/** Keys are column names, in snake_case, the same in every row. */
export type Row = Readonly<Record<string, Cell>>;

/** A Vega-Lite spec as plain data. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** A chart in the words of Vega-Lite. */
export type Chart = { readonly [key: string]: Json };

/** Where a chart is drawn: wide for screens and files, narrow for phones; `width` in pixels is the whole drawing's. */
export interface Layout {
  readonly name: "wide" | "narrow";
  readonly width: number;
}
/** The two layouts that every chart is drawn in. */
export const layouts: readonly Layout[] = [
  { name: "wide", width: 880 },
  { name: "narrow", width: 360 },
];

/** Rows of text under a head. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of numbers, which are set to the right. */
  readonly numeric: readonly boolean[];
}

/** One figure: its charts, and the data behind them. */
export interface Figure {
  /** The name of its files, and the prefix of its ids. */
  readonly name: FigureName;
  readonly title: string;
  /** How to read it, for somebody who has never seen one. */
  readonly caption: string;
  readonly rows: readonly Row[];
  readonly chart: (layout: Layout) => Chart;
  readonly table?: Table;
}

/** Every figure there can be, in a reader's order. */
export const figureNames = [
  "loss-by-learning-rate",
  "coordinate-check",
  "slices",
  "importance",
  "parallel-coordinates",
  "history",
  "training-curves",
] as const;
/** A figure by its name. */
export type FigureName = (typeof figureNames)[number];
