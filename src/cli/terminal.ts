/**
 * The terminal as the commands see it: stdout for data, stderr for everything
 * else, colour decided per stream, and a block that repaints itself.
 */
import { colored, plain, type Style } from "../report/style.ts";
import { exitCodes } from "./exit-codes.ts";

/** Seconds between two plain progress lines when stderr is no terminal. */
const plainEvery = 5;
const repaintMilliseconds = 100;

function styleFor(stream: NodeJS.WriteStream): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return plain;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR === "0" ? plain : colored;
  return stream.isTTY && TERM !== "dumb" ? colored : plain;
}

/** What a live display shows. */
export interface LiveView {
  block(nowSeconds: number, style: Style): readonly string[];
  line(nowSeconds: number): string;
}

/** The two streams of a terminal, and what is painted on it. */
export class Terminal {
  readonly outStyle = styleFor(process.stdout);
  readonly errStyle = styleFor(process.stderr);
  private painted = 0;
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
  }

  /** Seconds on a monotonic clock. */
  now(): number {
    return performance.now() / 1000;
  }

  out(text: string): void {
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
    const columns = process.stderr.columns || 80;
    const lines = this.view.block(this.now(), this.errStyle).map((line) => clip(line, columns));
    this.erase();
    process.stderr.write(`${lines.join("\n")}\n`);
    this.painted = lines.length;
  }

  private printLine(): void {
    if (this.view !== undefined) process.stderr.write(`${this.view.line(this.now())}\n`);
  }

  private erase(): void {
    if (this.painted > 0) process.stderr.write(`\u001b[${this.painted}A\u001b[J`);
    this.painted = 0;
  }
}

/** Cuts a line to the terminal's width, counting what is seen and keeping escape sequences whole. */
function clip(line: string, columns: number): string {
  let seen = 0;
  return line.replace(/\u001b\[\d+m|[^]/gu, (part) => (part.startsWith("\u001b") ? part : seen++ < columns - 1 ? part : ""));
}
