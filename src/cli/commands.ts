/** The commands as data for commander. Each is imported when it is run, so that help costs nothing. */
import { Argument, Command, Option } from "commander";
import type { Shell } from "../report/command-line/completion.ts";
import { filled } from "../report/text.ts";
import type { CoordCheckCommand } from "./coord-check.ts";
import type { CurvesCommand } from "./curves.ts";
import { describe } from "./describe.ts";
import type { DoctorCommand } from "./doctor.ts";
import { variables } from "./environment.ts";
import { exitCodes, exitMeanings } from "./exit-codes.ts";
import {
  checkpoint,
  checkSteps,
  config,
  engine,
  events,
  jobs,
  json,
  out,
  port,
  positiveNumber,
  quiet,
  runFolder,
  seedCount,
  sizes,
  stack,
  trialId,
  verbose,
  width,
} from "./options.ts";
import type { InitCommand } from "./init.ts";
import type { PlanCommand } from "./plan.ts";
import type { ReportCommand } from "./report.ts";
import type { RetryCommand } from "./retry.ts";
import type { SchemaCommand } from "./schema.ts";
import type { StatusCommand } from "./status.ts";
import type { SweepCommand } from "./sweep.ts";
import type { TableCommand } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import type { TransferCommand } from "./transfer.ts";
import type { WatchCommand } from "./watch.ts";

const exitTexts = (Object.keys(exitCodes) as (keyof typeof exitCodes)[]).map(
  (name, index) => `${index === 0 ? "Exit codes: " : ""}${exitCodes[name]} ${exitMeanings[name].word}`,
);
const variableNames = variables.map(({ name }, index) => (index === 0 ? `Environment: ${name}` : name));

function examples(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `Examples:\n${lines.map(([command, purpose]) => `  mutransfer ${command.padEnd(width)}  ${purpose}`).join("\n")}\n`;
}

/** All commands, each of which ends in `exit` with its code. */
export function buildProgram(terminal: Terminal, version: string, exit: (code: number) => void): Command {
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
    .addHelpText("after", `\n${filled(exitTexts, 78, ", ", "  ").join("\n")}.\n${filled(variableNames, 78, ", ", "  ").join("\n")}.`);

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
    .description("loss against learning rate at several widths or depths: whether the optimum stays where it is")
    .addHelpText("before", examples([["curves configs/curves.yaml --out runs/curves", "the paper's Figure 1 in miniature"]]))
    .addArgument(config)
    .addOption(out)
    .addOption(jobs)
    .addOption(stack)
    .addOption(engine)
    .addOption(checkpoint)
    .addOption(json)
    .addOption(quiet)
    .addHelpText(
      "after",
      "\nExit codes, by the spec's own parametrization: 0 TRANSFERS, 8 DOES NOT TRANSFER, 9 INCONCLUSIVE. Writes curves.json into the run folder.",
    )
    .action(async (file: string, options: CurvesCommand) =>
      exit(await (await import("./curves.ts")).curves(file, options, terminal, version)),
    );
  program
    .command("status")
    .description("what is known of a run, while it goes on or after it died; changes nothing")
    .addArgument(runFolder)
    .option("--watch", "show it again and again until the run ends; with --json one line for each change")
    .addOption(json)
    .action(async (folder: string, options: StatusCommand) => exit(await (await import("./status.ts")).status(folder, options, terminal)));
  program
    .command("watch")
    .description("serve the report to a browser on this machine, and keep it up to date while the run goes on")
    .addHelpText("before", examples([["watch runs/first", "prints the page's address; Ctrl-C ends it"]]))
    .addArgument(runFolder)
    .addOption(port)
    .action(async (folder: string, options: WatchCommand) => exit(await (await import("./watch.ts")).watch(folder, options, terminal)));
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
    .addOption(new Option("--program", "print the training step of the proxies, op by op").conflicts("json"))
    .action(async (file: string, options: PlanCommand) => exit(await (await import("./plan.ts")).plan(file, options, terminal, version)));
  program
    .command("table")
    .description("what each tensor gets at a width: multiplier, init std, learning rate, weight decay, epsilon")
    .addArgument(config)
    .addOption(width)
    .addOption(json)
    .action(async (file: string, options: TableCommand) => exit(await (await import("./table.ts")).table(file, options, terminal)));
  program
    .command("coord-check")
    .description("train models of several widths or depths for a few steps, to see whether activations and updates keep their size")
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
    .addOption(new Option("--steps <n>", "training steps").argParser(checkSteps).default(10))
    .addOption(
      new Option("--learning-rate <x>", "at the base width (default: twice the one that the spec states)").argParser(positiveNumber),
    )
    .addOption(out)
    .addOption(engine)
    .addOption(json)
    .addOption(quiet)
    .addHelpText("after", "\nExit codes: 0 PASS or WARN, 8 FAIL, 9 INCONCLUSIVE. Writes coord-check.json into the run folder.")
    .action(async (file: string, options: CoordCheckCommand) =>
      exit(await (await import("./coord-check.ts")).checkCoordinates(file, options, terminal, version)),
    );
  program
    .command("init")
    .description("write a commented spec to start from")
    .argument("[file]", "where to write it", "sweep.yaml")
    .option("--from <sweep.yaml>", "translate a sweep of W&B, with what was taken over, and what not and why, in comments")
    .action(async (file: string, options: InitCommand) => exit(await (await import("./init.ts")).init(file, options, terminal)));
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
  program
    .command("completion")
    .description("print a script that completes commands, options and paths in a shell")
    .addHelpText(
      "before",
      examples([["completion bash >> ~/.bashrc", "zsh: >> ~/.zshrc; fish: > ~/.config/fish/completions/mutransfer.fish"]]),
    )
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(["bash", "zsh", "fish"]))
    .action(async (shell: Shell) => exit(await (await import("./completion.ts")).completion(shell, describe(program), terminal)));
  return program;
}
