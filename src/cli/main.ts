/**
 * The command line: commands, options and help as data for commander, and the one
 * place where errors become exit codes. Commands are imported when they are run,
 * so that help costs nothing.
 */
import { createRequire } from "node:module";
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { engineNames } from "../engines/engine.ts";
import { exitCodes, UserError } from "../errors.ts";
import type { Interval } from "../sweep/worker-pool.ts";
import type { CoordCheckCommand } from "./coord-check.ts";
import type { CurvesCommand } from "./curves.ts";
import type { DoctorCommand } from "./doctor.ts";
import { listenToFaults } from "./faults.ts";
import type { PlanCommand } from "./plan.ts";
import type { ReportCommand } from "./report.ts";
import type { RetryCommand } from "./retry.ts";
import type { SchemaCommand } from "./schema.ts";
import type { StatusCommand } from "./status.ts";
import type { SweepCommand } from "./sweep.ts";
import type { TableCommand } from "./table.ts";
import { Terminal } from "./terminal.ts";
import type { TransferCommand } from "./transfer.ts";

const { version } = createRequire(import.meta.url)("../../../package.json") as { version: string };

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number of at least 1.");
  return value;
}

/** `500` steps, `90s`, `10m`, `2h`, or `off`. */
function interval(text: string): Interval {
  const found = /^(\d+)([smh]?)$/.exec(text);
  if (text === "off") return {};
  if (found === null || Number(found[1]) < 1) throw new InvalidArgumentError("expected steps (500), a time (90s, 10m, 2h), or off.");
  const count = Number(found[1]);
  const seconds = { s: 1, m: 60, h: 3600 }[found[2] ?? ""];
  return seconds === undefined ? { steps: count } : { seconds: count * seconds };
}

function sizes(text: string): readonly number[] {
  return text.split(",").map(positiveInteger);
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError("expected a number above 0.");
  return value;
}

function seedCount(text: string): number {
  const value = positiveInteger(text);
  if (value < 2) throw new InvalidArgumentError("expected at least 2: one seed has no standard error.");
  return value;
}

function trialId(text: string, others: readonly number[] = []): readonly number[] {
  const id = Number(text);
  if (!Number.isSafeInteger(id) || id < 0) throw new InvalidArgumentError("expected the number of a trial.");
  return [...others, id];
}

const config = new Argument("<config>", "sweep spec (YAML)");
const out = new Option("--out <dir>", "run folder");
const engine = new Option("--engine <name>", "compute engine; auto takes the fastest that runs here (default: auto)").choices([
  "auto",
  ...engineNames,
]);
const jobs = new Option("--jobs <n>", "stacks trained at the same time (default: one per core, or per GPU)").argParser(positiveInteger);
const stack = new Option("--stack <n>", "trials per stack (default: what is timed to be fastest)").argParser(positiveInteger);
const checkpoint = new Option(
  "--checkpoint <interval>",
  "how often unfinished training is kept: steps (500), a time (90s, 10m, 2h), or off",
)
  .argParser(interval)
  .default({ seconds: 300 }, "5m");
const runFolder = new Argument("<dir>", "run folder");
const quiet = new Option("-q, --quiet", "no progress on stderr");
const verbose = new Option("-v, --verbose", "also print what was timed to choose engine and stacks");
const events = new Option("--events <format>", "stream events to stdout instead of the table").choices(["ndjson"]).conflicts("json");
const json = new Option("--json", "print the result as one JSON object");
const width = new Option("--width <n>", "width instead of the spec's target").argParser(positiveInteger);

function examples(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `Examples:\n${lines.map(([command, purpose]) => `  mutransfer ${command.padEnd(width)}  ${purpose}`).join("\n")}\n`;
}

