/** Bounds that can only be exponents, and the values that they would mean. Reinterprets nothing: it words a hint. */
import { valueOf } from "../numbers.ts";

/** A bound that is no positive real, and others no larger than e to this, are taken for exponents. */
const mostExponent = 12;
const shown = (value: number): string =>
  value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(2).replace(/\.?0+e/, "e") : valueOf(value);

/** What numbers would mean as exponents; undefined when they are none, as far as they tell. */
export function exponentHint(named: Readonly<Record<string, number>>): string | undefined {
  const written = Object.entries(named);
  const exponents = written.map(([, value]) => value);
  if (!exponents.some((value) => value < 0) || !exponents.every((value) => Math.abs(value) <= 700 && value <= mostExponent))
    return undefined;
  const asPowers = (base: string, power: (exponent: number) => number): string =>
    written.map(([, value]) => `${base}^${value} = ${shown(power(value))}`).join(", ");
  const natural = `bounds are real values, never exponents: as exponents of W&B's and Polyaxon's log_uniform they mean ${asPowers("e", Math.exp)}`;
  // Whole numbers are as likely to be powers of ten; others are not.
  return exponents.every(Number.isInteger) ? `${natural}; as powers of ten, ${asPowers("10", (x) => Number(`1e${x}`))}` : natural;
}
