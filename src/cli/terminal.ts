/**
 * The terminal as the commands see it: stdout for data, stderr for everything
 * else, colour decided per stream, and a block that repaints itself.
 */
import { colored, plain, type Style } from "../report/style.ts";
import { clip, widthOf } from "../report/text.ts";
import { exitCodes } from "./exit-codes.ts";

/** Seconds between two plain progress lines when stderr is no terminal. */
const plainEvery = 5;
const repaintMilliseconds = 100;

function colorsFor(stream: NodeJS.WriteStream): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return plain;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR === "0" ? plain : colored;
  return stream.isTTY && TERM !== "dumb" ? colored : plain;
}

/** A terminal that does not say how wide it is has 80 columns; what is no terminal has what $COLUMNS says, or any number. */
function columnsOf(stream: NodeJS.WriteStream): number {
  if (stream.isTTY) return stream.columns || 80;
  return Number(process.env["COLUMNS"]) || Infinity;
}

/** Asked each time, since a window changes its size. */
const styleFor = (stream: NodeJS.WriteStream): Style => ({
  ...colorsFor(stream),
  get columns() {
    return columnsOf(stream);
  },
});

/** What a live display shows. */
export interface LiveView {
  block(nowSeconds: number, style: Style): readonly string[];
  line(nowSeconds: number): string;
}

/** The two streams of a terminal, and what is painted on it. */
export class Terminal {
  readonly outStyle = styleFor(process.stdout);
  readonly errStyle = styleFor(process.stderr);
  /** The lines of the block as they stand there. */
  private painted: readonly string[] = [];
  private view: LiveView | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor() {
    for (const stream of [process.stdout, process.stderr]) {
      stream.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "EPIPE") return; // a reader that went away (`| head`) is no error of ours
        if (stream === process.stdout) process.stderr.write(`stdout cannot be written: ${error.message}\n`);
        process.exit(exitCodes.io);
      });
    }
    process.on("exit", () => this.erase());
    // After a stop from the keyboard the block lies above what the shell has written since: it is left there.
    process.on("SIGCONT", () => (this.painted = []));
  }

  /** Seconds on a monotonic clock. */
  now(): number {
    return performance.now() / 1000;
  }

  out(text: string): void {
    if (process.stdout.isTTY) this.erase();
    process.stdout.write(text);
  }

  err(text: string): void {
    this.erase();
    process.stderr.write(text);
  }

  /** Whether stderr can be painted over. */
  get repaints(): boolean {
    return process.stderr.isTTY && process.env["TERM"] !== "dumb";
  }

  /** Shows a view on stderr until `rest` is called: a repainting block, or a plain line now and then. */
  live(view: LiveView): void {
    this.view = view;
    this.timer = setInterval(
      () => (this.repaints ? this.repaint() : this.printLine()),
      this.repaints ? repaintMilliseconds : plainEvery * 1000,
    );
  }

  rest(): void {
    clearInterval(this.timer);
    this.erase();
    this.view = undefined;
  }

  private repaint(): void {
    if (this.view === undefined) return;
    const { columns } = this.errStyle;
    // What does not fit the window cannot be erased from it: of many stacks some are not shown.
    const most = Math.max(2, (process.stderr.rows || 24) - 2);
    const all = this.view.block(this.now(), this.errStyle);
    const shown = all.length <= most ? all : [...all.slice(0, most - 1), `  … and ${all.length - most + 1} more`];
    const lines = shown.map((line) => clip(line, columns - 1));
    // In one piece, so that no echo comes between.
    process.stderr.write(`${this.erasure()}${lines.join("\n")}\n`);
    this.painted = lines;
  }

  private printLine(): void {
    if (this.view !== undefined) process.stderr.write(`${this.view.line(this.now())}\n`);
  }

  private erase(): void {
    const erasure = this.erasure();
    if (erasure !== "") process.stderr.write(erasure);
  }

  /** What removes the block, also where a window that has become narrower shows its lines in several, and after an echo of ^C. */
  private erasure(): string {
    if (this.painted.length === 0) return "";
    const { columns } = this.errStyle;
    const rows = this.painted.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    this.painted = [];
    return `\r\u001b[${rows}A\u001b[J`;
  }
}