function buildProgram(terminal: Terminal, exit: (code: number) => void): Command {
  const program = new Command("mutransfer")
    .description("Zero-shot hyperparameter transfer (μTransfer): tune small proxies under μP, train the large model once.")
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .showHelpAfterError("(add --help for usage)")
    .addHelpText(
      "before",
      examples([
        ["init sweep.yaml", "write a commented spec"],
        ["plan sweep.yaml", "what it will cost, before it costs anything"],
        ["sweep sweep.yaml --out runs/first", "train the proxies and pick the best"],
        ["transfer --best runs/first/results.json", "train the target with its hyperparameters"],
      ]),
    )
    .addHelpText(
      "after",
      `
Exit codes: 0 ok, 1 internal error, 2 usage or spec, 3 files disagree, 4 run folder in use,
5 no trial survived, 6 disk or I/O, 7 engine not usable, 8 coordinate check failed,
9 coordinate check inconclusive, 130 interrupted, 143 terminated.`,
    );

  program
    .command("sweep")
    .description("train the proxies of a spec, rank them, write results.json")
    .addArgument(config)
    .addHelpText(
      "before",
      examples([
        ["sweep sweep.yaml", "train, rank, write runs/<name>"],
        ["sweep sweep.yaml --dry-run", "what it will cost"],
        ["sweep sweep.yaml --json -q | jq .best", "the winner, for a program"],
      ]),
    )
    .addOption(out)
    .addOption(jobs)
    .addOption(stack)
    .addOption(engine)
    .addOption(checkpoint)
    .option("--extend", "add the trials by which the spec has grown to the run in the folder")
    .option("--dry-run", "print the plan and train nothing")
    .addOption(json)
    .addOption(events)
    .addOption(quiet)
    .addOption(verbose)
    .action(async (file: string, options: SweepCommand) =>
      exit(await (await import("./sweep.ts")).sweep(file, options, terminal, version)),
    );
  program
    .command("transfer")
    .description("train the target with a sweep's best hyperparameters, copied unchanged")
    .addHelpText(
      "before",
      examples([
        ["transfer --best runs/first/results.json", "the spec's target width"],
        ["transfer --best runs/first/results.json --width 512 --out runs/512", "another width"],
      ]),
    )
    .requiredOption("--best <results.json>", "results of a sweep")
    .addOption(width)
    .addOption(out)
    .addOption(engine)
    .addOption(checkpoint)
    .option("--skip-check", "launch without the check that targets more than 4 times as wide as the proxy get")
    .option("--force", "launch although the evidence speaks against it")
    .addOption(json)
    .addOption(quiet)
    .action(async (options: TransferCommand) => exit(await (await import("./transfer.ts")).transfer(options, terminal, version)));
  program
    .command("curves")
    .description("loss against learning rate at several widths, under μP and SP: whether the optimum stays where it is")
    .addHelpText("before", examples([["curves configs/curves.yaml --out runs/curves", "the paper's Figure 1 in miniature"]]))
    .addArgument(config)
    .addOption(out)
    .addOption(jobs)
    .addOption(stack)
    .addOption(engine)
    .addOption(checkpoint)
    .addOption(json)
    .addOption(quiet)
    .action(async (file: string, options: CurvesCommand) =>
      exit(await (await import("./curves.ts")).curves(file, options, terminal, version)),
    );
  program
    .command("status")
    .description("what is known of a run, while it goes on or after it died; changes nothing")
    .addArgument(runFolder)
    .addOption(json)
    .action(async (folder: string, options: StatusCommand) => exit(await (await import("./status.ts")).status(folder, options, terminal)));
  program
    .command("report")
    .description("one page with a run's figures, and each figure with its data beside it; changes nothing else")
    .addHelpText(
      "before",
      examples([
        ["report runs/first", "runs/first/report/report.html and its figures/"],
        ["report runs/first --out first.html", "another place"],
      ]),
    )
    .addArgument(runFolder)
    .option("--out <file>", "where the page goes; figures/ lies beside it (default: <dir>/report/report.html)")
    .addOption(json)
    .addOption(quiet)
    .action(async (folder: string, options: ReportCommand) => exit(await (await import("./report.ts")).report(folder, options, terminal)));
  program
    .command("retry")
    .description("train some trials of a run again, and whatever else it still lacks")
    .addArgument(runFolder)
    .addArgument(new Argument("[ids...]", "trials").argParser(trialId))
    .option("--failed", "every trial that failed")
    .option("--diverged", "every trial that diverged")
    .addOption(jobs)
    .addOption(stack)
    .addOption(engine)
    .addOption(checkpoint)
    .addOption(json)
    .addOption(events)
    .addOption(quiet)
    .addOption(verbose)
    .action(async (folder: string, ids: readonly number[], options: RetryCommand) =>
      exit(await (await import("./retry.ts")).retry(folder, ids, options, terminal, version)),
    );
  program
    .command("repair")
    .description("put damaged lines of a run's journal aside, so that the rest can be gone on with")
    .addArgument(runFolder)
    .action(async (folder: string) => exit(await (await import("./repair.ts")).repair(folder, terminal)));
  program
    .command("validate")
    .description("check a spec and its data; every mistake at once")
    .addArgument(config)
    .action(async (file: string) => exit(await (await import("./validate.ts")).validate(file, terminal)));
  program
    .command("plan")
    .description("trials, stacks, parameters, FLOPs, memory and time of a sweep; nothing is trained")
    .addArgument(config)
    .addOption(out)
    .addOption(jobs)
    .addOption(stack)
    .addOption(engine)
    .addOption(json)
    .option("--program", "print the training step of the proxies, op by op")
    .action(async (file: string, options: PlanCommand) => exit(await (await import("./plan.ts")).plan(file, options, terminal)));
  program
    .command("table")
    .description("what each tensor gets at a width: multiplier, init std, learning rate, weight decay, epsilon")
    .addArgument(config)
    .addOption(width)
    .addOption(json)
    .action(async (file: string, options: TableCommand) => exit(await (await import("./table.ts")).table(file, options, terminal)));
  program
    .command("coord-check")
    .description("train models of several widths or depths for a few steps: do activations and updates keep their size?")
    .addArgument(config)
    .addHelpText(
      "before",
      examples([
        ["coord-check sweep.yaml", "a verdict, and the slope of every tensor"],
        ["coord-check sweep.yaml --axis depth", "for parametrization completep, which has rules for depth"],
        ["coord-check sweep.yaml --json -q | jq .verdict", "the same, for a program"],
      ]),
    )
    .addOption(new Option("--axis <axis>", "what differs between the models").choices(["width", "depth"]).default("width"))
    .addOption(
      new Option("--sizes <list>", "widths or depths (default: 1, 2, 4 and 8 × the base, from width 64 or depth 4 on)").argParser(sizes),
    )
    .addOption(new Option("--seeds <n>", "initial weights of every model").argParser(seedCount).default(5))
    .addOption(new Option("--steps <n>", "training steps").argParser(positiveInteger).default(10))
    .addOption(
      new Option("--learning-rate <x>", "at the base width (default: twice the one that the spec states)").argParser(positiveNumber),
    )
    .addOption(out)
    .addOption(engine)
    .addOption(json)
    .addOption(quiet)
    .addHelpText("after", "\nExit codes: 0 PASS or WARN, 8 FAIL, 9 INCONCLUSIVE. Writes coord-check.json into the run folder.")
    .action(async (file: string, options: CoordCheckCommand) =>
      exit(await (await import("./coord-check.ts")).checkCoordinates(file, options, terminal)),
    );
  program
    .command("init")
    .description("write a commented spec to start from")
    .argument("[file]", "where to write it", "sweep.yaml")
    .action(async (file: string) => exit(await (await import("./init.ts")).init(file, terminal)));
  program
    .command("doctor")
    .description("engines, devices, versions and memory, and what to install for each engine that is missing")
    .addOption(json)
    .action(async (options: DoctorCommand) => exit(await (await import("./doctor.ts")).doctor(options, terminal, version)));
  program
    .command("schema")
    .description("print the spec's JSON schema (draft-07), for editors")
    .option("--markdown", "print the reference as a Markdown table instead")
    .action(async (options: SchemaCommand) => exit(await (await import("./schema.ts")).schema(options, terminal)));
  return program;
}

