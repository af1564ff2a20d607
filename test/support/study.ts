/** What a study is given in tests: no terminal, its events in a list, and a stop that the test asks for. */
import { join } from "node:path";
import type { StudyEvent } from "../../src/studies/events.ts";
import type { Setting } from "../../src/studies/setting.ts";
import { StopSwitch } from "../../src/studies/stopping.ts";

export interface Surroundings {
  readonly setting: Setting;
  readonly events: StudyEvent[];
  /** Events of one kind, in the order they were told. */
  readonly of: <K extends StudyEvent["event"]>(kind: K) => readonly Extract<StudyEvent, { readonly event: K }>[];
  /** Asks for a stop, as a signal or a program does. */
  readonly stop: () => void;
}

/** Surroundings with a cache in `folder`; `onEvent` may ask for a stop. */
export function surroundings(folder: string, onEvent: (event: StudyEvent, stop: () => void) => void = () => undefined): Surroundings {
  const events: StudyEvent[] = [];
  const stopping = new StopSwitch();
  const stop = (): void => void stopping.ask();
  return {
    events,
    of: (kind) => events.filter((event): event is Extract<StudyEvent, { readonly event: typeof kind }> => event.event === kind),
    stop,
    setting: {
      host: { cache: join(folder, "cache"), environment: process.env },
      versions: { mutransfer: "0.0.0-test", node: "v0" },
      now: () => performance.now() / 1000,
      emit: (event) => {
        events.push(event);
        onEvent(event, stop);
      },
      stopping,
    },
  };
}

/** A spec whose models are so small that a sweep of them takes a second. */
export const tinySpec = (lines = ""): string => `name: tiny
data: {source: moby-dick}
model: {layers: 1, head_dim: 8, context: 16}
width: {base: 8, proxy: 8, target: 16}
train: {steps: 60, batch: 4, evaluate: {every: 20, batches: 2}}
search: {trials: 4, confirm: {top: 2, seeds: 2}, parameters: {learning_rate: {distribution: log_uniform, min: 0.01, max: 0.1}}}
${lines}`;
