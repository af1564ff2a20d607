/**
 * Signals while something is training. The first asks for a stop at a checkpoint, the
 * second stops at once; either way what is on disk stays, and the exit code says which
 * signal it was. While nothing is training they end the process as the system does.
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

/**
 * Runs `work`. At the first signal `gracefully` is called, and `work` is expected to end soon; without it,
 * and at the second signal, rejects with Interrupted at once.
 */
export async function untilSignal<T>(work: (stop: Stop) => Promise<T>, gracefully?: () => void): Promise<T> {
  const stop: { exitCode: ExitCode | undefined } = { exitCode: undefined };
  let reject: (error: Interrupted) => void = () => undefined;
  const signalled = new Promise<never>((_, rejectNow) => (reject = rejectNow));
  const onSignal = (signal: NodeJS.Signals): void => {
    const exitCode = codes[signal as StoppingSignal];
    const isFirst = stop.exitCode === undefined;
    stop.exitCode ??= exitCode;
    if (isFirst && gracefully !== undefined) gracefully();
    else reject(new Interrupted(exitCode));
  };
  for (const signal of stoppingSignals) process.on(signal, onSignal);
  try {
    return await Promise.race([work(stop), signalled]);
  } finally {
    for (const signal of stoppingSignals) process.off(signal, onSignal);
  }
}
