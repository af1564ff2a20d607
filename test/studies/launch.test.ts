import { join } from "node:path";
import { expect, it } from "vitest";
import { readPlan } from "../../src/spec/read.ts";
import type { Results } from "../../src/run/results.ts";
import { openingTrials } from "../../src/sweep/agenda.ts";
import { launchTable, planLaunch, type Launch } from "../../src/studies/launch.ts";
import { weightsMetadata } from "../../src/studies/weights-metadata.ts";
import { temporaryFolder } from "../support/folder.ts";
import { resultsOf } from "../support/results.ts";
import { trainingOf } from "../../src/spec/training.ts";
import { sizesOf, type Plan } from "../../src/spec/plan.ts";

const folder = temporaryFolder();
const text = `name: x
data: {source: moby-dick}
model: {head_dim: 16}
width: {proxy: 16, target: 64}
search: {confirm: false, trials: 1, parameters: {output_multiplier: {value: 8}}}
`;

/** The launch of a spec whose trials have all ended alike, at its target's width unless another is given. */
async function launchOf(spec: string, width?: number): Promise<{ readonly plan: Plan; readonly launch: Launch }> {
  const plan = await readPlan({ text: spec, file: "x.yaml", directory: folder }, join(folder, "cache"));
  const ended = { status: "completed" as const, validation_loss: 2, steps: 600, curve: [] };
  const trials = openingTrials(plan.spec).map((trial) => ({ ...trial, ...ended }));
  const environment = { mutransfer: "0", node: "v20", engine: "e", device: "cpu", data_hash: plan.dataset.hash, data_directory: "." };
  const results = resultsOf(plan, trials, environment);
  const { target } = sizesOf(plan.spec);
  return {
    plan,
    launch: planLaunch(plan, results, results.best as NonNullable<Results["best"]>, { ...target, ...(width && { width }) }, 1),
  };
}

it("the target has the target's depth, and the residual multiplier that follows from it", async () => {
  const deep = `${text}parametrization: completep\ndepth: {base: 1, proxy: 1, target: 4}\n`;
  const { plan, launch } = await launchOf(deep, 64);
  const [trial] = openingTrials(plan.spec);
  expect(trainingOf(plan, [trial], sizesOf(plan.spec).proxy, 1).model.layers).toBe(1);
  expect(launch.training.model).toMatchObject({ layers: 4, width: 64, scaledResiduals: true });
  expect(JSON.parse(weightsMetadata(plan, launch)["forward"] ?? "")).toMatchObject({ residual_multiplier: 0.25 });
  expect(JSON.parse(weightsMetadata(plan, launch)["model"] ?? "")).toMatchObject({ layers: 4 });
});

it("the weights' metadata holds the multipliers at the target's width", async () => {
  const { plan, launch } = await launchOf(text, 64);
  const { forward = "" } = weightsMetadata(plan, launch);
  expect(JSON.parse(forward)).toEqual({ input_multiplier: 1, attention_scale: 0.25, output_multiplier: 2 });
});

it.each([
  [
    "gpt2",
    { norm: "layer norm before attention, MLP and readout", activation: "gelu, tanh form", readout: "token_embedding, transposed" },
    4,
  ],
  ["llama", { norm: "RMS norm before attention, MLP and readout", activation: "silu(gate) times up", rope_theta: 500_000 }, 2],
])(
  "the weights' metadata says what blocks of %s compute, and what their logits are multiplied by",
  async (preset, architecture, output) => {
    const blocks = text
      .replace("{head_dim: 16}", `{preset: ${preset}, head_dim: 4}`)
      .replace("target: 64", `target: ${preset === "gpt2" ? 32 : 64}`);
    const { plan, launch } = await launchOf(blocks);
    const metadata = weightsMetadata(plan, launch);
    expect(JSON.parse(metadata["architecture"] ?? "")).toMatchObject(architecture);
    expect(JSON.parse(metadata["forward"] ?? "")).toMatchObject({ output_multiplier: output });
  },
);

it("the weights' metadata says what a modern model is made of, and by what tied logits are multiplied", async () => {
  const modern = text.replace(/^model:.*$/m, "model: {preset: llama, head_dim: 8, queries_per_kv: 2, tied_embeddings: true}");
  const { plan, launch } = await launchOf(modern, 64);
  const metadata = weightsMetadata(plan, launch);
  const { output_multiplier: stated = NaN } = launch.hyperparameters;
  const ratio = plan.spec.width.base / 64;
  expect(JSON.parse(metadata["forward"] ?? "")).toMatchObject({ output_multiplier: stated * ratio });
  expect(launchTable(plan, launch).output_multiplier).toBe(stated * ratio);
  expect(JSON.parse(metadata["architecture"] ?? "")).toMatchObject({
    norm: "RMS norm before attention, MLP and readout",
    activation: "silu(gate) times up",
  });
  expect(JSON.parse(metadata["model"] ?? "")).toMatchObject({ positions: "rope", mlp: "swiglu", queries_per_kv: 2, tied_embeddings: true });
});
