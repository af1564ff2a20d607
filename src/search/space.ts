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
/** What one hyperparameter may be. */
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
/** Whether something is drawn from a domain. */
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

/** Every value of a finite domain, a list's in its own order; undefined for a continuous range. */
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

/** A way to draw one name: a value, standing for `count` of them. */
interface Option {
  readonly value: number;
  readonly count: number;
}
type Drawn = Readonly<Partial<Record<string, Option>>>;

/** Every combination of options; a name whose condition does not hold is not drawn, so that no two give the same point. */
function draws(space: Space, optionsOf: (name: string, domain: FreeDomain) => readonly Option[]): readonly Drawn[] {
  const ordered = new Set<string>(); // free names, each after those that its condition names
  const visit = (name: string): void => {
    const domain = space[name];
    if ("same_as" in domain) return visit(domain.same_as);
    if (!isFree(domain) || ordered.has(name)) return;
    Object.keys(domain.when ?? {}).forEach(visit);
    ordered.add(name);
  };
  Object.keys(space).forEach(visit);
  let drawn: readonly Drawn[] = [{}];
  for (const name of ordered) {
    const domain = space[name] as FreeDomain;
    const options = optionsOf(name, domain);
    drawn = drawn.flatMap((before) =>
      holds(domain, (other) => drawnValue(space, before, other)) ? options.map((option) => ({ ...before, [name]: option })) : [before],
    );
  }
  return drawn;
}

function drawnValue(space: Space, drawn: Drawn, name: string): number {
  const domain = space[name];
  if ("same_as" in domain) return drawnValue(space, drawn, domain.same_as);
  return "value" in domain ? domain.value : (drawn[name]?.value ?? domain.otherwise ?? NaN);
}

/** Every point of a finite space once, the last name varying fastest. */
export function everyPoint(space: Space): readonly Point[] {
  const ranks = new Map<string, ReadonlyMap<number, number>>();
  const options = (name: string, domain: FreeDomain): readonly Option[] => {
    const values = [...new Set(valuesOf(domain) ?? [])];
    ranks.set(name, new Map(values.map((value, rank) => [value, rank])));
    return values.map((value) => ({ value, count: 1 }));
  };
  const drawn = draws(space, options).map((options) => ({
    point: completePoint(space, Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option?.value]))),
    ranks: Object.keys(space).map((name) => ranks.get(name)?.get(options[name]?.value ?? NaN) ?? 0),
  }));
  const compare = (a: readonly number[], b: readonly number[]): number => {
    const differing = a.findIndex((rank, index) => rank !== b[index]);
    return differing < 0 ? 0 : a[differing] - b[differing];
  };
  return drawn.sort((a, b) => compare(a.ranks, b.ranks)).map(({ point }) => point);
}

/** The hyperparameter that one takes its value from in the end: itself unless it is tied. */
export function sourceOf(space: Space, name: string): string {
  const domain = space[name];
  return "same_as" in domain ? sourceOf(space, domain.same_as) : name;
}

/** Number of distinct points of a space; Infinity with a continuous range. */
export function spaceSize(space: Space): number {
  const source = (name: string): string => sourceOf(space, name);
  /** What the conditions list for each name. */
  const lists = new Map<string, (readonly number[])[]>();
  for (const domain of Object.values(space))
    for (const [name, values = []] of Object.entries(isFree(domain) ? (domain.when ?? {}) : {}))
      lists.set(source(name), [...(lists.get(source(name)) ?? []), values]);
  const drawn = draws(space, (name, domain) => classesOf(domain, lists.get(name) ?? []));
  return drawn.reduce((size, options) => size + Object.values(options).reduce((product, option) => product * (option?.count ?? 1), 1), 0);
}

/** A domain's values in classes that no condition tells apart: they are too many to go through. NaN stands for those in no list. */
function classesOf(domain: FreeDomain, lists: readonly (readonly number[])[]): readonly Option[] {
  const has = "values" in domain ? (value: number) => domain.values.includes(value) : (value: number) => isWithin(domain, value);
  const listed = [...new Set(lists.flat())].filter(has);
  const classes = new Map<string, Option>();
  for (const value of listed) {
    const key = lists.map((list) => Number(list.includes(value))).join("");
    classes.set(key, { value, count: (classes.get(key)?.count ?? 0) + 1 });
  }
  const rest = levelsOf(domain) - listed.length;
  return [...classes.values(), ...(rest > 0 ? [{ value: NaN, count: rest }] : [])];
}

/** Whether a range has a value among those that it draws by count; none of a continuous range counts. */
const isWithin = ({ distribution, min, max }: Exclude<FreeDomain, { readonly values: readonly number[] }>, value: number): boolean =>
  distribution === "int_uniform" && Number.isInteger(value) && value >= min && value <= max;
