/**
 * Signals while something is going on. The first asks for a stop at a checkpoint, the second
 * stops at once; either way what is on disk stays, and the exit code says which signal it
 * was. Before anything is waited for they end the process as the system does.
 */
import { stoppingSignals, type StoppingSignal } from "../signals.ts";
import { Stopped, type Stop, type Stopping } from "../studies/stopping.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";

const codes: { readonly [S in StoppingSignal]: ExitCode } = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.terminated,
  SIGUSR1: exitCodes.terminated,
  SIGUSR2: exitCodes.terminated,
};

type Heed = (signal: StoppingSignal) => void;
/** Who is told of signals; between two waits nobody is, and what came then is the next one's first. */
let heeding: Heed | undefined;
let missed: StoppingSignal | undefined;
/** The signal that came last: the one that is stopped for. */
let last: StoppingSignal | undefined;

function onSignal(signal: NodeJS.Signals): void {
  const stopping = signal as StoppingSignal;
  last = stopping;
  if (heeding !== undefined) heeding(stopping);
  else if (missed === undefined) missed = stopping;
  else process.exit(codes[stopping]);
}

let listening = false;
/** From the first wait on, so that no signal strikes between two of them, while something is written. */
function listen(): void {
  if (listening) return;
  listening = true;
  for (const signal of stoppingSignals) process.on(signal, onSignal);
}

async function until<T>(work: (stop: Stop) => Promise<T>, gently?: () => void): Promise<T> {
  const stop = { asked: false };
  let reject: (error: Stopped) => void = () => undefined;
  const signalled = new Promise<never>((_, rejectNow) => (reject = rejectNow));
  listen();
  heeding = () => {
    const isFirst = !stop.asked;
    stop.asked = true;
    if (isFirst && gently !== undefined) gently();
    else reject(new Stopped());
  };
  try {
    const working = work(stop);
    if (missed !== undefined) heeding(missed);
    missed = undefined;
    const done = await Promise.race([working, signalled]);
    // It came too late for this work, and the study may have more to do.
    if (stop.asked) missed = last;
    return done;
  } finally {
    heeding = undefined;
  }
}

/** A study stops when a signal comes. */
export const bySignals: Stopping = { until };

/** What a study that was stopped ends with: the code of the signal that it was stopped for. */
export const stoppedCode = (): ExitCode => (last === undefined ? exitCodes.interrupted : codes[last]);
