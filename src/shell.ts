/**
 * Words of a POSIX shell: whatever is printed to be typed next works when it is pasted, in sh,
 * bash, zsh and fish, whatever the path. Says nothing of which command that is.
 */

/** Characters that mean themselves in every shell, wherever they stand in a word that does not begin with one of the last. */
const plainWord = /^[\p{L}\p{N}_./][\p{L}\p{N}_./:@%+=-]*$/u;
const control = /\p{Cc}/u;

/** Control characters neither survive a terminal nor a paste, so the shell is told to make them. */
function printed(text: string): string {
  const format = text.replace(/[\p{Cc}\\%]/gu, (each) =>
    control.test(each) ? `\\${each.charCodeAt(0).toString(8).padStart(3, "0")}` : each + each,
  );
  return `"$(printf '${format.replaceAll("'", `'\\''`)}')"`;
}

/** A path as one word of a command line; one that begins with a dash is no option, and one with `~`, `$` or quotes is itself. */
export function shellWord(path: string): string {
  const text = path.startsWith("-") ? `./${path}` : path;
  if (plainWord.test(text)) return text;
  // What a command prints loses its last newlines.
  return control.test(text) && !text.endsWith("\n") ? printed(text) : `'${text.replaceAll("'", `'\\''`)}'`;
}
