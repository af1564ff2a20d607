/** The settings that intervals are calibrated on, and the tables of what was trained of each. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Space } from "../../src/search/space.ts";
import { readTable as readReplayTable } from "../replay/table.ts";

/** Something that proxies are trained on, how long, and over which grid. */
export interface Setting {
  readonly name: string;
  /** Estimators are chosen on some settings and reported on the others. */
  readonly use: "choice" | "report";
  readonly width: number;
  readonly steps: number;
  readonly batch: number;
  readonly context: number;
  readonly tokenizer: "characters" | "bytes";
  readonly space: Space & Readonly<Record<string, { readonly values: readonly number[] }>>;
}

/** Losses of a setting's grid. */
export interface Table {
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly setting: Setting;
  readonly spec: string;
  readonly data_sha256: string;
  readonly vocabulary: number;
  /** Seeds of the initial weights; the data order is the same in every run. */
  readonly seeds: readonly number[];
  /** [cell][seed] in nats, cells as `everyPoint` orders them; null where a run diverged. */
  readonly losses_nats: readonly (readonly (number | null)[])[];
}

/** A table's numbers alone. */
export interface Grid {
  readonly name: string;
  readonly use: Setting["use"];
  readonly space: Setting["space"];
  /** [cell][seed] in nats. */
  readonly losses: readonly (readonly (number | null)[])[];
}

const octaves = (from: number, to: number, step: number): number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, index) => Number((2 ** (from + index * step)).toPrecision(4)));
/** Six octaves in steps of an eighth. */
const rates = { values: octaves(-9, -3, 0.125) };
const coarseRates = { values: octaves(-9, -3, 0.25) };
const alone = { learning_rate: rates, output_multiplier: { values: [16] } };

/** Every setting, and the grid that was trained of it. */
export const settings: readonly Setting[] = [
  { name: "width-32", use: "choice", width: 32, steps: 300, batch: 16, context: 64, tokenizer: "characters", space: alone },
  { name: "width-16", use: "choice", width: 16, steps: 300, batch: 16, context: 64, tokenizer: "characters", space: alone },
  {
    ...{ name: "readout", use: "choice", width: 32, steps: 200, batch: 8, context: 32, tokenizer: "characters" },
    space: { learning_rate: coarseRates, output_multiplier: { values: [2, 4, 8, 16, 32, 64] } },
  },
  { name: "width-64", use: "report", width: 64, steps: 200, batch: 16, context: 64, tokenizer: "characters", space: alone },
  { name: "bytes", use: "report", width: 32, steps: 300, batch: 8, context: 64, tokenizer: "bytes", space: alone },
  { name: "long", use: "report", width: 32, steps: 900, batch: 8, context: 64, tokenizer: "characters", space: alone },
  {
    ...{ name: "initial", use: "report", width: 32, steps: 200, batch: 8, context: 32, tokenizer: "bytes" },
    space: { learning_rate: coarseRates, init_std: { values: [0.25, 0.5, 1, 2, 4] }, output_multiplier: { values: [16] } },
  },
];

export const tablesPath = fileURLToPath(new URL("../../../bench/calibration/tables", import.meta.url));
export const tableFile = (name: string): string => `${name}.json`;

/** Every grid that was trained for this, and the one that searches are replayed on. */
export function readGrids(): readonly Grid[] {
  const own = settings.map(({ name }) => {
    const { setting, losses_nats: losses } = JSON.parse(readFileSync(join(tablesPath, tableFile(name)), "utf8")) as Table;
    return { name, use: setting.use, space: setting.space, losses };
  });
  const { space, losses_nats: losses } = readReplayTable();
  return [...own, { name: "search-table", use: "report", space, losses: losses.map((seeds) => seeds.map((at) => at[at.length - 1])) }];
}
