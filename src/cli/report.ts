/**
 * `mutransfer report`: a page of a run's figures, from its folder alone and without its
 * lock, so that it can be made while the run goes on or after it died.
 */
import { basename, dirname, join, resolve } from "node:path";
import type { z } from "zod";
import { coordCheckSchema, curvesSchema, prelaunchSchema } from "../evidence/records.ts";
import { exitCodes, UserError, type ExitCode } from "../errors.ts";
import { jsonText } from "../report/json.ts";
import { dataNotes, resultNotes } from "../report/notes.ts";
import { figureNames } from "../report/page/figure.ts";
import { sampledTrials, thinned, type Phase, type ReportInput } from "../report/page/input.ts";
import { asWritten, type CompleteSpec } from "../spec/complete.ts";
import { isDone } from "../sweep/agenda.ts";
import { generalizationOf } from "../sweep/generalization.ts";
import { scanJournal, type Damage } from "../sweep/journal.ts";
import { readHolder } from "../sweep/lock.ts";
import { bestOf, headOf } from "../sweep/results.ts";
import { OpenFolder } from "../sweep/open-folder.ts";
import { openRunFolder, reportNames, runFiles, runFolders } from "../sweep/run-folder.ts";
import { readRun } from "../sweep/run.ts";
import { chooseWinner, rankTrials, standings } from "../sweep/select.ts";
import type { TrialSummary } from "../sweep/state.ts";
import type { TrialResult } from "../sweep/trial-result.ts";
import { transferSchema } from "../transfer/record.ts";
import type { Terminal } from "./terminal.ts";

export interface ReportCommand {
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function report(path: string, { out, json, quiet }: ReportCommand, terminal: Terminal): Promise<ExitCode> {
  const folder = openRunFolder(path, [runFiles.journal, runFiles.curves, runFiles.coordCheck]);
  if (!quiet) terminal.err(`${terminal.errStyle.dim(`reading ${path}`)}\n`);
  if (out !== undefined && OpenFolder.isThere(out))
    throw new UserError({
      code: "not_a_file",
      message: `${out} is a folder, and the page is a file`,
      hint: `--out ${join(out, reportNames.page)}`,
    });
  const input = readInput(folder);
  const { makeReport } = await import("../report/page/report.ts");
  const { specText } = await import("../report/page/reproduce.ts");
  const { page, figures } = await makeReport(input);
  const beside = out === undefined ? folder.makeInside(runFolders.report) : OpenFolder.make(dirname(out));
  const pageName = out === undefined ? reportNames.page : basename(out);
  beside.has(pageName); // or is refused before anything is written
  const drawn = beside.makeInside(reportNames.figures);
  for (const name of figureNames) {
    const figure = figures.find((each) => each.name === name);
    for (const kind of ["svg", "csv", "json"] as const) {
      // What an earlier report has left would not be this run's any longer.
      if (figure === undefined) drawn.remove(`${name}.${kind}`);
      else drawn.write(`${name}.${kind}`, [figure[kind]]);
    }
  }
  if (input.writtenSpec !== undefined) drawn.write(reportNames.spec, [specText(input.writtenSpec)]);
  beside.write(pageName, [page]);
  for (const each of [drawn, beside, folder]) each.close();
  const written = join(beside.path, pageName);
  const { damages, problems, phase } = input;
  if (json) terminal.out(jsonText({ page: written, phase, figures: figures.map(({ name }) => name), damages, problems }));
  else terminal.out(`wrote ${written}: ${figures.length} ${figures.length === 1 ? "figure" : "figures"}\n`);
  const isWhole = damages.length === 0 && problems.length === 0;
  if (!isWhole && !quiet) terminal.err("some of the folder could not be read; the page says what\n");
  return isWhole ? exitCodes.ok : exitCodes.disagreement;
}

/** As much of results.json as may hold what comes before a list of very many trials. */
const headBytes = 1 << 20;

function readInput(folder: OpenFolder): ReportInput {
  const problems: string[] = [];
  const hasJournal = folder.has(runFiles.journal);
  const { state, scan, damages } = readRun(folder);
  const { run, spec, specHash } = state;
  const ranked = spec === undefined ? rankTrials(state.trials) : standings(state.trials, spec.seed);
  const sample = resultsAt(folder, thinned(ranked, sampledTrials));
  const winner = spec && chooseWinner(state.trials, spec.seed);
  const best = winner === undefined ? null : bestOf(spec as CompleteSpec, winner);
  const read = <T>(name: string, schema: z.ZodType<T>): T | undefined => readRecord(folder, name, schema, problems);
  const own = <T extends { readonly spec_hash: string }>(name: string, schema: z.ZodType<T>): T | undefined => {
    const record = read(name, schema);
    if (record === undefined || specHash === "" || record.spec_hash === specHash) return record;
    problems.push(`${name} is of another spec than this run, and is left out`);
    return undefined;
  };
  const head = headOf(folder.beginning(runFiles.results, headBytes));
  return {
    folder: basename(resolve(folder.path)),
    phase: hasJournal ? phaseOf(folder, spec !== undefined && isDone(spec, state)) : "none",
    run,
    spec,
    writtenSpec: spec && asWritten(spec),
    specHash,
    ranked,
    sample,
    best,
    cost: head?.spec_hash === specHash ? head.cost : undefined,
    transfer: own(runFiles.transfer, transferSchema),
    prelaunch: own(runFiles.prelaunch, prelaunchSchema),
    curves: read(runFiles.curves, curvesSchema),
    coordCheck: read(runFiles.coordCheck, coordCheckSchema),
    tornBytes: scan.torn.length,
    damages: damages.map(({ line, problem }: Damage) => ({ line, problem })),
    problems,
    notes:
      spec === undefined
        ? []
        : [...dataNotes(generalizationOf(spec, run?.environment.training_tokens, state.trials)), ...resultNotes({ best, spec })],
  };
}

/** The whole results of some trials, in their order; a damaged line is none of them. */
function resultsAt(folder: OpenFolder, wanted: readonly TrialSummary[]): readonly TrialResult[] {
  if (wanted.length === 0) return [];
  const found = new Map<number, TrialResult | undefined>(wanted.map(({ place }) => [place.offset, undefined]));
  scanJournal(
    folder,
    runFiles.journal,
    (record, { offset }) => record.record === "trial" && found.has(offset) && found.set(offset, record.trial),
    () => undefined,
  );
  return wanted.flatMap(({ place, id }) => {
    const trial = found.get(place.offset);
    return trial?.id === id ? [trial] : [];
  });
}

function phaseOf(folder: OpenFolder, isOver: boolean): Phase {
  const holder = readHolder(folder);
  // Whoever holds a folder whose trials have all ended is training the target.
  if (holder !== undefined && !isOver) return holder.running ? "running" : "died";
  return isOver ? "finished" : "stopped";
}

/** A JSON file of this program's, if it is there; what is wrong with it becomes a problem of the folder's. */
function readRecord<T>(folder: OpenFolder, name: string, schema: z.ZodType<T>, problems: string[]): T | undefined {
  try {
    const text = folder.text(name);
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    const { path: at, message } = parsed.error.issues[0];
    problems.push(`${name} is left out: ${[at.join("."), message].filter((part) => part !== "").join(": ")}`);
  } catch (error) {
    if (error instanceof UserError) throw error;
    problems.push(`${name} is left out: ${(error as Error).message}`);
  }
  return undefined;
}
