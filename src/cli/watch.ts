/** `mutransfer watch`: the report page, served on this machine and kept up to date. */
import { visible } from "../report/diagnostics.ts";
import { sampledTrials } from "../report/page/input.ts";
import { PageServer, type ServedPage } from "../serve/page-server.ts";
import type { FolderContents } from "../studies/folder.ts";
import { WatchedRun } from "../studies/watch.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { bySignals } from "./interrupt.ts";
import { reportInput } from "./report.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer watch`. */
export interface WatchCommand {
  readonly port?: number;
}

async function draw(contents: FolderContents): Promise<ServedPage> {
  const { makeReport } = await import("../report/page/report.ts");
  const { page, main, figures } = await makeReport(reportInput(contents), "live");
  const files = figures.flatMap(({ name, ...texts }) => Object.entries(texts).map(([kind, text]) => [`${name}.${kind}`, text] as const));
  return { page, main, figures: new Map(files) };
}

/** Runs `mutransfer watch`. */
export async function watch(path: string, { port }: WatchCommand, terminal: Terminal): Promise<ExitCode> {
  const lost = (error: Error): void => terminal.err(`${visible(error.message)}; the page stays as it was\n`);
  const watched = new WatchedRun(path, sampledTrials, draw, { now: () => terminal.now(), lost });
  await watched.current();
  const server = await PageServer.open(() => watched.current(), port);
  const over = new AbortController();
  const follow = async (): Promise<void> => {
    terminal.out(`${server.address} (Ctrl-C ends it)\n`);
    await watched.follow(
      () => server.watching > 0,
      (drawn) => server.show(drawn),
      over.signal,
    );
  };
  try {
    await bySignals.until(follow, () => over.abort());
  } finally {
    await server.close();
  }
  return exitCodes.ok;
}
