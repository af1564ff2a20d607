/**
 * The per-tensor table as text. Blocks of one model are alike, so they are shown once.
 */
import { valueOf } from "../numbers.ts";
import type { TensorTable } from "../training/tensor-table.ts";
import type { Style } from "./style.ts";
import { wrapped } from "./text.ts";
import { textTable } from "./text-table.ts";

const muonNote =
  "hidden tensors are Muon's: their updates are orthogonal, times √(fan_out/fan_in) and the learning rate; ε has no part in them";

/** What each tensor gets, as a table. */
export function renderTensors(
  { attention_scale: attentionScale, residual_multiplier: residual, output_multiplier: output, tensors }: TensorTable,
  layers: number,
  style: Style,
): string {
  const shown = tensors.filter(({ name }) => !/^blocks\.[1-9]/.test(name));
  const rows = shown.map(({ name, role, shape, ...values }) => [
    layers > 1 ? name.replace(/^blocks\.0\./, "blocks.*.") : name,
    role,
    shape.join("×"),
    ...[values.multiplier, values.init_std, values.learning_rate, values.weight_decay, values.epsilon].map(valueOf),
  ]);
  const head = ["tensor", "role", "shape", "multiplier", "init std", "learning rate", "weight decay", "epsilon"];
  const table = textTable(head, rows, [false, false, true, true, true, true, true, true], style, {
    drop: ["role", "epsilon", "weight decay"],
    elsewhere: "table --json",
  });
  const muon = tensors.some((each) => each.update_scale !== undefined) ? `\n${wrapped(muonNote, style.columns)}` : "";
  return `${table}${muon}\nattention scale ${valueOf(attentionScale)}${residual === undefined ? "" : `, residual multiplier ${valueOf(residual)}`}${output === undefined ? "" : `, logits × ${valueOf(output)}`}`;
}
