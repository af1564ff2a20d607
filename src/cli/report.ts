/**
 * `mutransfer report`: a page of a run's figures, from its folder alone and without its
 * lock, so that it can be made while the run goes on or after it died.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
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
import { isDead, readHolder } from "../sweep/lock.ts";
import { bestOf, headOf } from "../sweep/results.ts";
import { makeRunDirectory, writeAtomically } from "../sweep/run-dir.ts";
import { journalName, readRun } from "../sweep/run.ts";
import { chooseWinner, rankTrials, standings } from "../sweep/select.ts";
import { RunState, type TrialSummary } from "../sweep/state.ts";
import type { TrialResult } from "../sweep/trial-result.ts";
import { transferSchema } from "../transfer/record.ts";
import { self } from "./files.ts";
import type { Terminal } from "./terminal.ts";

export interface ReportCommand {
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const evidence = { curves: "curves.json", coordCheck: "coord-check.json" } as const;

export async function report(folder: string, { out, json, quiet }: ReportCommand, terminal: Terminal): Promise<ExitCode> {
  if (![journalName, ...Object.values(evidence)].some((name) => existsSync(join(folder, name))))
    throw new UserError({ code: "no_run", message: `${folder} holds no run`, hint: "give the folder that `mutransfer sweep` wrote" });
  if (!quiet) terminal.err(`${terminal.errStyle.dim(`reading ${folder}`)}\n`);
  if (out !== undefined && existsSync(out) && statSync(out).isDirectory())
    throw new UserError({
      code: "not_a_file",
      message: `${out} is a folder, and the page is a file`,
      hint: `--out ${join(out, "report.html")}`,
    });
  const input = readInput(folder);
  const { makeReport } = await import("../report/page/report.ts");
  const { specText } = await import("../report/page/reproduce.ts");
  const { page, figures } = await makeReport(input);
  const path = out ?? join(folder, "report", "report.html");
  const beside = dirname(path);
  makeRunDirectory(join(beside, "figures"));
  for (const name of figureNames) {
    const figure = figures.find((each) => each.name === name);
    for (const kind of ["svg", "csv", "json"] as const) {
      const file = join(beside, "figures", `${name}.${kind}`);
      // What an earlier report has left would not be this run's any longer.
      if (figure === undefined) rmSync(file, { force: true });
      else writeAtomically(file, [figure[kind]]);
    }
  }
  if (input.writtenSpec !== undefined) writeAtomically(join(beside, "figures", "spec.yaml"), [specText(input.writtenSpec)]);
  writeAtomically(path, [page]);
  const { damages, problems, phase } = input;
  if (json) terminal.out(jsonText({ page: path, phase, figures: figures.map(({ name }) => name), damages, problems }));
  else terminal.out(`wrote ${path}: ${figures.length} ${figures.length === 1 ? "figure" : "figures"}\n`);
  const isWhole = damages.length === 0 && problems.length === 0;
  if (!isWhole && !quiet) terminal.err("some of the folder could not be read; the page says what\n");
  return isWhole ? exitCodes.ok : exitCodes.disagreement;
}

function readInput(folder: string): ReportInput {
  const path = join(folder, journalName);
  const problems: string[] = [];
  const hasJournal = existsSync(path);
  const { state, scan, damages } = hasJournal ? readRun(folder) : { state: new RunState(), scan: undefined, damages: [] };
  const { run, spec, specHash } = state;
  const ranked = spec === undefined ? rankTrials(state.trials) : standings(state.trials, spec.seed);
  const sample = resultsAt(path, thinned(ranked, sampledTrials));
  const winner = spec && chooseWinner(state.trials, spec.seed);
  const best = winner === undefined ? null : bestOf(spec as CompleteSpec, winner);
  const read = <T>(name: string, schema: z.ZodType<T>): T | undefined => readRecord(join(folder, name), name, schema, problems);
  const own = <T extends { readonly spec_hash: string }>(name: string, schema: z.ZodType<T>): T | undefined => {
    const record = read(name, schema);
    if (record === undefined || specHash === "" || record.spec_hash === specHash) return record;
    problems.push(`${name} is of another spec than this run, and is left out`);
    return undefined;
  };
  const head = headOf(beginningOf(join(folder, "results.json")));
  return {
    folder: basename(resolve(folder)),
    phase: hasJournal ? phaseOf(folder, spec !== undefined && isDone(spec, state), problems) : "none",
    run,
    spec,
    writtenSpec: spec && asWritten(spec),
    specHash,
    ranked,
    sample,
    best,
    cost: head?.spec_hash === specHash ? head.cost : undefined,
    transfer: own("transfer.json", transferSchema),
    prelaunch: own("prelaunch.json", prelaunchSchema),
    curves: read(evidence.curves, curvesSchema),
    coordCheck: read(evidence.coordCheck, coordCheckSchema),
    tornBytes: scan?.torn.length ?? 0,
    damages: damages.map(({ line, problem }: Damage) => ({ line, problem })),
    problems,
    notes:
      spec === undefined
        ? []
        : [...dataNotes(generalizationOf(spec, run?.environment.training_tokens, state.trials)), ...resultNotes({ best, spec })],
  };
}

/** The whole results of some trials, in their order; a damaged line is none of them. */
function resultsAt(path: string, wanted: readonly TrialSummary[]): readonly TrialResult[] {
  if (wanted.length === 0) return [];
  const found = new Map<number, TrialResult | undefined>(wanted.map(({ place }) => [place.offset, undefined]));
  scanJournal(
    path,
    (record, { offset }) => record.record === "trial" && found.has(offset) && found.set(offset, record.trial),
    () => undefined,
  );
  return wanted.flatMap(({ place, id }) => {
    const trial = found.get(place.offset);
    return trial?.id === id ? [trial] : [];
  });
}

function phaseOf(folder: string, isOver: boolean, problems: string[]): Phase {
  try {
    const holder = readHolder(folder);
    // Whoever holds a folder whose trials have all ended is training the target.
    if (holder !== undefined && !isOver) return isDead(holder, self.isAlive) ? "died" : "running";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push("the lock does not say who holds the folder");
  }
  return isOver ? "finished" : "stopped";
}

/** A JSON file of this program's, if it is there; what is wrong with it becomes a problem of the folder's. */
function readRecord<T>(path: string, name: string, schema: z.ZodType<T>, problems: string[]): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (parsed.success) return parsed.data;
    const { path: at, message } = parsed.error.issues[0];
    problems.push(`${name} is left out: ${[at.join("."), message].filter((part) => part !== "").join(": ")}`);
  } catch (error) {
    problems.push(`${name} is left out: ${(error as Error).message}`);
  }
  return undefined;
}

const beginningBytes = 1 << 20;

/** As much of a file as may hold what comes before a list of very many trials; nothing when there is none. */
function beginningOf(path: string): string {
  if (!existsSync(path)) return "";
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(beginningBytes);
    return bytes.toString("utf8", 0, readSync(file, bytes, 0, beginningBytes, 0));
  } finally {
    closeSync(file);
  }
}
