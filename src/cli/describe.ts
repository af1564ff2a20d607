/** What commander knows of the commands, as data for completion, the man page and the docs. */
import type { Argument, Command, Option } from "commander";
import type { CommandLine, CommandText, OptionText, Takes, ValueText } from "../report/command-line/command-line.ts";
import { variables } from "./environment.ts";
import { exitCodes, exitMeanings } from "./exit-codes.ts";

const takes = (placeholder: string): Takes =>
  /dir/.test(placeholder) ? "folder" : /file|config|\.json/.test(placeholder) ? "file" : "value";

function valueText(argument: Argument): ValueText {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return {
    ...{ placeholder: argument.required ? `<${name}>` : `[${name}]`, description: argument.description },
    ...{ takes: takes(argument.name()), choices: argument.argChoices ?? [] },
  };
}

function optionText({ flags, short, long, description, defaultValue, defaultValueDescription, argChoices }: Option): OptionText {
  const placeholder = /<.*>/.exec(flags)?.[0];
  const fallback = defaultValueDescription ?? (defaultValue === undefined ? undefined : String(defaultValue));
  const value = placeholder === undefined ? undefined : { placeholder, description, takes: takes(placeholder), choices: argChoices ?? [] };
  return { flags, short: short ?? undefined, long: long ?? flags, description, fallback, value };
}

const commandText = (command: Command): CommandText => ({
  ...{ name: command.name(), description: command.description() },
  ...{ values: command.registeredArguments.map(valueText), options: command.options.map(optionText) },
});

/** The command line of a program. */
export const describe = (program: Command): CommandLine => ({
  ...{ name: program.name(), version: program.version() ?? "", description: program.description() },
  commands: program.commands.map(commandText),
  exits: (Object.keys(exitCodes) as (keyof typeof exitCodes)[]).map((name) => ({ code: exitCodes[name], ...exitMeanings[name] })),
  variables,
});
