/** Rules between the keys of a model's architecture and of its optimizer: what makes no sense together, and what says nothing without another key. */
import { architectureOf, zeroInitsOf } from "./architecture.ts";
import { wsdDecay } from "./defaults.ts";
import type { Finding } from "./diagnose.ts";
import type { PartialSpec } from "./partial.ts";

type Model = NonNullable<PartialSpec["model"]>;

/** Where a key of the architecture is written: itself, or the preset that implies it. */
const placeOf = (model: Model, key: keyof Model): readonly string[] => ["model", model[key] === undefined ? "preset" : key];

const whyNotZero = {
  readout: "a tied readout is the token embedding, and zero embeddings tell no token from another",
  query: "norms of heads divide queries by their size, and zeros have none",
} as const;

/** What is wrong with a model whatever its width. */
export function blockFindings(model: Model): readonly Finding[] {
  const whole = architectureOf(model);
  const { head_dim: headDim, zero_init: zeroInit = [] } = model;
  const allowed = zeroInitsOf(whole);
  const isRotary = whole.positions === "rope";
  return [
    ...(model.rope_theta !== undefined && !isRotary
      ? [
          {
            code: "rope_theta_unused",
            path: ["model", "rope_theta"],
            message: "rope_theta says nothing without rotary positions",
            hint: "add positions: rope, or remove it",
          },
        ]
      : []),
    ...(isRotary && headDim !== undefined && headDim % 2 !== 0
      ? [
          {
            code: "head_dim_odd",
            path: ["model", "head_dim"],
            message: `rotary positions turn pairs, and a head of ${headDim} has one number left over`,
            hint: "use an even head_dim, or positions: learned",
          },
        ]
      : []),
    ...(whole.qk_norm && headDim === 1
      ? [
          {
            code: "head_dim_normed",
            path: ["model", "head_dim"],
            message: "the norm of a head of one number leaves nothing of it but its sign",
            hint: "use a larger head_dim, or no qk_norm",
          },
        ]
      : []),
    ...zeroInit.flatMap((each, index): readonly Finding[] =>
      each === undefined || allowed.includes(each)
        ? []
        : [
            {
              code: "zero_init_impossible",
              path: ["model", "zero_init", index],
              message: whyNotZero[each],
              hint: `remove ${each} from zero_init`,
            },
          ],
    ),
  ];
}

/** What is wrong with the number of heads at one width, which `key` names. */
export function groupFindings(model: Model, size: number, path: readonly string[]): readonly Finding[] {
  const { queries_per_kv: shared } = architectureOf(model);
  const { head_dim: headDim } = model;
  if (headDim === undefined || size % headDim !== 0 || (size / headDim) % shared === 0) return [];
  const step = shared * headDim;
  return [
    {
      code: "heads_not_divisible",
      path,
      message: `width ${size} has ${size / headDim === 1 ? "1 head" : `${size / headDim} heads`}, no multiple of the ${shared} that share keys and values`,
      hint: `widths are multiples of queries_per_kv × head_dim = ${step}, the nearest ${Math.max(step, Math.round(size / step) * step)}; ${placeOf(model, "queries_per_kv").join(".")} says how many share`,
    },
  ];
}

/** Whether a name is this one, or is none that there is, so that nothing follows from it: one that is absent has its default here. */
const isOrOpen = (name: string | undefined, wanted: string): boolean => name === undefined || name === wanted;

interface Needed {
  readonly path: readonly string[];
  readonly given: (spec: PartialSpec) => unknown;
  readonly needs: (spec: PartialSpec) => boolean;
  readonly what: string;
}
/** Keys that say something only beside another one. */
const needed: readonly Needed[] = [
  {
    path: ["train", "optimizer", "momentum"],
    given: ({ train }) => train?.optimizer?.momentum,
    needs: ({ train }) => isOrOpen(train?.optimizer?.name, "muon"),
    what: "optimizer: {name: muon}",
  },
  {
    path: ["train", "schedule", "decay"],
    given: ({ train }) => train?.schedule?.decay,
    needs: ({ train }) => isOrOpen(train?.schedule?.name, "wsd"),
    what: "schedule: {name: wsd}",
  },
  {
    path: ["search", "parameters", "muon_learning_rate"],
    given: ({ search }) => search?.parameters?.muon_learning_rate,
    needs: ({ train }) => isOrOpen(train?.optimizer?.name, "muon"),
    what: "train.optimizer: {name: muon}",
  },
];

/** What is wrong with how models are trained. */
export function trainingFindings(spec: PartialSpec): readonly Finding[] {
  const { name, warmup = 0, decay: given } = spec.train?.schedule ?? {};
  const decay = given ?? wsdDecay;
  const unused = needed
    .filter(({ given, needs }) => given(spec) !== undefined && !needs(spec))
    .map(({ path, what }): Finding => ({
      code: "key_unused",
      path,
      at: "key",
      message: `${String(path.at(-1))} says nothing without ${what}`,
      hint: `add ${what}, or remove it`,
    }));
  return name === "wsd" && warmup + decay > 1
    ? [
        ...unused,
        {
          code: "schedule_too_long",
          path: ["train", "schedule", given === undefined ? "warmup" : "decay"],
          message: `a warm-up of ${warmup} and a decay of ${decay}${given === undefined ? ", as it is unless given," : ""} of the steps are more than all of them`,
          hint: "lower one of them: together they are 1 at most",
        },
      ]
    : unused;
}
