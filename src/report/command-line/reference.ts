/** The command line as Markdown and as a man page: commands with their options, exit codes, environment. */
import { usageOf, type CommandLine, type OptionText } from "./command-line.ts";

const defaultOf = ({ fallback }: OptionText): string => (fallback === undefined ? "" : ` (default: ${fallback})`);
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
const choicesOf = ({ value }: OptionText): string =>
  value === undefined || value.choices.length === 0 ? "" : `: ${value.choices.join(", ")}`;

/** Commands, exit codes and environment, as Markdown sections of the second level. */
export function renderCommandLine({ name, commands, exits, variables }: CommandLine): string {
  const sections = commands.map((command) =>
    [
      `### ${name} ${command.name}`,
      `${command.description}.`,
      `\`${name} ${usageOf(command)}\``,
      ...(command.options.length === 0
        ? []
        : [
            [
              "| option | meaning |",
              "|---|---|",
              ...command.options.map(
                (each) => `| \`${each.flags}\` | ${cell(`${each.description}${choicesOf(each)}${defaultOf(each)}`)} |`,
              ),
            ].join("\n"),
          ]),
    ].join("\n\n"),
  );
  return [
    "## Commands",
    ...sections,
    "## Exit codes",
    ["| exit code | meaning |", "|---:|---|", ...exits.map(({ code, meaning }) => `| ${code} | ${cell(meaning)} |`)].join("\n"),
    "## Environment",
    ["| variable | meaning |", "|---|---|", ...variables.map((each) => `| \`${each.name}\` | ${cell(each.meaning)} |`)].join("\n"),
  ].join("\n\n");
}

/** Text that troff takes as it is: no escapes, no hyphens that become others, no requests at the start of a line. */
const troff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");

/** The man page, in section 1. */
export function renderManPage({ name, version, description, commands, exits, variables }: CommandLine): string {
  const item = (head: string, text: string): string => `.TP\n.B ${troff(head)}\n${troff(text)}`;
  return [
    `.TH ${name.toUpperCase()} 1 "" "${name} ${version}" "User Commands"`,
    `.SH NAME\n${name} \\- ${troff(description)}`,
    `.SH SYNOPSIS\n.B ${name}\n.I command\n.RI [ options ]`,
    ".SH COMMANDS",
    ...commands.flatMap((command) => [
      `.SS "${troff(usageOf(command))}"\n${troff(command.description)}.`,
      ...command.options.map((each) => item(each.flags, `${each.description}${choicesOf(each)}${defaultOf(each)}`)),
    ]),
    ".SH EXIT STATUS",
    ...exits.map(({ code, meaning }) => item(String(code), meaning)),
    ".SH ENVIRONMENT",
    ...variables.map((each) => item(each.name, each.meaning)),
    "",
  ].join("\n");
}
