/** A spec as rules see it: what of it fits the schema, so that one mistake does not hide another. */
import type { HyperparameterName } from "../parametrization/roles.ts";
import type { MethodName } from "../search/designers.ts";
import type { HyperparameterDomain, ParsedSpec } from "./schema.ts";

type Partially<T> = T extends readonly unknown[] | string | number | boolean | undefined
  ? T
  : { readonly [K in keyof T]?: Partially<T[K]> | undefined };
/** A spec of which parts may be missing, because they do not fit the schema. */
export type PartialSpec = Partially<Omit<ParsedSpec, "search" | "data">> & {
  readonly data?: Partial<ParsedSpec["data"]>;
  readonly search?: {
    readonly method?: MethodName;
    readonly trials?: number;
    readonly confirm?: ParsedSpec["search"]["confirm"];
    readonly parameters?: Partial<Record<HyperparameterName, HyperparameterDomain | undefined>>;
  };
};
