/**
 * What this program does not transfer, as data: under which names people ask for it, why it is not tuned on proxies, what
 * the literature offers instead, and where it is set. Owns no rule: rules.ts and read.ts say when it is told.
 */

import { valueAt, type Finding } from "./diagnose.ts";
import type { Path } from "./document.ts";
import { meaningAt, meaningHint, meaningOf } from "./foreign-keys.ts";

/** One thing whose best value on a proxy is not the target's. */
interface Untransferable {
  /** Keys that people write for it, the first of them its own. */
  readonly names: readonly string[];
  readonly reason: string;
  /** What others have found, with its source. */
  readonly literature: string;
  /** Where it is set for proxies and target alike, or that it cannot be. */
  readonly wayOut: string;
}

const untransferable: readonly Untransferable[] = [
  {
    names: ["batch_size", "batch", "target_batch", "target_batch_size", "batch_tokens"],
    reason: "the best batch depends on the gradient's noise, which grows as the loss falls, and the best learning rate moves with it",
    literature:
      "the gradient noise scale predicts the largest useful batch (McCandlish et al. 2018, arXiv:1812.06162), and Adam's learning rate goes with its square root (Malladi et al. 2022, arXiv:2205.10287)",
    wayOut: "set train.batch, which proxies and target share",
  },
  {
    names: ["steps", "target_steps", "train_steps", "max_steps", "target_tokens", "epochs", "num_epochs"],
    reason: "longer training needs a lower learning rate, so that what is tuned over few steps is too high for many",
    literature:
      "the best rate falls as a power of the number of tokens (Bjorck et al. 2024, arXiv:2409.19913; Shen et al. 2024, arXiv:2408.13359); rules for duration and batch beside the width are in Mlodozeniec et al. 2025, arXiv:2512.22382",
    wayOut: "set train.steps, which proxies and target share",
  },
  {
    names: ["weight_decay"],
    reason: "the best weight decay depends on model and data size, so a proxy's does not transfer to the target",
    literature:
      "what stays about the same is the time over which AdamW averages, counted in epochs (Wang and Aitchison 2024, arXiv:2405.13698), or a power law of it in tokens per parameter (Bergsma et al. 2025, arXiv:2505.13738)",
    wayOut: "fix it in train.optimizer.weight_decay",
  },
  {
    names: ["dropout", "dropout_rate", "attention_dropout", "residual_dropout", "embedding_dropout"],
    reason: "the best dropout depends on model and data size, so a proxy's does not transfer to the target; this model has none",
    literature: "the paper counts it among what does not transfer (Yang et al. 2022, arXiv:2203.03466)",
    wayOut: "remove it",
  },
  {
    names: ["context", "sequence_length", "seq_len", "seq_length", "context_length", "block_size", "target_context"],
    reason: "another context is another task with losses of its own, and changes how many tokens a step has",
    literature: "across it, hyperparameters transfer by experiment only, and not from short ones (Yang et al. 2022, arXiv:2203.03466)",
    wayOut: "set model.context, which proxies and target share",
  },
  {
    names: ["warmup", "warmup_steps", "warm_up", "warmup_ratio", "schedule"],
    reason: "the best learning rate is the best under one schedule, so that every training of a run has the same, in shares of its steps",
    literature:
      "a schedule transfers with the rate (Yang et al. 2022, arXiv:2203.03466); warm-up helps mostly by letting a network bear a higher one (Kalra and Barkeshli 2024, arXiv:2406.09405)",
    wayOut: "set train.schedule, which proxies and target share",
  },
  {
    names: ["beta1", "beta2", "betas", "adam_beta1", "adam_beta2", "momentum", "muon_momentum"],
    reason: "the best learning rate is the best under one pair of decay rates, so that every training of a run has the same",
    literature:
      "they transfer across the width (Yang et al. 2022, arXiv:2203.03466); where the batch changes, hold the second moment's half-life in tokens (Marek et al. 2025, arXiv:2507.07101)",
    wayOut: "set train.optimizer.beta1, beta2 and momentum, which proxies and target share",
  },
  {
    names: ["epsilon", "eps", "adam_epsilon", "adam_eps"],
    reason: "Adam's ε should be too small to matter, and then no value of it is best; it follows the size by the table",
    literature: "where it is not scaled, large models' gradients underflow into it (Everett et al. 2024, arXiv:2407.05872)",
    wayOut: "set train.optimizer.epsilon, which is that at the base width",
  },
];

