/**
 * Signals while something is training: the work is abandoned at once, what is in
 * the journal stays, and the exit code says which signal it was.
 */
import { exitCodes, type ExitCode } from "../errors.ts";

const codes = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated, SIGHUP: exitCodes.terminated } as const;

export class Interrupted extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** Runs `work`; rejects with Interrupted as soon as a signal arrives. */
export async function untilSignal<T>(work: () => Promise<T>): Promise<T> {
  const signals = Object.keys(codes) as (keyof typeof codes)[];
  let stop: (signal: NodeJS.Signals) => void = () => undefined;
  const signalled = new Promise<never>((_, reject) => {
    stop = (signal) => reject(new Interrupted(codes[signal as keyof typeof codes]));
  });
  for (const signal of signals) process.on(signal, stop);
  try {
    return await Promise.race([work(), signalled]);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}
