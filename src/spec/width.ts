/** Checks a width given on the command line by the rules that a spec's widths obey. */
import { option, UserError } from "../errors.ts";
import type { CompleteSpec } from "./complete.ts";
import { ruleFindings } from "./rules.ts";

/** Whether the model can have this width. */
export const isWidth = (model: CompleteSpec["model"], width: number): boolean =>
  ruleFindings({ model, width: { target: width } }).length === 0;

/** Throws a UserError when the model cannot have this width, which was given at `path`, or when it is below `proxy`. */
export function checkWidth({ model }: CompleteSpec, width: number, proxy?: number, path = option("width")): void {
  const findings = ruleFindings({ model, width: { target: width, proxy } });
  if (findings.length > 0)
    throw new UserError(findings.map(({ code, message, hint }) => ({ code, message, path, ...(hint !== undefined && { hint }) })));
}
