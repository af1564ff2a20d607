/** Makes a page of a run folder's contents and writes it; how a page is drawn is given by whoever has one drawn. */
import { checkReportPlace, writeReport, type ReportTexts } from "../run/outputs.ts";
import { openRunFolder, runFiles } from "../run/run-folder.ts";
import { readContents, type FolderContents } from "./folder.ts";
import { holding } from "./setting.ts";

/** Where a page goes, and how much it reads. */
export interface ReportOptions {
  /** Where the page goes; report/ in the run folder unless given. */
  readonly out?: string;
  /** Trials that are read whole; of more a sample is. */
  readonly mostTrials: number;
}

/** Reads the folder, has its contents drawn, and writes what was drawn; `opened` is called between, when there is a run. */
export async function report(
  path: string,
  { out, mostTrials }: ReportOptions,
  opened: () => void,
  draw: (contents: FolderContents) => Promise<ReportTexts>,
): Promise<{ readonly contents: FolderContents; readonly page: string }> {
  return holding(openRunFolder(path, [runFiles.journal, runFiles.curves, runFiles.coordCheck]), async (folder) => {
    opened();
    checkReportPlace(out);
    const contents = readContents(folder, mostTrials);
    return { contents, page: writeReport(folder, out, await draw(contents)) };
  });
}
