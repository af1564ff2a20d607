/**
 * `mutransfer doctor`: the machine, every engine with its device and version, and what
 * to install for each that is missing. Engines are opened in processes of their own,
 * so that one that crashes is a line in the table.
 */
import { arch, cpus, platform, release, totalmem } from "node:os";
import { cores } from "../engines/cores.ts";
import { engineNames, type EngineName } from "../engines/engine.ts";
import { nvidiaGpus } from "../engines/gpus.ts";
import { engines } from "../engines/registry.ts";
import { exitCodes, type ExitCode } from "../errors.ts";
import { renderDoctor, type Diagnosis, type EngineState } from "../report/doctor.ts";
import { jsonText } from "../report/json.ts";
import { WorkerPool, WorkerUnavailable, type EngineDescription } from "../sweep/worker-pool.ts";
import { workerEntry } from "./engine.ts";
import { withPatience } from "./patience.ts";
import { cacheFolder, engineHost } from "./cache.ts";
import type { Terminal } from "./terminal.ts";

export interface DoctorCommand {
  readonly json?: boolean;
}

export async function doctor({ json }: DoctorCommand, terminal: Terminal, version: string): Promise<ExitCode> {
  const states = await Promise.all(engineNames.map(examine));
  const diagnosis: Diagnosis = {
    mutransfer: version,
    node: process.version,
    system: `${platform()} ${release()} ${arch()}`,
    cpu: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cores()} cores`,
    memoryBytes: totalmem(),
    nvidia: nvidiaGpus(process.env),
    cache: cacheFolder(),
    engines: states,
  };
  terminal.out(json ? jsonText(diagnosis) : `${renderDoctor(diagnosis, terminal.outStyle)}\n`);
  return states.some(({ usable }) => usable) ? exitCodes.ok : exitCodes.engine;
}

async function examine(name: EngineName): Promise<EngineState> {
  const { meaning, kind, install, workers, hopeless } = engines[name];
  const [environment] = workers(engineHost(), "float32");
  const pool = new WorkerPool(workerEntry, name, [{ ...process.env, ...environment }]);
  const state = { name, meaning, kind, install, worthTrying: (await hopeless(engineHost())) === undefined };
  try {
    const answer: EngineDescription = await withPatience(pool.run({ kind: "describe" }), "no answer");
    return { ...state, usable: true, ...answer };
  } catch (error) {
    const { message } = error as Error;
    return { ...state, usable: false, reason: error instanceof WorkerUnavailable ? message : `${message}; ${install}` };
  } finally {
    pool.close();
  }
}
