/**
 * A study's events on the terminal: lines that stay on stderr, a live display while something
 * trains, and the event stream on stdout when it is wanted.
 */
import { jsonLine } from "../json.ts";
import { duration, percentOf } from "../numbers.ts";
import { passNotes, renderNotes, setupNotes, specNotes } from "../report/notes.ts";
import { renderCounts } from "../report/plan.ts";
import { lineOf, progressBlock, progressLine } from "../report/progress.ts";
import { renderSetup } from "../report/setup.ts";
import type { Style } from "../report/style.ts";
import { wrapped } from "../report/text.ts";
import { renderLaunch, renderPrelaunch, type LaunchView } from "../report/target.ts";
import type { StudyEvent, SweepEvent } from "../studies/events.ts";
import { Progress } from "../studies/progress.ts";
import type { Terminal } from "./terminal.ts";

/** What is wanted of the output: JSON, events, silence, or more than usual. */
export interface DisplayOptions {
  readonly json?: boolean;
  readonly events?: "ndjson";
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

type Kind = StudyEvent["event"];
type Of<K extends Kind> = Extract<StudyEvent, { readonly event: K }>;

/** The line that an event other than a sweep's is worth; an empty one is not printed. */
const lines: { readonly [K in Exclude<Kind, SweepEvent["event"]>]: (event: Of<K>, style: Style, options: DisplayOptions) => string } = {
  sweep_finished: () => "",
  training_over: () => "",
  plan_read: ({ plan: { spec }, passes, by }, style) =>
    renderNotes([...(by === "sweep" ? specNotes(spec) : []), ...passNotes(passes)], style),
  run_opened: ({ notes }, style) => notes.map((note) => style.red(note)).join("\n"),
  setup_chosen: ({ plan, setup }, style, { verbose }) =>
    [renderSetup(setup, verbose ?? false, style), renderNotes(setupNotes(plan.spec, setup), style)]
      .filter((text) => text !== "")
      .join("\n"),
  engine_chosen: ({ version, device }, style) => style.dim(`engine: ${version} on ${device.name}`),
  launch_planned: () => "",
  prelaunch_started: ({ share, seconds }, style) =>
    style.dim(
      `pre-launch check: costs ${percentOf(share)} of the target's training${seconds === null ? "" : `, about ${duration(seconds)},`} besides a coordinate check; --skip-check leaves it out`,
    ),
  prelaunch_finished: ({ prelaunch }) => renderPrelaunch(prelaunch),
  transfer_finished: () => "",
  objections_overruled: ({ objections }) => `launched all the same: ${objections.join("; ")}`,
  size_started: ({ axis, size, within }, style) =>
    style.dim(within === "prelaunch" ? `pre-launch check: coordinates at ${axis} ${size}` : `${axis} ${size}`),
  stopping: ({ after }) => `stopping ${after === "checkpoint" ? "at a checkpoint" : "after this size"}; interrupt again to stop now`,
  plan_counted: () => "",
  timing_started: ({ of, size, seconds }, style) => style.dim(`timing steps of the ${of}, width ${size.width}: about ${seconds} s at most`),
  target_not_timed: ({ why }) => `note: ${why}: its time is scaled from the proxy's`,
  note: ({ note }, style) => style.dim(note),
};

/** Whether an event is among those that `--events` streams. */
const isStreamed = ({ event }: StudyEvent): boolean => (!(event in lines) || event === "sweep_finished") && event !== "trials_stopped";

/** An event as the stream has it: what is known of earlier processes is for those who show progress. */
const streamed = (event: StudyEvent): object =>
  event.event === "sweep_started" ? { ...event, best: undefined, rungs: undefined, seed: undefined } : event;

/** What is shown of a launch before it. */
const launchView = ({ launch, tensors, best, proxyWidth }: Of<"launch_planned">): LaunchView => ({
  ...{ proxyWidth, tensors, width: launch.size.width, layers: launch.size.layers, parameters: launch.parameters },
  hyperparameters: [best.hyperparameters, launch.hyperparameters],
});

/** Shows what a study tells. */
export class Display {
  private readonly terminal: Terminal;
  private readonly options: DisplayOptions;
  private progress = new Progress();
  private started = NaN;
  private endedAt = NaN;

  constructor(terminal: Terminal, options: DisplayOptions) {
    this.terminal = terminal;
    this.options = options;
  }

  /** Prints a line for people, unless it is empty or they want none. */
  say(text: string): void {
    if (!this.options.quiet && text !== "") this.terminal.err(`${text}\n`);
  }

  /** The same, wrapped at words where the terminal ends. */
  tell(text: string): void {
    this.say(wrapped(text, this.terminal.errStyle.columns));
  }

  readonly emit = (event: StudyEvent): void => {
    const { terminal, options } = this;
    if (options.events && isStreamed(event)) terminal.out(jsonLine(streamed(event)));
    if (event.event === "launch_planned" && !options.json) terminal.out(`${renderLaunch(launchView(event), terminal.outStyle)}\n\n`);
    if (event.event === "plan_counted" && !options.json) terminal.out(`${renderCounts(event.counts, terminal.outStyle)}\n\n`);
    if (event.event === "training_over") this.rest();
    if (event.event in lines) this.tell(lines[event.event as keyof typeof lines](event as never, terminal.errStyle, options));
    else this.train(event as SweepEvent);
  };

  /** Seconds that the training took which ended last, when all of it was done here. */
  get tookSeconds(): number | undefined {
    const { isWhole } = this.progress;
    return isWhole ? this.endedAt - this.started : undefined;
  }

  private rest(): void {
    this.endedAt = this.terminal.now();
    this.terminal.rest();
  }

  private train(event: SweepEvent): void {
    if (event.event === "sweep_started") this.begin();
    const line = lineOf(event, this.progress, this.terminal.errStyle);
    this.progress.apply(event);
    this.tell(line ?? "");
  }

  private begin(): void {
    const progress = (this.progress = new Progress());
    const started = (this.started = this.terminal.now());
    if (this.options.quiet) return;
    this.terminal.live({
      block: (now, style) => progressBlock(progress, now - started, style),
      line: (now) => progressLine(progress, now - started),
    });
  }
}
