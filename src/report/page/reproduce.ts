/** What is needed to do it again: the spec, the commands, and what results depend on besides; and what it cost. */
import { stringify } from "yaml";
import { flopsOf, percentOf } from "../../numbers.ts";
import { shellWord } from "../../shell.ts";
import type { ReportInput } from "./input.ts";
import { html, tableMarkup, type Markup } from "./markup.ts";

/** A spec as a file that the command line reads. */
export const specText = (spec: unknown): string => stringify(spec, { flowCollectionPadding: false, lineWidth: 0 });

function commands({ run, folder, transfer, spec }: ReportInput): string {
  const out = shellWord(folder);
  const engine = run === undefined ? "" : ` --engine ${run.engine}`;
  const width = transfer !== undefined && transfer.width !== spec?.width.target ? ` --width ${transfer.width}` : "";
  return [
    `mutransfer sweep spec.yaml --out ${out}${engine}`,
    ...(transfer === undefined ? [] : [`mutransfer transfer --best ${shellWord(`${folder}/results.json`)}${width}${engine}`]),
    `mutransfer report ${out}`,
  ].join("\n");
}

function costMarkup({ cost, spec }: ReportInput): Markup {
  if (cost === undefined || spec === undefined) return html`<p>Known once the sweep has written its results.json.</p>`;
  const longest = Math.max(cost.proxy_flops, cost.target_flops);
  const bar = (label: string, flops: number): Markup =>
    html`<div class="cost">
      <span>${label}</span><span class="bar"><i style="width:${((100 * flops) / longest).toFixed(2)}%"></i></span
      ><span>${flopsOf(flops)}</span>
    </div> `;
  return html`<p>
      Training FLOPs. All trainings of width ${spec.width.proxy}, fresh seeds included, cost ${percentOf(cost.ratio)} of one target of width
      ${spec.width.target}; the share falls with the square of the ratio of the widths.
    </p>
    ${bar("proxies", cost.proxy_flops)}${bar("target", cost.target_flops)}`;
}

/** The section that says how to do the run again. */
export function reproduceMarkup(input: ReportInput): Markup {
  const { run, spec, specHash } = input;
  const environment = run?.environment;
  const rows = [
    ["spec (sha256)", specHash],
    ["data (sha256)", environment?.data_hash ?? ""],
    ["mutransfer", environment?.mutransfer ?? ""],
    ["engine", run?.arithmetic ?? ""],
    ["device", environment?.device ?? ""],
    ["Node", environment?.node ?? ""],
    ["seed", spec === undefined ? "" : String(spec.seed)],
    ["data paths start from", environment === undefined ? "" : `${environment.data_directory}, seen from the run folder`],
  ].filter(([, value]) => value !== "");
  const source = input.writtenSpec === undefined ? undefined : specText(input.writtenSpec);
  return html`<section id="cost">
      <h2>Cost</h2>
      ${costMarkup(input)}
    </section>
    <section id="reproduce">
      <h2>To do it again</h2>
      ${
        run === undefined
          ? html`<p>The folder does not say which run it is: its journal has no readable first record.</p>`
          : html`<p>
                The same spec, data and versions on the same kind of device give the same losses, bit for bit. Save the spec below as
                spec.yaml (it is also in figures/spec.yaml) and run, in an empty place:
              </p>
              <pre class="commands">${commands(input)}</pre>`
      }
      ${tableMarkup({ head: ["depends on", ""], rows, numeric: [false, false] })}
      ${
        source === undefined
          ? undefined
          : html`<details id="spec" open>
              <summary>spec.yaml</summary>
              <pre>${source}</pre>
            </details>`
      }
    </section>`;
}
