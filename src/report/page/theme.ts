/**
 * The colours of a report, each in a light and a dark ink. Figures are drawn in the
 * light ones, so that a file opens anywhere; style rules keyed by the light ink turn
 * them dark where the reader's system is. Every light ink is therefore unique.
 */

interface Ink {
  readonly light: string;
  readonly dark: string;
}

const inks = {
  ink: { light: "#1c1f24", dark: "#e8eaed" },
  muted: { light: "#565d6b", dark: "#a9b1be" },
  grid: { light: "#e4e7ec", dark: "#31363f" },
  trial: { light: "#2f6db3", dark: "#82b6f2" },
  winner: { light: "#c2185b", dark: "#ff86b3" },
  diverged: { light: "#b3261f", dark: "#ff8d80" },
  target: { light: "#0b7a5b", dark: "#5fd6ae" },
  pass: { light: "#1f7a4d", dark: "#6fd39b" },
  warn: { light: "#9a6700", dark: "#efbf55" },
  fail: { light: "#c0281e", dark: "#ff8577" },
  unsure: { light: "#6b7280", dark: "#9aa3b2" },
  control: { light: "#7a5195", dark: "#c8a2e6" },
} as const satisfies Readonly<Record<string, Ink>>;

/** Colours from low (or narrow, or best) to high; every one at least 3:1 against its background. */
const ramp: readonly Ink[] = [
  { light: "#1d4e9f", dark: "#7fb0ff" },
  { light: "#1f7fae", dark: "#63c4ee" },
  { light: "#23897a", dark: "#5fd6b8" },
  { light: "#6d8a1f", dark: "#c3d162" },
  { light: "#b07d12", dark: "#f2bd55" },
  { light: "#cc5f27", dark: "#ff9a66" },
  { light: "#b0262a", dark: "#ff7575" },
];

/** A colour by what it is for. */
export type InkName = keyof typeof inks;

/** The colour that figures are drawn in. */
export const inkOf = (name: InkName): string => inks[name].light;

/** `count` colours spread over the ramp; beyond its length neighbours share one. */
export function rampOf(count: number): readonly string[] {
  const last = ramp.length - 1;
  return Array.from({ length: count }, (_, index) => ramp[count === 1 ? 0 : Math.round((index * last) / (count - 1))].light);
}

const surface: Ink = { light: "#ffffff", dark: "#15181d" };
/** The colour that figures stand on. */
export const surfaceInk = surface.light;
/** Every colour, as it is in light and in dark. */
export const inkPairs: readonly Ink[] = [...Object.values(inks), ...ramp, surface];

/** Style rules that turn figures dark; `scope` selects what holds them. */
function darkRules(scope: string): string {
  return inkPairs.map(({ light, dark }) => `${scope}[fill="${light}"]{fill:${dark}}${scope}[stroke="${light}"]{stroke:${dark}}`).join("\n");
}

const dark = (rules: string): string => `@media (prefers-color-scheme: dark){\n${rules}\n}`;

/** Style rules for a figure in a file of its own. */
export const figureStyle = `svg{background:${surface.light};font-family:system-ui,sans-serif}\n${dark(`svg{background:${surface.dark}}\n${darkRules("")}`)}`;

const variables = (side: keyof Ink): string =>
  [["surface", surface] as const, ...Object.entries(inks)].map(([name, ink]) => `--${name}:${ink[side]}`).join(";");

/** Style rules for the page: the same inks as variables, and the figures' dark rules. */
export const pageTheme = `:root{color-scheme:light dark;${variables("light")}}\n${dark(`:root{${variables("dark")}}\n${darkRules("svg ")}`)}`;
