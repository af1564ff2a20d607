/** What a run's files and folders are called, each said once, and how its folder is opened: only when nothing else has their names. */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { closedUnless, OpenFolder } from "./open-folder.ts";

/** Files of a run, by what they are. */
export const runFiles = {
  journal: "journal.jsonl",
  lock: "lock",
  progress: "progress.json",
  results: "results.json",
  table: "trials.csv",
  probe: "probe.json",
  transfer: "transfer.json",
  prelaunch: "prelaunch.json",
  weights: "weights.safetensors",
  coordCheck: "coord-check.json",
  curves: "curves.json",
} as const;
/** Folders in a run's. */
export const runFolders = { checkpoints: "checkpoints", report: "report" } as const;
/** What is in the folder of a report. */
export const reportNames = { page: "report.html", figures: "figures", spec: "spec.yaml" } as const;

/** Whether a name is one of the run's, or of what is made of it: `results.json.tmp`, `journal.jsonl.torn-4`. */
const isOwn = (name: string): boolean => Object.values(runFiles).some((own) => name === own || name.startsWith(`${own}.`));

/** Throws a UserError of kind disagreement when what a run reads and writes in its folder is anything but files and folders of its own. */
export function refuseLinks(folder: OpenFolder): void {
  folder.refuseOthers((name) => (isOwn(name) ? "file" : name === runFolders.checkpoints ? "folder" : undefined));
}

/** Opens a folder that holds at least one of the files; throws a UserError when it does not. */
export function openRunFolder(path: string, anyOf: readonly string[] = [runFiles.journal]): OpenFolder {
  const folder = OpenFolder.open(path);
  if (folder !== undefined) {
    const isRun = closedUnless(folder, () => {
      refuseLinks(folder);
      return anyOf.some((name) => folder.has(name));
    });
    if (isRun) return folder;
    folder.close();
  }
  throw new UserError({ code: "no_run", message: `${path} holds no run`, hint: "give the folder that `mutransfer sweep` wrote" });
}

/** Where a run of this name has its folder unless told otherwise. */
export const runPath = (name: string, out = join("runs", name)): string => out;

/** Opens a run's folder, creating it and its parents if need be. */
export function makeRunFolder(path: string): OpenFolder {
  const folder = OpenFolder.make(path);
  closedUnless(folder, () => refuseLinks(folder));
  return folder;
}

/** Opens the folder of one of several runs that are kept together in one, creating it if need be. */
export const makeInnerRunFolder = (folder: OpenFolder, name: string): OpenFolder => folder.makeInside(name);

/** Whether there is a folder for one of several runs. */
export function hasInnerRunFolder(folder: OpenFolder, name: string): boolean {
  const inner = folder.inside(name);
  inner?.close();
  return inner !== undefined;
}

/** Removes what a killed process has left half-written, and what it says to be training. */
export function removeLeftovers(folder: OpenFolder): void {
  for (const name of folder.names) if ((name.endsWith(".tmp") && isOwn(name)) || name === runFiles.progress) folder.remove(name);
}
