/**
 * Signals while something is training. The first asks for a stop at a checkpoint, the
 * second stops at once; either way what is on disk stays, and the exit code says which
 * signal it was. Before anything trains they end the process as the system does.
 */
import { exitCodes, type ExitCode } from "../errors.ts";
import { stoppingSignals, type StoppingSignal } from "./signals.ts";

const codes: { readonly [S in StoppingSignal]: ExitCode } = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.terminated,
  SIGUSR1: exitCodes.terminated,
  SIGUSR2: exitCodes.terminated,
};

export class Interrupted extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** Whether a stop was asked for, and with which exit code. */
export interface Stop {
  readonly exitCode: ExitCode | undefined;
}

type Heed = (signal: StoppingSignal) => void;
/** Who is told of signals; between two waits nobody is, and what came then is the next one's first. */
let heeding: Heed | undefined;
let missed: StoppingSignal | undefined;

function onSignal(signal: NodeJS.Signals): void {
  const stopping = signal as StoppingSignal;
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

/**
 * Runs `work`. At the first signal `gracefully` is called, and `work` is expected to end soon; without it,
 * and at the second signal, rejects with Interrupted at once.
 */
export async function untilSignal<T>(work: (stop: Stop) => Promise<T>, gracefully?: () => void): Promise<T> {
  const stop: { exitCode: ExitCode | undefined } = { exitCode: undefined };
  let reject: (error: Interrupted) => void = () => undefined;
  const signalled = new Promise<never>((_, rejectNow) => (reject = rejectNow));
  listen();
  heeding = (signal) => {
    const exitCode = codes[signal];
    const isFirst = stop.exitCode === undefined;
    stop.exitCode ??= exitCode;
    if (isFirst && gracefully !== undefined) gracefully();
    else reject(new Interrupted(exitCode));
  };
  try {
    const working = work(stop);
    if (missed !== undefined) heeding(missed);
    missed = undefined;
    return await Promise.race([working, signalled]);
  } finally {
    heeding = undefined;
  }
}
