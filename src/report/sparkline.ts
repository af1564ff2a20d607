/** A curve in one line of text: the lower the value, the lower its bar. */

const bars = "▁▂▃▄▅▆▇█";
/** The mark that stands where there is no value. */
const gap = "×";

/** One bar per value, in order, on the scale of those up to twice the median's distance from the lowest; null is a cross. */
export function sparkline(values: readonly (number | null)[]): string {
  const sound = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sound.length === 0) return gap.repeat(values.length);
  const [low, middle, high] = [sound[0], sound[Math.floor(sound.length / 2)], sound[sound.length - 1]];
  const top = Math.min(high, low + 2 * (middle - low) || high);
  const place = (value: number): number =>
    top === low ? 0 : Math.min(bars.length - 1, Math.floor(((value - low) / (top - low)) * bars.length));
  return values.map((value) => (value === null ? gap : bars[place(value)])).join("");
}
