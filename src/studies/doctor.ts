/** The machine, and every engine with its device and version. Engines are opened in processes of their own, so that one that crashes is a finding. */
import { arch, cpus, platform, release, totalmem } from "node:os";
import { cores } from "../engines/cores.ts";
import { engineNames, type Device, type EngineName } from "../engines/engine.ts";
import { nvidiaGpus, type NvidiaGpu } from "../engines/gpus.ts";
import { engines as registry } from "../engines/registry.ts";
import { withEngines, type Setting } from "./setting.ts";

/** One engine as it was found. */
export interface EngineState {
  readonly name: EngineName;
  readonly meaning: string;
  readonly kind: "cpu" | "gpu";
  /** How to get the engine where it is missing. */
  readonly install: string;
  /** Whether it is considered when no engine is named. */
  readonly worthTrying: boolean;
  readonly usable: boolean;
  readonly version?: string;
  readonly device?: Device;
  readonly reason?: string;
}

/** What there is to compute with here. */
export interface Diagnosis {
  readonly mutransfer: string;
  readonly node: string;
  readonly system: string;
  readonly cpu: string;
  readonly memoryBytes: number;
  readonly nvidia: readonly NvidiaGpu[];
  readonly cache: string;
  readonly engines: readonly EngineState[];
}

/** Looks at this machine and opens every engine. */
export function examine(setting: Setting): Promise<Diagnosis> {
  const { host, versions } = setting;
  return withEngines({}, setting, async (engines) => ({
    ...versions,
    system: `${platform()} ${release()} ${arch()}`,
    cpu: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cores()} cores`,
    memoryBytes: totalmem(),
    nvidia: nvidiaGpus(host.environment),
    cache: host.cache,
    engines: await Promise.all(
      engineNames.map(async (name): Promise<EngineState> => {
        const { meaning, kind, install } = registry[name];
        return { name, meaning, kind, install, ...(await engines.examine(name)) };
      }),
    ),
  }));
}
