/**
 * Objects of the program as JSON that users see: snake_case keys, one newline at
 * the end. Keys that are names of hyperparameters already have that form.
 */

const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const camel = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function withKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((part) => withKeys(part, rename));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [rename(key), withKeys(part, rename)]));
}

/** One line, for streams. */
export const jsonLine = (value: object): string => `${JSON.stringify(withKeys(value, snake))}\n`;
/** Indented, for files and people. */
export const jsonText = (value: object): string => `${JSON.stringify(withKeys(value, snake), null, 2)}\n`;
/** What `jsonText` has written, with the program's own keys; throws for what is no JSON. */
export const parseJsonText = (text: string): unknown => withKeys(JSON.parse(text), camel);

/** Whether a value is a mapping of keys to values, and no list. */
export const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
