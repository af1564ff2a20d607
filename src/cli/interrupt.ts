/**
 * Signals while something is going on. The first asks for a stop at a checkpoint, the second
 * stops at once; either way what is on disk stays, and the exit code says which signal it
 * was. Before anything is waited for they end the process as the system does.
 */
import { stoppingSignals, type StoppingSignal } from "../signals.ts";
import { StopSwitch, type Stopping } from "../studies/stopping.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";

const codes: { readonly [S in StoppingSignal]: ExitCode } = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.terminated,
  SIGUSR1: exitCodes.terminated,
  SIGUSR2: exitCodes.terminated,
};

const stop = new StopSwitch();
/** The signal that came last: the one that is stopped for. */
let last: StoppingSignal | undefined;

function onSignal(signal: NodeJS.Signals): void {
  last = signal as StoppingSignal;
  if (!stop.ask()) process.exit(codes[last]);
}

let listening = false;
/** From the first wait on, so that no signal strikes between two of them, while something is written. */
function listen(): void {
  if (listening) return;
  listening = true;
  for (const signal of stoppingSignals) process.on(signal, onSignal);
}

/** A study stops when a signal comes. */
export const bySignals: Stopping = {
  until: (work, gently) => {
    listen();
    return stop.until(work, gently);
  },
};

/** What a study that was stopped ends with: the code of the signal that it was stopped for. */
export const stoppedCode = (): ExitCode => (last === undefined ? exitCodes.interrupted : codes[last]);
