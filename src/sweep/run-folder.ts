/** What a run's files and folders are called, each said once, and how its folder is opened: only when nothing else has their names. */
import { UserError } from "../errors.ts";
import { OpenFolder } from "./open-folder.ts";

export const runFiles = {
  journal: "journal.jsonl",
  lock: "lock",
  results: "results.json",
  table: "trials.csv",
  probe: "probe.json",
  transfer: "transfer.json",
  prelaunch: "prelaunch.json",
  weights: "weights.safetensors",
  coordCheck: "coord-check.json",
  curves: "curves.json",
} as const;
export const runFolders = { checkpoints: "checkpoints", report: "report" } as const;
export const reportNames = { page: "report.html", figures: "figures", spec: "spec.yaml" } as const;

/** Whether a name is one of the run's, or of what is made of it: `results.json.tmp`, `journal.jsonl.torn-4`. */
const isOwn = (name: string): boolean => Object.values(runFiles).some((own) => name === own || name.startsWith(`${own}.`));

/** Throws a UserError (exit 3) when what a run reads and writes in its folder is anything but files and folders of its own. */
export function refuseLinks(folder: OpenFolder): void {
  folder.refuseOthers((name) => (isOwn(name) ? "file" : name === runFolders.checkpoints ? "folder" : undefined));
}

/** Opens a folder that holds at least one of the files; throws a UserError when it does not. */
export function openRunFolder(path: string, anyOf: readonly string[] = [runFiles.journal]): OpenFolder {
  const folder = OpenFolder.open(path);
  if (folder !== undefined) {
    refuseLinks(folder);
    if (anyOf.some((name) => folder.has(name))) return folder;
    folder.close();
  }
  throw new UserError({ code: "no_run", message: `${path} holds no run`, hint: "give the folder that `mutransfer sweep` wrote" });
}

/** Opens a run's folder, creating it and its parents if need be. */
export function makeRunFolder(path: string): OpenFolder {
  const folder = OpenFolder.make(path);
  refuseLinks(folder);
  return folder;
}

/** Removes what a killed process has left half-written. */
export function removeHalfWritten(folder: OpenFolder): void {
  for (const name of folder.names) if (name.endsWith(".tmp") && isOwn(name)) folder.remove(name);
}
