/** `mutransfer report`: a page of a run's figures, and each figure with its data beside it. */
import { jsonText } from "../json.ts";
import { visible } from "../report/diagnostics.ts";
import { dataNotes, resultNotes } from "../report/notes.ts";
import { figureNames, type FigureName } from "../report/page/figure.ts";
import { sampledTrials, type ReportInput } from "../report/page/input.ts";
import { shellWord } from "../shell.ts";
import type { FolderContents } from "../studies/folder.ts";
import { report as study } from "../studies/report.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer report`. */
export interface ReportCommand {
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** A folder's contents with what to know before trusting them. */
export function reportInput({ generalization, ...known }: FolderContents): ReportInput {
  const { best, spec, yardsticks } = known;
  const isKnown = spec !== undefined && generalization !== undefined;
  return { ...known, notes: isKnown ? [...dataNotes(generalization), ...resultNotes({ best, spec, yardsticks })] : [] };
}

/** Runs `mutransfer report`. */
export async function report(path: string, { out, json, quiet }: ReportCommand, terminal: Terminal): Promise<ExitCode> {
  let drawn: readonly FigureName[] = [];
  const say = (text: string): void => (quiet ? undefined : terminal.err(`${text}\n`));
  const { contents, page } = await study(
    path,
    { ...(out !== undefined && { out }), mostTrials: sampledTrials },
    () => say(terminal.errStyle.dim(`reading ${visible(path)}`)),
    async (known) => {
      const { writtenSpec } = known;
      const { makeReport } = await import("../report/page/report.ts");
      const { specText } = await import("../report/page/reproduce.ts");
      const { page: text, figures } = await makeReport(reportInput(known));
      drawn = figures.map(({ name }) => name);
      return {
        page: text,
        figures: figureNames.map((name) => ({ name, files: figures.find((figure) => figure.name === name) })),
        spec: writtenSpec === undefined ? undefined : specText(writtenSpec),
      };
    },
  );
  const { damages, problems, phase } = contents;
  if (json) terminal.out(jsonText({ page, phase, figures: drawn, damages, problems }));
  else terminal.out(`wrote ${visible(page)}: ${drawn.length} ${drawn.length === 1 ? "figure" : "figures"}\n`);
  const isWhole = damages.length === 0 && problems.length === 0;
  const wayOut = damages.length === 0 ? "" : `; \`mutransfer repair ${shellWord(path)}\` puts its damaged lines aside`;
  if (!isWhole) say(`some of the folder could not be read; the page says what${wayOut}`);
  return isWhole ? exitCodes.ok : exitCodes.disagreement;
}
