/** Invented coordinate checks and learning-rate curves in the shape the program writes them: valleys and slopes by formula, nothing was trained. */
import type { Results } from "../../src/run/results.ts";
import type { CoordCheck, Coordinate, Curves, Prelaunch, Verdict } from "../../src/evidence/records.ts";

const widths = [32, 64, 128, 256];
const seeds = [1, 2, 3];

/** A valley in log2 of the rate; under SP its floor moves left by one per doubling, and blows up on the right. */
function family(parametrization: "mup" | "sp"): Curves["families"][number] {
  const isSp = parametrization === "sp";
  const curves = widths.map((width, index) => {
    const centre = -5 - (isSp ? index : 0.1 * index);
    const floor = 2.05 - (isSp ? 0.02 : 0.06) * index;
    const points = [-10, -9, -8, -7, -6, -5, -4, -3].map((exponent) => ({
      learning_rate: 2 ** exponent,
      losses: seeds.map((seed) => (exponent > centre + 2.5 ? null : floor + 0.03 * (exponent - centre) ** 2 + 0.03 * (seed - 2))),
    }));
    return {
      size: width,
      points,
      optimum: { log2_learning_rate: centre, low: centre - 0.3, high: centre + 0.25, loss: floor, edge: null },
    };
  });
  return {
    parametrization,
    verdict: isSp ? "DOES_NOT_TRANSFER" : "TRANSFERS",
    optimum_stays: !isSp,
    larger_is_better: !isSp,
    smallest_rate_suffices: !isSp,
    missing: [],
    curves,
    drift: isSp ? { per_doubling: -1.02, low: -1.14, high: -0.9 } : { per_doubling: -0.1, low: -0.2, high: 0 },
    growth: { nats: -0.06, low: -0.08, high: -0.04, seed_noise: 0.02 },
    places: 21,
    violations: isSp ? [{ learning_rate: 2 ** -9, smaller: 64, larger: 128, nats: 0.03, bound: 0.02 }] : [],
    gap: isSp ? { nats: 0.27, low: 0.25, high: 0.29, seed_noise: 0.02 } : { nats: 0.003, low: 0.002, high: 0.004, seed_noise: 0.02 },
  };
}

export const inventedCurves: Curves = {
  version: 3,
  name: "invented",
  spec_hash: "0".repeat(64),
  axis: "width",
  seeds,
  verdict: "TRANSFERS",
  families: [family("sp"), family("mup")],
};

const tensors = [
  "token_embedding",
  ...["0", "1"].flatMap((block) =>
    ["attention.query", "attention.key", "attention.logits", "attention.output", "mlp.up", "mlp.down"].map(
      (name) => `blocks.${block}.${name}`,
    ),
  ),
  "readout",
];

function coordinate(tensor: string, statistic: "size" | "update", slope: number, verdict: Verdict, note?: string): Coordinate {
  return {
    regime: "adam",
    tensor,
    statistic,
    step: 4,
    means: widths.map((width) => 0.1 * (width / 32) ** slope),
    standard_errors: widths.map(() => 0.004),
    slope,
    slope_standard_error: 0.03,
    verdict,
    ...(note !== undefined && { note }),
  };
}

const both = ["size", "update"] as const;
export const inventedCheck: CoordCheck = {
  version: 1,
  name: "invented",
  axis: "width",
  sizes: widths,
  parameters: widths.map((width) => 12 * width ** 2),
  seeds: 3,
  steps: 4,
  learning_rate: 0.01,
  parametrization: "mup",
  verdict: "FAIL",
  reason: "readout: its update grows with the width (slope 0.52): the readout's learning rate does not follow the table.",
  coordinates: tensors.flatMap((tensor, index) =>
    both.map((statistic) => {
      if (tensor === "readout" && statistic === "update") return coordinate(tensor, statistic, 0.52, "FAIL", "readout's learning rate");
      if (tensor === "blocks.1.attention.logits") return coordinate(tensor, statistic, -0.2, "WARN");
      return coordinate(tensor, statistic, 0.04 * Math.sin(index), "PASS");
    }),
  ),
  control: tensors.flatMap((tensor, index) => both.map((statistic) => coordinate(tensor, statistic, 0.35 + 0.05 * index, "FAIL"))),
};

export const inventedPrelaunch: Omit<Prelaunch, "digest"> = {
  version: 1,
  spec_hash: "h",
  results_digest: "d",
  width: 512,
  coordinates: { verdict: "WARN", reason: "one is doubtful" },
  widths: [
    { width: 32, validation_loss: 2 },
    { width: 128, validation_loss: 1.8 },
  ],
  between: { width: 128, half: null, winner: 1.8, twice: 1.9 },
  prediction: { validation_loss: 1.7, low: 1.65, high: 1.74, exponent: 0.7 },
  objections: ["at width 128 it is worse"],
};

export const inventedAnalysis: Results["analysis"] = {
  median_loss: 2.1,
  winners_curse: null,
  optimum: { learning_rate: 0.0159, low: 0.012, high: 0.021, open: null },
  lowest_diverged_learning_rate: 0.05,
  importance: [
    { hyperparameter: "learning_rate", share: 0.8, low: 0.6, high: 0.9 },
    { hyperparameter: "output_multiplier", share: 0.1, low: 0, high: 0.2 },
  ],
  rungs: [],
  steps: { made: 2000, spared: 0 },
};
