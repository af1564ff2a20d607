/** `mutransfer status`: what is known of a run, from its folder alone; changes nothing, whether a process is in it or not. */
import { exitCodes, type ExitCode } from "../errors.ts";
import { jsonText } from "../report/json.ts";
import { dataNotes } from "../report/notes.ts";
import { renderStatus, type RunStatus } from "../report/status.ts";
import { isDone, plannedWork } from "../sweep/agenda.ts";
import { checkpointedStacks } from "../sweep/checkpoints.ts";
import { generalizationOf } from "../sweep/generalization.ts";
import { readHolder } from "../sweep/lock.ts";
import { openRunFolder } from "../sweep/run-folder.ts";
import { readRun } from "../sweep/run.ts";
import { rankTrials } from "../sweep/select.ts";
import type { Terminal } from "./terminal.ts";

export interface StatusCommand {
  readonly json?: boolean;
}

export function status(path: string, { json }: StatusCommand, terminal: Terminal): Promise<ExitCode> {
  const folder = openRunFolder(path);
  const { state, scan, damages } = readRun(folder);
  const holder = readHolder(folder);
  const { spec, trials } = state;
  const count = (wanted: string): number => trials.filter((trial) => trial.status === wanted).length;
  const [best] = rankTrials(trials.filter(({ seed }) => seed === spec?.seed));
  const result: RunStatus = {
    folder: path,
    name: state.run?.name ?? null,
    planned: spec === undefined ? null : plannedWork(spec).trainings,
    isDone: spec !== undefined && isDone(spec, state),
    steps: spec?.train.steps ?? null,
    completed: count("completed"),
    stopped: count("stopped"),
    diverged: count("diverged"),
    failed: count("failed"),
    best: best?.status === "completed" ? { trial: best.id, validationLoss: best.validationLoss as number } : null,
    engine: state.run?.arithmetic ?? null,
    process: holder === undefined ? null : { pid: holder.pid, host: holder.host, running: holder.running },
    checkpoints: checkpointedStacks(folder).map(({ members, step }) => ({ trials: members.map(({ id }) => id), step })),
    notes: spec === undefined ? [] : dataNotes(generalizationOf(spec, state.run?.environment.training_tokens, trials)),
    tornBytes: scan.torn.length,
    damages: damages.map(({ line, problem }) => ({ line, problem })),
  };
  folder.close();
  terminal.out(json ? jsonText(result) : `${renderStatus(result, terminal.outStyle)}\n`);
  return Promise.resolve(damages.length === 0 ? exitCodes.ok : exitCodes.disagreement);
}
