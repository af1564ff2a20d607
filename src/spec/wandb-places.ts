/**
 * Where the parameters of a W&B sweep belong in a spec, or why nowhere: by their names and by what they stand in.
 * What their values are is wandb-domains.ts's business.
 */
import { isMapping } from "../json.ts";
import { doesTransfer } from "../parametrization/roles.ts";
import { plainArchitecture } from "./architecture.ts";
import { meaningHint, meaningOf } from "./foreign-keys.ts";
import { untransferableFinding } from "./not-transferable.ts";
import type { Mapping, Translated } from "./wandb-domains.ts";

/** A parameter, and where it stands in the file. */
export interface Parameter {
  readonly name: string;
  readonly path: readonly string[];
  readonly domain: Mapping;
}

/** Parameters by their names, those within others by dotted ones. */
export function flattened(
  parameters: Mapping,
  path: readonly string[] = ["parameters"],
  around: readonly unknown[] = [],
): readonly Parameter[] {
  const name = (key: string): string => [...path.filter((each) => each !== "parameters"), key].join(".");
  return Object.entries(parameters).flatMap(([key, value]): readonly Parameter[] => {
    const here = [...path, key];
    if (!isMapping(value)) return [{ name: name(key), path: here, domain: { value } }];
    const inner = value["parameters"];
    // An alias may lead back to what it stands in.
    return isMapping(inner) && inner !== parameters && !around.includes(inner)
      ? flattened(inner, [...here, "parameters"], [...around, parameters])
      : [{ name: name(key), path: here, domain: value }];
  });
}

/** Where a spec has what it searches. */
export const inSpace = "search.parameters.";
/** Keys of a spec that others call the same, and their values mean the same. */
const own: Readonly<Record<string, string>> = {
  seed: "seed",
  ...Object.fromEntries(Object.keys(plainArchitecture).map((key) => [key, `model.${key}`])),
  ...{ clip: "train.clip", z_loss: "train.z_loss", optimizer: "train.optimizer.name" },
};
/** Hyperparameters that are in units of their own here. */
const units: Readonly<Record<string, string>> = {
  init_std: "here it is in units of 1/sqrt(fan_in): multiply yours by the square root of the fan-in at the base width",
  embedding_std: "here it is embeddings' own std under μP, of the order of 1: see docs/spec.md",
};
/** What a parameter may stand in without being of another part of the training. */
const plainParents = new Set([
  "optimizer",
  "optim",
  "model",
  "train",
  "training",
  "trainer",
  "data",
  "config",
  "args",
  "hparams",
  "hyperparameters",
  "params",
  "lr",
  "adam",
  "adamw",
]);

/** Where a parameter belongs in a spec, when its numbers mean the same there. */
export function placeOf(name: string): string | undefined {
  const parents = name.split(".");
  const last = parents.pop() ?? "";
  if (!parents.every((each) => plainParents.has(each.toLowerCase())) || Object.hasOwn(units, last)) return undefined;
  if (Object.hasOwn(own, last)) return own[last];
  if (doesTransfer(last)) return inSpace + last;
  const meaning = meaningOf(last);
  return meaning !== undefined && "here" in meaning && meaning.note === undefined ? meaning.here : undefined;
}

/** Why a parameter is not taken over. */
export function refusalOf(name: string, found: Translated): string {
  if ("reason" in found) return found.reason;
  const last = name.split(".").at(-1) ?? "";
  if (Object.hasOwn(units, last)) return units[last];
  const place = placeOf(last);
  if (place !== undefined && placeOf(name) === undefined) return `it may be another than ${place}, by what it stands in`;
  const refused = untransferableFinding(last, ["search", "parameters", last]);
  const meaning = meaningOf(last);
  if (refused !== undefined) return `${refused.message.replace(/^.*?: /, "")}; set it, if it is another than below`;
  if (place !== undefined) return `${place} is one value here`;
  return meaning === undefined ? "no such hyperparameter transfers" : meaningHint(meaning, ["search", "parameters", last]);
}
