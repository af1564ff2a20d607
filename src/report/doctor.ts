/** What `doctor` found, as text: the machine, a row for each engine, and what to do about those that are missing. */
import type { Device, EngineName } from "../engines/engine.ts";
import type { NvidiaGpu, VulkanDevice } from "../engines/gpus.ts";
import { bytesOf } from "./numbers.ts";
import { textTable } from "./ranking.ts";
import type { Style } from "./style.ts";

export interface EngineState {
  readonly name: EngineName;
  readonly meaning: string;
  readonly kind: "cpu" | "gpu";
  /** Whether it is considered when no engine is named. */
  readonly worthTrying: boolean;
  readonly usable: boolean;
  readonly version?: string;
  readonly device?: Device;
  readonly mixedProducts?: string;
  readonly reason?: string;
}

export interface Diagnosis {
  readonly mutransfer: string;
  readonly node: string;
  readonly system: string;
  readonly cpu: string;
  readonly memoryBytes: number;
  readonly nvidia: readonly NvidiaGpu[];
  readonly vulkan: readonly VulkanDevice[];
  readonly cache: string;
  readonly engines: readonly EngineState[];
}

/** Compute capability of the first GPUs for which an older libtensorflow has no code, and the version that has. */
const newerGpus = { capability: 9, libtensorflow: [2, 11] } as const;

/** Whether this TensorFlow was built before the GPUs it is to run on. */
export function isTooOldFor(version: string, gpus: readonly Pick<NvidiaGpu, "computeCapability">[]): boolean {
  const found = /libtensorflow (\d+)\.(\d+)/.exec(version);
  if (found === null || !gpus.some(({ computeCapability }) => Number(computeCapability) >= newerGpus.capability)) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major < newerGpus.libtensorflow[0] || (major === newerGpus.libtensorflow[0] && minor < newerGpus.libtensorflow[1]);
}

export function renderDoctor(diagnosis: Diagnosis, style: Style): string {
  const { nvidia, vulkan, engines } = diagnosis;
  const machine = [
    ["mutransfer", `${diagnosis.mutransfer}, Node ${diagnosis.node}, ${diagnosis.system}`],
    ["CPU", `${diagnosis.cpu}, ${bytesOf(diagnosis.memoryBytes)}`],
    ...nvidia.map((gpu) => [
      "NVIDIA GPU",
      `${gpu.index}: ${gpu.name}, ${bytesOf(gpu.memoryBytes)}, driver ${gpu.driver}, compute capability ${gpu.computeCapability}`,
    ]),
    ...vulkan.map((device) => ["Vulkan", `${device.name}, ${bytesOf(device.memoryBytes)}${device.isGpu ? "" : ", software"}`]),
    ...(nvidia.length + vulkan.length === 0 ? [["GPU", "none found: neither nvidia-smi nor a Vulkan loader answers"]] : []),
    ["cache", diagnosis.cache],
  ];
  const candidates = engines.filter(({ usable, worthTrying }) => usable && worthTrying);
  const onCpu = candidates.find(({ kind }) => kind === "cpu");
  const timed = candidates.filter((each) => each.kind === "gpu" || each === onCpu);
  const rows = engines.map((state) => [
    state.name,
    state.usable ? style.green("ready") : style.red("missing"),
    timed.includes(state) ? (timed.length === 1 ? "yes" : "timed") : "",
    state.device ? `${state.device.kind}: ${state.device.name}, ${bytesOf(state.device.memoryBytes)}` : "",
    state.mixedProducts ?? "",
    state.version ?? "",
  ]);
  const missing = engines
    .filter(({ usable }) => !usable)
    .map(({ name, meaning, reason }) => `${style.bold(name)}: ${meaning}\n  ${reason ?? ""}`);
  const old = engines.filter(({ version }) => version !== undefined && isTooOldFor(version, nvidia));
  return [
    ...machine.map(([what, text]) => `${style.bold((what ?? "").padEnd(11))} ${text}`),
    "",
    textTable(["engine", "", "by default", "device", "mixed", "version"], rows, [false, false, false, false, false, false], style),
    ...(missing.length > 0 ? ["", ...missing] : []),
    ...old.map(
      ({ name, version }) =>
        `\n${style.bold(name)}: ${version} has no code for this GPU and compiles it at each start, or fails; the README says how to build against a newer TensorFlow`,
    ),
  ].join("\n");
}
