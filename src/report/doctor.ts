/** What `doctor` found, as text: the machine, a row for each engine, and what to do about those that are missing. */
import type { NvidiaGpu } from "../engines/gpus.ts";
import { bytesOf } from "../numbers.ts";
import type { Diagnosis } from "../studies/doctor.ts";
import type { Style } from "./style.ts";
import { textTable } from "./text-table.ts";
import { wrapped } from "./text.ts";

/**
 * CUDA 11.8 was the first to know compute capability 9.0, and TensorFlow 2.12 the first built with it.
 * Source: TensorFlow's table of tested build configurations.
 */
const newerGpus = { capability: 9, libtensorflow: [2, 12] } as const;

/** Whether this engine's TensorFlow was built before the GPUs that it is to run on. */
export function isTooOldFor(version: string, gpus: readonly Pick<NvidiaGpu, "computeCapability">[]): boolean {
  const found = /tfjs-node-gpu .*libtensorflow (\d+)\.(\d+)/.exec(version);
  if (found === null || !gpus.some(({ computeCapability }) => Number(computeCapability) >= newerGpus.capability)) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major < newerGpus.libtensorflow[0] || (major === newerGpus.libtensorflow[0] && minor < newerGpus.libtensorflow[1]);
}

/** What `doctor` found, as text. */
export function renderDoctor(diagnosis: Diagnosis, style: Style): string {
  const { nvidia, engines } = diagnosis;
  const machine = [
    ["mutransfer", `${diagnosis.mutransfer}, Node ${diagnosis.node}, ${diagnosis.system}`],
    ["CPU", `${diagnosis.cpu}, ${bytesOf(diagnosis.memoryBytes)}`],
    ...nvidia.map((gpu) => [
      "NVIDIA GPU",
      `${gpu.name}, ${bytesOf(gpu.memoryBytes)}, driver ${gpu.driver}, compute capability ${gpu.computeCapability}`,
    ]),
    ...(nvidia.length === 0 ? [["NVIDIA GPU", "none: nvidia-smi lists none"]] : []),
    ["cache", diagnosis.cache],
  ];
  const candidates = engines.filter(({ usable, worthTrying, kind, device }) => usable && worthTrying && kind === device?.kind);
  const onCpu = candidates.find(({ kind }) => kind === "cpu");
  const timed = candidates.filter((each) => each.kind === "gpu" || each === onCpu);
  const rows = engines.map((state) => [
    state.name,
    state.usable ? style.green("ready") : style.red("missing"),
    timed.includes(state) ? (timed.length === 1 ? "yes" : "timed") : "",
    state.device ? `${state.device.kind}: ${state.device.name}, ${bytesOf(state.device.memoryBytes)}` : "",
    state.device?.mixedProducts ?? "",
    state.version ?? "",
  ]);
  const missing = engines
    .filter(({ usable }) => !usable)
    .map(({ name, meaning, reason }) => `${style.bold(name)}: ${meaning}\n  ${reason ?? ""}`);
  const idle = nvidia.length > 0 ? engines.filter(({ name, device }) => name === "tfjs" && device?.kind === "cpu") : [];
  const old = engines.filter(({ version }) => version !== undefined && isTooOldFor(version, nvidia));
  const lines = [
    ...machine.map(([what, text]) => `${style.bold((what ?? "").padEnd(11))} ${text}`),
    "",
    textTable(["engine", "", "by default", "device", "mixed", "version"], rows, [false, false, false, false, false, false], style, {
      drop: ["version", "mixed"],
      elsewhere: "--json",
    }),
    ...(missing.length > 0 ? ["", ...missing] : []),
    ...engines.flatMap(({ name, device }) => (device?.remark === undefined ? [] : [`\n${style.bold(name)}: ${device.remark}`])),
    ...idle.map(({ name, install }) => `\n${style.bold(name)}: does not use the GPU: ${install}`),
    ...old.map(
      ({ name, version }) =>
        `\n${style.bold(name)}: ${version} has no code for this GPU and compiles it at each start, or fails; docs/engines.md says how to build against a newer TensorFlow`,
    ),
  ];
  return wrapped(lines.join("\n"), style.columns);
}
