/** Logarithmic axes whose labels are the values themselves: where their ticks are. */
import type { Json } from "./figure.ts";

/** Leading digits of ticks, the finest first. */
const digits: readonly (readonly number[])[] = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]];

/** Values with one of the leading digits between the bounds. */
function decades(low: number, high: number, leading: readonly number[]): readonly number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.floor(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return powers.flatMap((power) => leading.map((digit) => Number(`${digit}e${power}`))).filter((value) => value >= low && value <= high);
}

/** Evenly spaced round values, the finest of which there are no more than `most`: for a range that holds hardly any with few digits. */
function evenly(low: number, high: number, most: number): readonly number[] {
  const power = Math.floor(Math.log10((high - low) / most));
  for (const digit of [1, 2, 5, 10, 20, 50]) {
    const step = Number(`${digit}e${power}`);
    const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
    if (last - first < most)
      return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
  }
  return [low];
}

/** Round values between two positive bounds, `most` of them at most, evenly over a logarithmic axis as far as round values are. */
export function logTicks(low: number, high: number, most: number): readonly number[] {
  const fine = decades(low, high, digits[0]);
  if (fine.length < 3) return evenly(low, high, Math.min(most, 5));
  const found = digits.map((leading) => decades(low, high, leading)).find(({ length }) => length <= most);
  if (found !== undefined && found.length >= 2) return found;
  const whole = decades(low, high, [1]);
  const every = Math.ceil(whole.length / most);
  return whole.length < 2 ? fine.filter((_, index) => index % 2 === 0) : whole.filter((_, index) => index % every === 0);
}

/** A logarithmic axis labelled with the values themselves; `values` are its ticks where they are known. */
export function logAxis(
  field: string,
  title: string | null,
  domain: readonly [number, number],
  most: number,
  values: readonly number[] = logTicks(domain[0], domain[1], most),
): Json {
  return {
    field,
    type: "quantitative",
    title,
    scale: { type: "log", domain, nice: false },
    axis: { values, format: "~g" },
  };
}

/** Ticks on an axis of a panel so many pixels wide. */
export const ticksIn = (pixels: number): number => Math.max(3, Math.min(10, Math.floor(pixels / 60)));
