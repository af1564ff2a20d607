/**
 * Numbers as people read them: durations, counts, sizes, rates, losses.
 */

/** Seconds as `0:07`, `12:34` or `3:05:09`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let [rest, unit] = [value, 0];
  for (; rest >= base && unit < units.length - 1; unit++) rest /= base;
  return `${rest >= 100 || (unit === 0 && Number.isInteger(rest)) ? Math.round(rest) : Number(rest.toPrecision(3))}${units[unit]}`;
}

/** 1234567 as `1.23M`. */
export const countOf = (value: number): string => scaled(value, 1000, ["", "k", "M", "B", "T"]);
/** FLOPs as `3.5 TFLOP`. */
export const flopsOf = (value: number): string =>
  scaled(value, 1000, [" FLOP", " kFLOP", " MFLOP", " GFLOP", " TFLOP", " PFLOP", " EFLOP"]);
/** Bytes as `12.3 MiB`. */
export const bytesOf = (value: number): string => scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
/** A fraction as a percentage with two or three significant digits. */
export const percentOf = (fraction: number): string =>
  `${fraction >= 1 ? Math.round(fraction * 100) : Number((fraction * 100).toPrecision(2))} %`;
/** A loss in nats. */
export const lossOf = (loss: number | null): string => (loss === null ? "–" : loss.toFixed(4));
/** Any other value, in as many digits as it needs, at most five. */
export const valueOf = (value: number): string => String(Number(value.toPrecision(5)));
