/**
 * What a run leaves in its folder besides its journal: results, tables, records of studies,
 * and the report. The one place that writes them, each all or nothing; what they say is others'
 * business, and so is whether they may be overwritten.
 */
import { basename, dirname, join } from "node:path";
import type { z } from "zod";
import { option, UserError } from "../errors.ts";
import { coordCheckSchema, curvesSchema, prelaunchSchema, type AnyCurves, type CoordCheck, type Prelaunch } from "../evidence/records.ts";
import { jsonText } from "../json.ts";
import { OpenFolder } from "./open-folder.ts";
import { progressSchema, type ProgressRecord } from "./progress-record.ts";
import { reportNames, runFiles, runFolders } from "./run-folder.ts";
import { transferSchema, type TransferRecord } from "./transfer-record.ts";
import type { TrialResult } from "./trial-result.ts";
import { trialsCsv } from "./trials-csv.ts";

/** Writes results.json, in pieces. */
export function writeResults(folder: OpenFolder, pieces: () => Iterable<string>): void {
  folder.write(runFiles.results, pieces(), "results");
}

/** The ranking as a table, and confirmations after it; `seed` is that of first runs. */
export function writeTrialsTable(folder: OpenFolder, trials: Iterable<TrialResult>, seed: number): void {
  folder.write(runFiles.table, trialsCsv(trials, seed));
}

/** What was timed to choose engine and stacks. */
export function writeProbe(folder: OpenFolder, content: object): void {
  folder.write(runFiles.probe, [jsonText(content)]);
}

/** What studies write down of a run: the part of each that others may rely on. */
export interface Records {
  readonly progress: ProgressRecord;
  readonly transfer: TransferRecord;
  readonly prelaunch: Prelaunch;
  readonly curves: AnyCurves;
  readonly coordCheck: CoordCheck;
}
/** A record by what it is of. */
export type RecordKind = keyof Records;
const schemas: { readonly [K in RecordKind]: z.ZodType<Records[K]> } = {
  progress: progressSchema,
  transfer: transferSchema,
  prelaunch: prelaunchSchema,
  curves: curvesSchema,
  coordCheck: coordCheckSchema,
};

/** Writes what is in training now, on one line, since it may be much and is written often. */
export function writeProgress(folder: OpenFolder, content: ProgressRecord): void {
  folder.writeInPassing(runFiles.progress, `${JSON.stringify(content)}\n`);
}

/** Says that nothing is in training any longer. */
export const removeProgress = (folder: OpenFolder): void => folder.remove(runFiles.progress);

/** Writes what a study has come to. */
export function writeRecord<K extends Exclude<RecordKind, "progress">>(folder: OpenFolder, kind: K, content: Records[K]): void {
  folder.write(runFiles[kind], [jsonText(content)], "results");
}

/** A record, or why it is none; undefined when there is no such file. */
export function readRecord<K extends RecordKind>(
  folder: OpenFolder,
  kind: K,
): { readonly record: Records[K] } | { readonly problem: string } | undefined {
  const schema = schemas[kind];
  try {
    const text = folder.text(runFiles[kind]);
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) return { record: parsed.data };
    const { path: at, message } = parsed.error.issues[0];
    return { problem: [at.join("."), message].filter((part) => part !== "").join(": ") };
  } catch (error) {
    if (error instanceof UserError) throw error;
    return { problem: (error as Error).message };
  }
}

/** The fields of a JSON file this program wrote earlier into a run folder; none when it is anything else. */
export function fieldsOf(folder: OpenFolder, name: string): Readonly<Record<string, unknown>> {
  const text = folder.text(name);
  try {
    return { ...(JSON.parse(text ?? "{}") as object | null) };
  } catch {
    return {};
  }
}

/** A page and its figures as texts; a figure without files has none of this run, and loses those of an earlier one. */
export interface ReportTexts {
  readonly page: string;
  readonly figures: readonly { readonly name: string; readonly files: Readonly<Record<"svg" | "csv" | "json", string>> | undefined }[];
  /** The spec as its author might have written it; undefined when the run has none. */
  readonly spec: string | undefined;
}

/** Writes a report into the run's folder, or to the file `out` with its figures beside it; returns where the page is. */
export function writeReport(folder: OpenFolder, out: string | undefined, texts: ReportTexts): string {
  const beside = out === undefined ? folder.makeInside(runFolders.report) : OpenFolder.make(dirname(out));
  const pageName = out === undefined ? reportNames.page : basename(out);
  try {
    beside.has(pageName); // or is refused before anything is written
    writeFigures(beside, texts);
    beside.write(pageName, [texts.page]);
    return join(beside.path, pageName);
  } finally {
    beside.close();
  }
}

function writeFigures(beside: OpenFolder, { figures, spec }: ReportTexts): void {
  const drawn = beside.makeInside(reportNames.figures);
  try {
    for (const { name, files } of figures)
      for (const kind of ["svg", "csv", "json"] as const) {
        if (files === undefined) drawn.remove(`${name}.${kind}`);
        else drawn.write(`${name}.${kind}`, [files[kind]]);
      }
    if (spec !== undefined) drawn.write(reportNames.spec, [spec]);
  } finally {
    drawn.close();
  }
}

/** Throws a UserError when a report cannot be written to the file `out`. */
export function checkReportPlace(out: string | undefined): void {
  if (out !== undefined && OpenFolder.isThere(out))
    throw new UserError({
      code: "not_a_file",
      message: `${out} is a folder, and the page is a file`,
      hint: `${option("out")} ${join(out, reportNames.page)}`,
    });
}
