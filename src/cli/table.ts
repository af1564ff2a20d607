/** `mutransfer table`: what each tensor gets at one width. Searched hyperparameters are shown at their default. */
import { exitCodes, type ExitCode } from "../errors.ts";
import type { TransferableName } from "../parametrization/roles.ts";
import { jsonText } from "../report/json.ts";
import { renderTensors } from "../report/tensors.ts";
import { baseHps, depthsOf, modelConfig, scaling, statedHyperparameters } from "../spec/plan.ts";
import { tensorTable } from "../training/tensor-table.ts";
import { openPlan } from "./files.ts";
import type { Terminal } from "./terminal.ts";
import { checkWidth } from "./width.ts";

export interface TableCommand {
  readonly width?: number;
  readonly json?: boolean;
}

export async function table(file: string, options: TableCommand, terminal: Terminal): Promise<ExitCode> {
  const plan = await openPlan(file);
  const { spec } = plan;
  const width = options.width ?? spec.width.target;
  checkWidth(spec, width);
  const { base: baseLayers, target: layers } = depthsOf(spec);
  const hyperparameters = statedHyperparameters(spec);
  const searched = Object.entries(hyperparameters).filter(([name]) => !("value" in spec.search.parameters[name as TransferableName]));
  const result = tensorTable(modelConfig(plan, width, layers), scaling(spec, width, layers), baseHps(spec, hyperparameters));
  if (options.json) {
    terminal.out(jsonText({ parametrization: spec.parametrization, base_width: spec.width.base, width, hyperparameters, ...result }));
    return exitCodes.ok;
  }
  const depth = spec.depth === undefined ? "" : `; depth ${layers}, base depth ${baseLayers}: depth multiplier ${layers / baseLayers}`;
  terminal.out(
    `${spec.parametrization}, width ${width}, base width ${spec.width.base}: width multiplier ${width / spec.width.base}${depth}\n${renderTensors(result, layers, terminal.outStyle)}\n`,
  );
  if (searched.length > 0)
    terminal.err(`searched, shown at their defaults: ${searched.map(([name, value]) => `${name} ${value}`).join(", ")}\n`);
  return exitCodes.ok;
}
