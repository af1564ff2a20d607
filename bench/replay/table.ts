/** The table that searches are replayed on: every cell of a grid, trained beforehand. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Space } from "../../src/search/space.ts";

export interface Table {
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly spec: string;
  readonly data_sha256: string;
  /** Seeds of the initial weights; the data order is the same in every run. */
  readonly seeds: readonly number[];
  /** Steps after which losses were measured; the last is the end. */
  readonly checkpoints: readonly number[];
  readonly space: Space & Readonly<Record<string, { readonly values: readonly number[] }>>;
  /** [cell][seed][checkpoint], cells as `everyPoint` orders them; null from where a run diverged on. */
  readonly losses_nats: readonly (readonly (readonly (number | null)[])[])[];
}

export const tablePath = fileURLToPath(new URL("../../../bench/replay/table.json", import.meta.url));

export const readTable = (): Table => JSON.parse(readFileSync(tablePath, "utf8")) as Table;
