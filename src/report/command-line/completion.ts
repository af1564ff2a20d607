/** Completion for bash, zsh and fish, as scripts that know every command, option and choice, and where a file or a folder goes. */
import type { CommandLine, CommandText, OptionText, ValueText } from "./command-line.ts";

const helps = "how a command is used";
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const words = (texts: readonly string[]): string => quoted(texts.join(" "));
const flagsOf = (options: readonly OptionText[]): readonly string[] =>
  options.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]));
const withHelp = (options: readonly OptionText[]): readonly string[] => [...flagsOf(options), "--help"];

function bash({ name, commands }: CommandLine): string {
  const offer = ({ takes, choices }: ValueText): string =>
    choices.length > 0
      ? `COMPREPLY=($(compgen -W ${words(choices)} -- "$cur"))`
      : { file: `_${name}_paths -f`, folder: `_${name}_paths -d`, value: ":" }[takes];
  const after = commands.flatMap((command) =>
    command.options.flatMap(({ long, value }) =>
      value === undefined ? [] : [`    ${quoted(`${command.name} ${long}`)}) ${offer(value)}; return ;;`],
    ),
  );
  const each = commands.map(
    (command) =>
      `    ${command.name}) flags=${words(withHelp(command.options))}; [[ $cur == -* ]] || { ${command.values.length === 0 ? ":" : offer(command.values[0])}; return; } ;;`,
  );
  const names = commands.map((command) => command.name);
  return `# Completion of ${name} for bash: source <(${name} completion bash)
_${name}_paths() {
  local IFS=$'\\n'
  compopt -o filenames 2> /dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} flags=
  COMPREPLY=()
  # An option's = is a word of its own.
  if [ "$cur" = = ]; then cur=; elif [ "$prev" = = ]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${words([...names, "help", "--help", "--version"])} -- "$cur"))
    return
  fi
  case "\${COMP_WORDS[1]} $prev" in
    'help help') COMPREPLY=($(compgen -W ${words(names)} -- "$cur")); return ;;
${after.join("\n")}
  esac
  case "\${COMP_WORDS[1]}" in
${each.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$flags" -- "$cur"))
}
complete -F _${name} ${name}
`;
}

function zsh({ name, commands }: CommandLine): string {
  const escaped = (text: string): string => text.replace(/[[\]:\\]/g, "\\$&");
  const action = ({ takes, choices }: ValueText): string =>
    choices.length > 0 ? `(${choices.join(" ")})` : { file: "_files", folder: "_files -/", value: " " }[takes];
  const label = ({ placeholder }: ValueText): string => escaped(placeholder.replace(/[<>[\].]/g, ""));
  const optionSpecs = ({ short, long, description, value }: OptionText): readonly string[] =>
    (short === undefined ? [long] : [short, long]).map((flag) =>
      quoted(
        `${flag}${value !== undefined && flag === long ? "=" : ""}[${escaped(description)}]${value === undefined ? "" : `:${label(value)}:${action(value)}`}`,
      ),
    );
  const specsOf = ({ values, options }: CommandText): readonly string[] => [
    ...options.flatMap(optionSpecs),
    quoted("--help[help]"),
    ...values.map((value, index) => quoted(`${value.placeholder.includes("...") ? "*" : index + 1}:${label(value)}:${action(value)}`)),
  ];
  return `#compdef ${name}
# Completion of ${name} for zsh: source <(${name} completion zsh), after compinit
_${name}() {
  local -a commands
  commands=(
${commands.map((command) => `    ${quoted(`${command.name}:${escaped(command.description)}`)}`).join("\n")}
    ${quoted(`help:${helps}`)}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
    help) (( CURRENT > 2 )) || _describe command commands ;;
${commands.map((command) => `    ${command.name}) _arguments ${specsOf(command).join(" ")} ;;`).join("\n")}
  esac
}
# As a file in $fpath it is the function itself.
if [ "$funcstack[1]" = _${name} ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish({ name, commands }: CommandLine): string {
  const escaped = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const offer = ({ takes, choices }: ValueText): string =>
    choices.length > 0
      ? `-x -a ${escaped(choices.join(" "))}`
      : { file: "-r -F", folder: "-x -a '(__fish_complete_directories)'", value: "-x" }[takes];
  return [
    `# Completion of ${name} for fish: ${name} completion fish | source`,
    `complete -c ${name} -f`,
    `complete -c ${name} -n __fish_use_subcommand -a help -d ${escaped(helps)}`,
    `complete -c ${name} -n '__fish_seen_subcommand_from help' -a ${escaped(commands.map((command) => command.name).join(" "))}`,
    ...commands.flatMap((command) => {
      const within = `complete -c ${name} -n '__fish_seen_subcommand_from ${command.name}'`;
      const [first] = command.values as readonly (ValueText | undefined)[];
      return [
        `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${escaped(command.description)}`,
        ...(first === undefined || (first.takes === "value" && first.choices.length === 0)
          ? []
          : [`${within} ${offer(first).replace(/^-r /, "")}`]),
        ...command.options.map(
          ({ short, long, description, value }) =>
            `${within}${short === undefined ? "" : ` -s ${short.slice(1)}`} -l ${long.slice(2)}${value === undefined ? "" : ` ${offer(value)}`} -d ${escaped(description)}`,
        ),
      ];
    }),
    "",
  ].join("\n");
}

/** The script of each shell. */
export const completionScripts = { bash, zsh, fish } as const satisfies Readonly<Record<string, (commandLine: CommandLine) => string>>;
/** A shell that has one. */
export type Shell = keyof typeof completionScripts;
