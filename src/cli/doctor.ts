/** `mutransfer doctor`: the machine and its engines, as text or JSON. */
import { jsonText } from "../json.ts";
import { renderDoctor } from "../report/doctor.ts";
import { examine } from "../studies/doctor.ts";
import { exitCodes, type ExitCode } from "./exit-codes.ts";
import { surroundings } from "./setting.ts";
import type { Terminal } from "./terminal.ts";

/** Options of `mutransfer doctor`. */
export interface DoctorCommand {
  readonly json?: boolean;
}

/** Runs `mutransfer doctor`. */
export async function doctor({ json }: DoctorCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const diagnosis = await examine(surroundings(terminal, { quiet: true }, version).setting);
  terminal.out(json ? jsonText(diagnosis) : `${renderDoctor(diagnosis, terminal.outStyle)}\n`);
  return diagnosis.engines.some(({ usable }) => usable) ? exitCodes.ok : exitCodes.engine;
}
