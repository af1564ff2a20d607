/** `mutransfer table`: what each tensor gets at one width, as text or JSON. */
import { jsonText } from "../json.ts";
import { recipeText } from "../report/recipe.ts";
import { renderTensors } from "../report/tensors.ts";
import { wrapped } from "../report/text.ts";
import { tableOf } from "../studies/table.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { openPlan } from "./files.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer table`. */
export interface TableCommand {
  readonly width?: number;
  readonly json?: boolean;
}

/** Runs `mutransfer table`. */
export async function table(file: string, options: TableCommand, terminal: Terminal): Promise<ExitCode> {
  const plan = await openPlan(file);
  const { parametrization, depth } = plan.spec;
  const { size, base, recipe, hyperparameters, searched, tensors } = tableOf(plan, options.width);
  const { width, layers } = size;
  if (options.json) {
    terminal.out(jsonText({ parametrization, base_width: base.width, width, ...recipe, hyperparameters, ...tensors }));
    return exitCodes.ok;
  }
  const ofDepth = depth === undefined ? "" : `; depth ${layers}, base depth ${base.layers}: depth multiplier ${layers / base.layers}`;
  const { outStyle, errStyle } = terminal;
  const line = `${parametrization}, width ${width}, base width ${base.width}: width multiplier ${width / base.width}${ofDepth}`;
  terminal.out(`${wrapped(`${line}\n${recipeText(recipe)}`, outStyle.columns)}\n${renderTensors(tensors, layers, outStyle)}\n`);
  if (searched.length > 0)
    terminal.err(
      `${wrapped(`searched, shown at their defaults: ${searched.map((name) => `${name} ${hyperparameters[name]}`).join(", ")}`, errStyle.columns)}\n`,
    );
  return exitCodes.ok;
}
