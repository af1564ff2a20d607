/**
 * A study in a program's hands: a promise of what it comes to and its events as they happen,
 * with an AbortSignal to stop it. Prints nothing, ends nothing, listens to no signal of the
 * process. What is studied is others' business.
 */
import { setMaxListeners } from "node:events";
import { engineHost } from "../cache.ts";
import { packageVersion } from "../engines/sources.ts";
import { option, UserError } from "../errors.ts";
import type { StudyEvent } from "../studies/events.ts";
import type { Setting } from "../studies/setting.ts";
import { Stopped, StopSwitch } from "../studies/stopping.ts";
import { asUserError } from "../studies/system-errors.ts";
import { optionNames, unnamed, type StudyOptions } from "./options.ts";

/** Somebody who iterates over a study's events. */
interface Listener {
  readonly events: StudyEvent[];
  wake: () => void;
}

/**
 * A study that goes on: await it for what it comes to, or iterate over it for its events, from then on until it ends.
 * Both reject with what the study rejects with: a `UserError`, `Stopped`, or a bug. Leaving a loop does not stop the study.
 */
export class Study<T> implements Promise<T>, AsyncIterable<StudyEvent> {
  readonly [Symbol.toStringTag] = "Study";
  private readonly result: Promise<T>;
  private readonly listeners = new Set<Listener>();
  private isOver = false;

  /**
   * Begins the study after the caller's own next steps, so that whoever iterates at once misses no event.
   * @internal
   */
  constructor({ signal }: StudyOptions, begin: (setting: Setting) => Promise<T> | T) {
    const stopping = new StopSwitch();
    const stop = (): void => void stopping.ask();
    if (signal?.aborted) stop();
    else if (signal !== undefined) {
      // Any number of studies may heed one signal; Node warns of more than ten.
      setMaxListeners(0, signal);
      signal.addEventListener("abort", stop, { once: true });
    }
    const emit = (event: StudyEvent): void => {
      for (const listener of this.listeners) {
        listener.events.push(event);
        listener.wake();
      }
    };
    this.result = Promise.resolve()
      .then(() => begin(settingOf(emit, stopping)))
      .catch((error: unknown) => {
        if (error instanceof Stopped) error.cause = signal?.reason;
        throw inOwnWords(asUserError(error));
      })
      .finally(() => {
        signal?.removeEventListener("abort", stop);
        this.isOver = true;
        for (const { wake } of this.listeners) wake();
      });
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.result.catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.result.finally(onFinally);
  }

  /** The events from now on, for one loop; each loop has its own. */
  [Symbol.asyncIterator](): AsyncGenerator<StudyEvent, void, undefined> {
    const listener: Listener = { events: [], wake: () => undefined };
    this.listeners.add(listener);
    // The loop throws what the study rejects with, so that nobody else need wait for it.
    this.result.catch(() => undefined);
    const loop = this.eventsOf(listener);
    const end = loop.return.bind(loop);
    // A generator that is left before its first step runs nothing of itself.
    loop.return = (value) => {
      this.listeners.delete(listener);
      return end(value);
    };
    return loop;
  }

  private async *eventsOf(listener: Listener): AsyncGenerator<StudyEvent, void, undefined> {
    try {
      for (;;) {
        while (listener.events.length > 0) yield* listener.events.splice(0);
        if (this.isOver) break;
        await new Promise<void>((resolve) => (listener.wake = resolve));
      }
    } finally {
      this.listeners.delete(listener);
    }
    await this.result;
  }
}

function settingOf(emit: (event: StudyEvent) => void, stopping: StopSwitch): Setting {
  const note = (text: string): void => emit({ event: "note", note: text });
  return {
    get host() {
      return engineHost(note);
    },
    versions: { mutransfer: packageVersion(), node: process.version },
    now: () => performance.now() / 1000,
    emit,
    stopping,
  };
}

const namesByOption = new Map([...optionNames].map((name) => [option(name), name]));
/** Options by their names as data: `--skip-check` is `skipCheck`. What is no option of the library stays as it is. */
const inProgramWords = (text: string): string =>
  text.replace(/(?<![^\s(])--[a-z-]*[a-z](?![\w-])/g, (found) => namesByOption.get(found) ?? found);

/** What a mistake is called by somebody who types no options; a spec that is data has no lines. */
function inOwnWords(error: unknown): unknown {
  if (!(error instanceof UserError)) return error;
  const diagnostics = error.diagnostics.map(({ path, hint, position, ...rest }) => ({
    ...rest,
    ...(path !== undefined && { path: inProgramWords(path) }),
    ...(position !== undefined && position.file !== unnamed && { position }),
    ...(hint !== undefined && { hint: inProgramWords(hint) }),
  }));
  return new UserError(diagnostics, error.kind);
}
