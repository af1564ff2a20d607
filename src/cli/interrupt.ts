/**
 * Signals while something is training. The first asks for a stop at a checkpoint, the
 * second stops at once; either way what is on disk stays, and the exit code says which
 * signal it was.
 */
import { exitCodes, type ExitCode } from "../errors.ts";

const codes = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated, SIGHUP: exitCodes.terminated } as const;
type Stopping = keyof typeof codes;

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
    const exitCode = codes[signal as Stopping];
    const isFirst = stop.exitCode === undefined;
    stop.exitCode ??= exitCode;
    if (isFirst && gracefully !== undefined) gracefully();
    else reject(new Interrupted(exitCode));
  };
  const signals = Object.keys(codes) as Stopping[];
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await Promise.race([work(stop), signalled]);
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}
