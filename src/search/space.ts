/**
 * The space of hyperparameters and how one value of it is drawn. Knows numbers
 * and distributions, not what a hyperparameter does.
 */
import type { RandomStream } from "../rng.ts";

export type Domain =
  | { readonly distribution: "log_uniform" | "uniform" | "int_uniform"; readonly min: number; readonly max: number }
  | { readonly values: readonly number[] }
  | { readonly value: number };

/** Named domains, in a fixed order. */
export type Space = Readonly<Record<string, Domain>>;
/** One value for every name of a space. */
export type Point = Readonly<Record<string, number>>;

/** Draws keep four significant digits: they can be read, typed again, and compared by eye. */
function rounded(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, Number(value.toPrecision(4))));
}

/** One draw from a domain; consumes exactly one number of the stream, so that domains do not disturb each other. */
export function draw(domain: Domain, stream: RandomStream): number {
  const u = stream.uniform();
  if ("value" in domain) return domain.value;
  if ("values" in domain) return domain.values[Math.floor(u * domain.values.length)];
  const { distribution, min, max } = domain;
  if (distribution === "log_uniform") return rounded(min * (max / min) ** u, min, max);
  if (distribution === "uniform") return rounded(min + u * (max - min), min, max);
  return Math.ceil(min) + Math.floor(u * (Math.floor(max) - Math.ceil(min) + 1));
}

/** Every value of a finite domain, in ascending order of position. */
export function valuesOf(domain: Domain): readonly number[] {
  if ("value" in domain) return [domain.value];
  if ("values" in domain) return domain.values;
  const first = Math.ceil(domain.min);
  return Array.from({ length: Math.floor(domain.max) - first + 1 }, (_, index) => first + index);
}
