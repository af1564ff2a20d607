/**
 * What a file looks like that is no spec: another format, or another tool's YAML. Looks at text and keys only, and
 * tells what it found in one diagnostic; parses nothing.
 */
import type { Diagnostic } from "../errors.ts";
import { shellWord } from "../shell.ts";
import { meaningOf } from "./foreign-keys.ts";

/** Formats by what tells them, the surest first; `sign` is searched for in the text's first part. */
const formats: readonly (readonly [what: string, sign: RegExp])[] = [
  ["a binary file", /[\0-\x08\x0e-\x1a\x1c-\x1f]|\ufffd/],
  ["HTML or XML", /^\s*<(?:!doctype|html|\?xml|[a-z]+[\s>])/i],
  ["a shell script", /^#!.*\b(?:ba|z|da)?sh\b/],
  ["Python", /^(?:#!.*python|import \w+|from [\w.]+ import |def \w+\(|class \w+[(:]|@\w+)/m],
  ["TOML", /^\s*\[\[?[\w.-]+\]\]?\s*(?:#.*)?\n+(?:\s*#.*\n+)*\s*[\w.-]+\s*=/m],
  ["JSON with comments", /^(?:\s|\/\/.*\n|\/\*[^]*?\*\/)*\{[^]*(?:\/\/|\/\*)|^\s*(?:\/\/|\/\*)[^]*\{/],
  ["Python, or settings of the form `name = value`", /^\w+\s*=\s*[^=\s]/m],
];
/** As much of a text as tells what it is. */
const mostLooked = 20_000;

const mostAssigned = 12;

/** Names that are assigned to in another format and known here, with what they are. */
function assigned(text: string): string {
  const known = [...text.matchAll(/^\s*["']?([\w-]+)["']?\s*[=:]/gm)].flatMap(([, name]) => {
    const meaning = meaningOf(name);
    if (meaning === undefined || !("here" in meaning)) return [];
    return [meaning.note === undefined ? `${name} is ${meaning.here}` : `${name} becomes ${meaning.here} (${meaning.note})`];
  });
  const all = [...new Set(known)];
  return `${all.slice(0, mostAssigned).join(", ")}${all.length > mostAssigned ? `, and ${all.length - mostAssigned} more` : ""}`;
}

/** What a text that is no YAML mapping looks like; undefined when nothing tells. */
export function formatFinding(text: string, file: string): Diagnostic | undefined {
  const start = text.slice(0, mostLooked);
  const found = formats.find(([, sign]) => sign.test(start));
  if (found === undefined) return undefined;
  const [what] = found;
  const here = what === "a binary file" ? "" : assigned(start);
  return {
    code: "not_yaml",
    message: `${file} looks like ${what}, and a spec is YAML`,
    hint: `\`mutransfer init\` writes a spec to start from${here === "" ? "" : `; in it, ${here}`}`,
  };
}

/** Other tools' YAML by keys at its top that a spec does not have. */
const tools: readonly {
  readonly what: string;
  readonly isIt: (has: (key: string) => boolean) => boolean;
  readonly hint: (file: string) => string;
  readonly code?: string;
}[] = [
  {
    what: "the results.json of a sweep",
    code: "results_file",
    isIt: (has) => has("spec_hash") && has("trials"),
    hint: (file) => `\`mutransfer transfer --best ${shellWord(file)}\` takes it; the spec that it came from is in it, under \`spec\``,
  },
  {
    what: "a W&B sweep",
    isIt: (has) => has("parameters") && (has("method") || has("program") || has("metric") || has("command")),
    hint: (file) => `\`mutransfer init --from ${shellWord(file)} spec.yaml\` translates it, and the keys below say where theirs belong`,
  },
  {
    what: "a Hydra config",
    isIt: (has) => has("defaults") || has("hydra") || has("_target_"),
    hint: () => "a spec stands by itself: `mutransfer init` writes one to start from, and the keys below say where theirs belong",
  },
];

/** Which tool's file a mapping is; undefined when it has a key that every spec has. */
export function toolFinding(data: unknown, file: string): Diagnostic | undefined {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return undefined;
  const has = (key: string): boolean => Object.hasOwn(data, key);
  if (has("search") || has("width")) return undefined;
  const tool = tools.find(({ isIt }) => isIt(has));
  return tool && { code: tool.code ?? "not_a_spec", message: `${file} looks like ${tool.what}`, hint: tool.hint(file) };
}
