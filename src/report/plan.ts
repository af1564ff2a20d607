/**
 * What a sweep will cost, as lines of text, from counts and one measured step.
 */
import { bytesOf, countOf, duration, flopsOf, percentOf } from "../numbers.ts";
import type { PlanSummary, Forecast } from "../studies/forecast.ts";
import { renderTimed } from "./setup.ts";
import type { Style } from "./style.ts";

/** What a plan comes to, as text. */
export function renderPlan(summary: PlanSummary, style: Style): string {
  const { proxies, target, setup } = summary;
  const { stackSize, jobs } = setup.arrangement;
  const part = (title: string, { width, models, parameters, flops, memoryBytes, seconds, checkpointBytes }: Forecast): string =>
    `${style.bold(title)}: ${models > 1 ? `${models} models of ` : ""}width ${width}, ${countOf(parameters)} parameters${models > 1 ? " each" : ""}, ${flopsOf(flops)}, up to ${bytesOf(memoryBytes)}${models > 1 ? " per worker" : ""}, about ${duration(seconds)}, checkpoints up to ${bytesOf(checkpointBytes)} on disk`;
  return [
    `${style.bold(summary.name)}: ${summary.trials} ${summary.method} trials${summary.confirmations > 0 ? ` and ${summary.confirmations} confirmations` : ""} in stacks of ${stackSize}, ${jobs} at a time, with ${setup.engine} on ${setup.device.name}`,
    `${summary.steps} steps of ${countOf(summary.tokensPerStep)} tokens for every model`,
    part("proxies", proxies),
    part("target", target),
    renderTimed(setup, style),
    `tuning costs ${percentOf(proxies.flops / target.flops)} of the target's training; times are measured on a few steps here, without other load`,
  ].join("\n");
}