/** By every name that people ask for them under. */
const notTransferable: ReadonlyMap<string, Omit<Untransferable, "names">> = new Map(
  untransferable.flatMap(({ names, ...each }) => names.map((name) => [name, each] as const)),
);

/** By where a spec has them, for the names that other tools have. */
const byPlace: ReadonlyMap<string, Omit<Untransferable, "names">> = new Map(
  (
    [
      ["train.batch", "batch"],
      ["train.steps", "steps"],
      ["model.context", "context"],
      ["train.schedule.warmup", "warmup"],
      ["train.optimizer.weight_decay", "weight_decay"],
      ["train.optimizer.beta1", "beta1"],
      ["train.optimizer.beta2", "beta2"],
      ["train.optimizer.epsilon", "epsilon"],
    ] as const
  ).flatMap(([place, name]) => {
    const known = notTransferable.get(name);
    return known === undefined ? [] : [[place, known] as const];
  }),
);

/** What is told of a key that is asked to be tuned, or to differ, and does not transfer; undefined of any other. `further` is another way out. */
export function untransferableFinding(key: string, path: Path, further = ""): Finding | undefined {
  const meaning = meaningOf(key);
  const known = notTransferable.get(key) ?? (path[0] === "search" && meaning && "here" in meaning ? byPlace.get(meaning.here) : undefined);
  return (
    known && {
      code: "not_transferable",
      path,
      at: "key",
      message: `${key} is not tuned by transfer: ${known.reason}`,
      hint: `${known.wayOut}${further}; ${known.literature}`,
    }
  );
}

/** Whether a key stands where such a name means what it means here: not among data, nor within what is said of a search or of one hyperparameter. */
const isAsked = ([section, second, ...rest]: Path): boolean =>
  section === "search" ? rest.length === (second === "parameters" ? 1 : 0) : section !== "data";

/** Whether a key is one number outside of the search that another tool sets under that name: it is set here too, not tuned. */
function isPlainSetting(path: Path, isMany: boolean): boolean {
  const meaning = meaningOf(String(path.at(-1)));
  return path[0] !== "search" && !isMany && meaning !== undefined && "here" in meaning;
}

/** Keys under which people look for what is the target's own. */
const ofOneSize = ["target", "proxy"];

/** The known keys within another tool's section, which a schema never gets to see. */
function foreignWithin(section: object, path: Path): readonly Finding[] {
  return Object.keys(section).flatMap((key): readonly Finding[] => {
    const meaning = meaningOf(key);
    const at = [...path, key];
    return meaning === undefined
      ? []
      : [{ code: "unknown_key", path: at, at: "key", message: `unknown key ${key}`, hint: meaningHint(meaning, at) }];
  });
}

/**
 * A finding as it is told: unknown keys that theory refuses get the reason instead of a spelling hint, and so do lists and
 * mappings where one number is wanted of them.
 */
export function explained(finding: Finding, data: unknown): readonly Finding[] {
  const { code, path } = finding;
  const key = String(path.at(-1));
  const value = valueAt(data, path);
  const isMany = typeof value === "object" && value !== null;
  const within = code === "unknown_key" && isMany && meaningAt(path) !== undefined ? foreignWithin(value, path) : [];
  if (within.length > 0) return [finding, ...within];
  if (isPlainSetting(path, isMany)) return [finding];
  if (!isAsked(path) || (code !== "unknown_key" && !(code === "wrong_type" && isMany))) return [finding];
  const own = untransferableFinding(key, path);
  if (own !== undefined) return [own];
  if (code !== "unknown_key" || path.length > 1 || !ofOneSize.includes(key) || !isMany) return [finding];
  const inner = Object.keys(value).flatMap((each) => untransferableFinding(each, [...path, each]) ?? []);
  return [{ ...finding, hint: `proxies and target differ in width and depth only: width: {${key}: …}, depth: {${key}: …}` }, ...inner];
}
