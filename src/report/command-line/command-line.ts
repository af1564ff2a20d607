/** The command line as data: what help, completion, the man page and the docs are made of. Read off the commands in cli/describe.ts. */

/** What stands where a value is typed. */
export type Takes = "file" | "folder" | "value";

/** What is typed after a command, or after one of its options. */
export interface ValueText {
  /** As it is written in a usage line: `<config>`, `[ids...]`. */
  readonly placeholder: string;
  readonly description: string;
  readonly takes: Takes;
  readonly choices: readonly string[];
}

/** An option of a command; one without a value is a switch. */
export interface OptionText {
  /** As it is written in a usage line: `-q, --quiet`, `--out <dir>`. */
  readonly flags: string;
  readonly short: string | undefined;
  readonly long: string;
  readonly description: string;
  readonly fallback: string | undefined;
  readonly value: ValueText | undefined;
}

/** A command. */
export interface CommandText {
  readonly name: string;
  readonly description: string;
  readonly values: readonly ValueText[];
  readonly options: readonly OptionText[];
}

/** An exit code, or two that belong together. */
export interface ExitText {
  readonly code: number;
  /** In a few words. */
  readonly word: string;
  /** The same with the cases. */
  readonly meaning: string;
}

/** An environment variable, or several that are obeyed together. */
export interface VariableText {
  readonly name: string;
  readonly meaning: string;
}

/** The command line. */
export interface CommandLine {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly commands: readonly CommandText[];
  readonly exits: readonly ExitText[];
  readonly variables: readonly VariableText[];
}

/** A command as it is typed, without its name: `sweep <config> [options]`. */
export const usageOf = ({ name, values, options }: CommandText): string =>
  [name, ...values.map(({ placeholder }) => placeholder), ...(options.length > 0 ? ["[options]"] : [])].join(" ");
