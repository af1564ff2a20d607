/**
 * The signals by which people, terminals and schedulers ask a run to stop: one table for
 * the process that decides (cli/interrupt.ts) and for its workers, which leave it to that one.
 * Imports nothing but Node's own, so that a process can begin with it.
 */
import inspector from "node:inspector";

/** The signals that ask for a stop. */
export const stoppingSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
/** One of them. */
export type StoppingSignal = (typeof stoppingSignals)[number];

const nothing = (): void => undefined;

/** From now on none of them does anything by itself. */
export function ignoreSignals(): void {
  for (const signal of stoppingSignals) process.on(signal, nothing);
}

/** Takes SIGUSR1 from Node, which would open its debugger on a port: from now on it ends the process, as SIGUSR2 does, unless somebody listens. */
export function refuseDebugger(): void {
  process.on("SIGUSR1", nothing);
  process.off("SIGUSR1", nothing);
}

/** Makes good for a SIGUSR1 that came while Node itself was starting: closes the debugger that it has opened, and does what the signal does now. */
export function endIfDebuggerOpened(): void {
  const isWanted = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].some((each) => each.includes("--inspect"));
  if (isWanted || inspector.url() === undefined) return;
  inspector.close();
  process.kill(process.pid, "SIGUSR1");
}

/** Ends this process now, in the middle of whatever its threads compute: an orderly exit would wait for them. */
export function die(): void {
  process.kill(process.pid, "SIGKILL");
}
