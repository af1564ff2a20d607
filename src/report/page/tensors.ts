/** What each tensor gets at the proxy's and the target's width, as tables that open. */
import { valueOf } from "../../numbers.ts";
import { factorsText, muonNote } from "../tensors.ts";
import type { WidthTable } from "../../studies/findings.ts";
import type { ReportInput } from "./input.ts";
import { html, tableMarkup, type Markup } from "./markup.ts";

const head = ["tensor", "role", "shape", "multiplier", "init std", "learning rate", "weight decay", "epsilon"];
const numeric = head.map((_, column) => column > 1);

function widthMarkup({ of, width, layers, table }: WidthTable): Markup {
  // Blocks of one model are alike.
  const shown = table.tensors.filter(({ name }) => !/^blocks\.[1-9]/.test(name));
  const rows = shown.map(({ name, role, shape, multiplier, init_std, learning_rate, weight_decay, epsilon }) => [
    layers > 1 ? name.replace(/^blocks\.0\./, "blocks.*.") : name,
    role,
    shape.join("×"),
    ...[multiplier, init_std, learning_rate, weight_decay, epsilon].map(valueOf),
  ]);
  const note = table.tensors.some((each) => each.update_scale !== undefined) ? `; ${muonNote}` : "";
  return html`<details id="tensors-${of}" ${of === "target" ? html`open` : undefined}>
    <summary>${of}, width ${width}</summary>
    ${tableMarkup({ head, numeric, rows, id: `tensors-${of}-table` })}
    <p class="data">${factorsText(table)}${note}</p>
  </details> `;
}

/** The per-tensor tables; nothing for a folder without a run. */
export function tensorsMarkup({ tables, spec, phase }: ReportInput): Markup | undefined {
  if (spec === undefined || phase === "none") return undefined;
  const whose = tables.some(({ isWinners }) => isWinners)
    ? "at the best hyperparameters"
    : "at the spec's values; those that are searched stand at their defaults";
  return html`<section id="tensors">
    <h2>What each tensor gets</h2>
    ${
      tables.length === 0
        ? html`<p>Known when the sweep has ended: until then the page does not know how many tokens the data has.</p>`
        : html`<p>
              What the parametrization makes of one set of hyperparameters, ${whose}. The same set gives other values at another width: that
              is the transfer.
            </p>
            ${tables.map(widthMarkup)}`
    }
  </section>`;
}
