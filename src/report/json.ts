/**
 * Objects of the program as JSON that users see: snake_case keys, one newline at
 * the end. Keys that are names of hyperparameters already have that form.
 */

const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function withSnakeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSnakeKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [snake(key), withSnakeKeys(part)]));
}

/** One line, for streams. */
export const jsonLine = (value: object): string => `${JSON.stringify(withSnakeKeys(value))}\n`;
/** Indented, for files and people. */
export const jsonText = (value: object): string => `${JSON.stringify(withSnakeKeys(value), null, 2)}\n`;