const elsewhere = "choose another place: --out for runs, $MUTRANSFER_CACHE for what is kept between runs";
const makeRoom = "free some space; the same command continues";
/** Errors that the operating system reports about files, each with its way out. */
const ioErrors: ReadonlyMap<string, string> = new Map([
  ["EACCES", elsewhere],
  ["EPERM", elsewhere],
  ["EROFS", elsewhere],
  ["ENOENT", elsewhere],
  ["ENOTDIR", elsewhere],
  ["EISDIR", elsewhere],
  ["EEXIST", elsewhere],
  ["ENAMETOOLONG", elsewhere],
  ["ENOSPC", makeRoom],
  ["EDQUOT", makeRoom],
  ["EFBIG", makeRoom],
  ["EIO", "the disk reports an error; the same command continues elsewhere when the run folder is copied"],
  ["EMFILE", "raise the limit of open files (ulimit -n)"],
]);

/** Runs one command line (without node and script) and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = new Terminal();
  listenToFaults();
  // So that a write beyond a size limit is an error like any other.
  if (process.platform !== "win32") process.on("SIGXFSZ", () => undefined);
  let code: number = exitCodes.ok;
  try {
    const program = buildProgram(terminal, (value) => (code = value));
    if (argv.length === 0) {
      terminal.err(program.helpInformation());
      return exitCodes.usage;
    }
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (error instanceof UserError) {
      const { renderDiagnostics } = await import("../report/diagnostics.ts");
      terminal.err(`${renderDiagnostics(error.diagnostics, terminal.errStyle)}\n`);
      return error.exitCode;
    }
    const system = error as NodeJS.ErrnoException;
    if (system.code !== undefined && ioErrors.has(system.code)) {
      const { renderDiagnostic } = await import("../report/diagnostics.ts");
      const hint = ioErrors.get(system.code) ?? "";
      const place = system.path === undefined || system.message.includes(system.path) ? "" : ` (${system.path})`;
      terminal.err(`${renderDiagnostic({ code: "io_error", message: system.message + place, hint }, terminal.errStyle)}\n`);
      return exitCodes.io;
    }
    terminal.err(`internal error, please report it: ${(error as Error).stack ?? String(error)}\n`);
    return exitCodes.internal;
  }
}
