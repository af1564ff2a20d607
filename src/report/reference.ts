/**
 * The spec's reference as a Markdown table, from its JSON schema: one row a key,
 * with type, default and meaning. A union that several keys share is listed once.
 */

/** The parts of JSON schema (draft-07) that specs use. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly (string | number | boolean)[];
  readonly const?: string | number | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const upper = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const parts = [
    minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? `≥ ${minimum}` : "",
    exclusiveMinimum !== undefined ? `> ${exclusiveMinimum}` : "",
    upper !== undefined ? `≤ ${upper}` : "",
    exclusiveMaximum !== undefined ? `< ${exclusiveMaximum}` : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function typeOf(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(", ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.type === "array") return `list of ${schema.items ? typeOf(schema.items) : "anything"}`;
  if (schema.type === "object") return schema.required ? `{${schema.required.join(", ")}}` : "mapping";
  const range = rangeOf(schema);
  return `${schema.type ?? "anything"}${range ? ` ${range}` : ""}`;
}

function rowsOf(schema: JsonSchema, path: string, listed: Set<string>): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const here = path ? `${path}.${key}` : key;
    const section = property.properties !== undefined;
    const fallback = schema.required?.includes(key)
      ? "required"
      : section || property.default === undefined
        ? ""
        : `\`${JSON.stringify(property.default)}\``;
    const union = JSON.stringify(property.anyOf);
    const branches = property.anyOf && !listed.has(union) ? property.anyOf.filter((branch) => branch.properties) : [];
    listed.add(union);
    const seen = new Set<string>();
    return [
      `| \`${here}\` | ${section ? "" : typeOf(property)} | ${fallback} | ${property.description ?? ""} |`,
      ...rowsOf(property, here, listed),
      ...branches.flatMap((branch) => rowsOf(branch, here, listed)).filter((row) => !seen.has(row) && seen.add(row)),
    ];
  });
}

/** Markdown table of every key of a schema. */
export function renderReference(schema: JsonSchema): string {
  return ["| key | type | default | meaning |", "|---|---|---|---|", ...rowsOf(schema, "", new Set())].join("\n");
}
