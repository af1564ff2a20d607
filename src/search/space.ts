/**
 * The space of hyperparameters: what each may be, how one value is drawn, and how
 * ties and conditions complete a point. Knows numbers and distributions, not what a
 * hyperparameter does. References between names are assumed sound: the spec's rules check them.
 */

/** Makes a domain count only while other hyperparameters have one of the listed values; otherwise the value is `otherwise`. */
interface Conditional {
  readonly when?: Readonly<Partial<Record<string, readonly number[]>>> | undefined;
  readonly otherwise?: number | undefined;
}
export type Domain =
  | ({ readonly distribution: "log_uniform" | "uniform" | "int_uniform"; readonly min: number; readonly max: number } & Conditional)
  | ({ readonly values: readonly number[] } & Conditional)
  | { readonly value: number }
  /** Takes the value of the hyperparameter named. */
  | { readonly same_as: string };

/** Named domains, in a fixed order. */
export type Space = Readonly<Record<string, Domain>>;
/** One value for every name of a space. */
export type Point = Readonly<Record<string, number>>;

/** A domain something is drawn from. */
export type FreeDomain = Exclude<Domain, { readonly value: number } | { readonly same_as: string }>;
export const isFree = (domain: Domain): domain is FreeDomain => "distribution" in domain || "values" in domain;

/** Draws keep four significant digits: they can be read, typed again, and compared by eye. */
function rounded(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, Number(value.toPrecision(4))));
}

/** The value at `u` of a domain's cumulative distribution, 0 ≤ u < 1. */
export function valueAt(domain: FreeDomain, u: number): number {
  if ("values" in domain) return domain.values[Math.floor(u * domain.values.length)];
  const { distribution, min, max } = domain;
  if (distribution === "log_uniform") return rounded(min * (max / min) ** u, min, max);
  if (distribution === "uniform") return rounded(min + u * (max - min), min, max);
  return Math.ceil(min) + Math.floor(u * (Math.floor(max) - Math.ceil(min) + 1));
}

/** Every value of a finite domain, in ascending order of position; undefined for a continuous range. */
export function valuesOf(domain: FreeDomain): readonly number[] | undefined {
  if ("values" in domain) return domain.values;
  if (domain.distribution !== "int_uniform") return undefined;
  const first = Math.ceil(domain.min);
  return Array.from({ length: Math.floor(domain.max) - first + 1 }, (_, index) => first + index);
}

/** Number of different values; Infinity for a continuous range. */
export function levelsOf(domain: FreeDomain): number {
  if ("values" in domain) return new Set(domain.values).size;
  return domain.distribution === "int_uniform" ? Math.floor(domain.max) - Math.ceil(domain.min) + 1 : Infinity;
}

/** Whether a conditional domain counts, given the values of the hyperparameters it depends on. */
const holds = ({ when = {} }: Conditional, valueOf: (name: string) => number): boolean =>
  Object.entries(when).every(([name, values]) => values?.includes(valueOf(name)) ?? true);

/** The point in which every free name has the value drawn for it, unless a condition rules it out, and ties are followed. */
export function completePoint(space: Space, drawn: Readonly<Partial<Record<string, number>>>): Point {
  const values = new Map<string, number>();
  const valueOf = (name: string): number => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const domain = space[name];
    const value = !isFree(domain)
      ? "value" in domain
        ? domain.value
        : valueOf(domain.same_as)
      : holds(domain, valueOf)
        ? drawn[name]
        : domain.otherwise;
    if (value === undefined) throw new Error(`completePoint: no value for ${name}`);
    values.set(name, value);
    return value;
  };
  return Object.fromEntries(Object.keys(space).map((name) => [name, valueOf(name)]));
}

/** Names a point, so that equal points can be told whatever the order of their keys. */
export const keyOf = (space: Space, point: Point): string =>
  Object.keys(space)
    .map((name) => point[name])
    .join(" ");

/** Every combination of some finite free names' values, the last name varying fastest. */
function combinations(space: Space, names: readonly string[]): readonly Readonly<Record<string, number>>[] {
  return names.reduce<readonly Readonly<Record<string, number>>[]>(
    (points, name) => points.flatMap((point) => (valuesOf(space[name] as FreeDomain) ?? []).map((value) => ({ ...point, [name]: value }))),
    [{}],
  );
}

/** Every point of a finite space once, the last name varying fastest. */
export function everyPoint(space: Space): readonly Point[] {
  const names = Object.keys(space).filter((name) => isFree(space[name]));
  const points = combinations(space, names).map((drawn) => completePoint(space, drawn));
  return [...new Map(points.map((point) => [keyOf(space, point), point])).values()];
}

/** Number of distinct points of a space; Infinity with a continuous range. */
export function spaceSize(space: Space): number {
  const free = Object.keys(space).filter((name) => isFree(space[name]));
  /** The free names that decide whether others count, found through ties. */
  const deciding = new Set<string>();
  const decides = (name: string): void => {
    const domain = space[name];
    if ("same_as" in domain) decides(domain.same_as);
    else if (isFree(domain) && levelsOf(domain) !== Infinity) deciding.add(name);
  };
  for (const name of free) for (const other of Object.keys((space[name] as FreeDomain).when ?? {})) decides(other);
  const sizes = free.map((name) => [name, levelsOf(space[name] as FreeDomain)] as const);
  const filler = Object.fromEntries(free.map((name) => [name, NaN]));
  const settled = new Map<string, number>();
  for (const drawn of combinations(space, [...deciding])) {
    const point = completePoint(space, { ...filler, ...drawn });
    // A name that is not deciding and whose condition holds keeps its NaN: all of its values are possible.
    const rest = sizes.reduce((product, [name, size]) => (deciding.has(name) || !Number.isNaN(point[name]) ? product : product * size), 1);
    settled.set([...deciding].map((name) => point[name]).join(" "), rest);
  }
  return [...settled.values()].reduce((sum, size) => sum + size, 0);
}
