/**
 * What figures are measured on: the GPU as its driver and the cuda engine name it, or
 * this machine's CPU, and what it does at its best.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { nvidiaGpus, vulkanDevices } from "../src/engines/gpus.ts";
import { packageRoot } from "../src/engines/sources.ts";
import { Contestant, contestant as contestantFile, cores, median, peer, type Command } from "./contest.ts";
import { gpuProxy, productEdge, type Work } from "./work.ts";
import type { Products } from "./gpu-contestants.ts";

export interface Card {
  readonly kind: "nvidia" | "vulkan" | "cpu";
  readonly name: string;
  /** What peers compute on. */
  readonly peers: Work["device"];
  /** NVIDIA's driver, and its compute capability. */
  readonly driver: string | null;
  readonly compute_capability: string | null;
  /** The cuda engine as it calls itself: its kernels' digest, the architecture, CUDA's version that the driver speaks. */
  readonly cuda: string | null;
}

/** Describes the card; a driver that MUTRANSFER_LIBCUDA names counts as one, without peers. */
export async function findCard(): Promise<Card> {
  const [nvidia] = nvidiaGpus(process.env);
  const vulkan = nvidia === undefined ? (await vulkanDevices()).find(({ isGpu }) => isGpu) : undefined;
  const none = { driver: null, compute_capability: null, cuda: null };
  if (nvidia !== undefined || process.env["MUTRANSFER_LIBCUDA"] !== undefined) {
    const { name, version } = aboutCuda();
    return {
      ...{ kind: "nvidia", name: nvidia?.name ?? name ?? "unknown", peers: nvidia === undefined ? "cpu" : "cuda" },
      ...{ driver: nvidia?.driver ?? null, compute_capability: nvidia?.computeCapability ?? null, cuda: version },
    };
  }
  if (vulkan !== undefined) return { kind: "vulkan", name: vulkan.name, peers: "cpu", ...none };
  return { kind: "cpu", name: `${cpus()[0]?.model.trim()}, ${cores} cores`, peers: "cpu", ...none };
}

/** In a process of its own: the engine's context on the card goes with it. */
function aboutCuda(): { readonly name: string | null; readonly version: string | null } {
  try {
    const text = execFileSync(process.execPath, [contestantFile, "about", "cuda"], { encoding: "utf8" });
    return JSON.parse(text) as { name: string; version: string };
  } catch {
    return { name: null, version: null };
  }
}

/** What these figures were made with. */
interface Provenance {
  readonly version: string;
  readonly commit: string | null;
  readonly node: string;
  /** Variables that change what the cuda engine does. */
  readonly settings: Readonly<Record<string, string | undefined>>;
}
export function provenance(): Provenance {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string };
  let commit: string | null = null;
  try {
    const stated = ["describe", "--always", "--dirty", "--abbrev=12"];
    commit = execFileSync("git", stated, { cwd: packageRoot(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    // an archive of the build, or no git
  }
  const settings = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("MUTRANSFER_CUDA_")));
  return { version, commit, node: process.version, settings };
}

export const fileNameOf = ({ name }: Card): string => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");

export type Measured = Readonly<Partial<Record<Products | "copy", number>>>;

const cpuWork: Work = { ...gpuProxy, width: 64, stack: 1, device: "cpu", whole_machine: false };
/** FLOP/s of large matrix products and bytes/s of copies, as PyTorch does them on the card; on a CPU our own products. */
export async function measure({ kind, peers: device }: Card, rounds: number, seconds: number): Promise<Measured> {
  const rate = async (command: Command, amount?: number): Promise<number | undefined> => {
    const started = await Contestant.start("products", command, { ...gpuProxy, width: 64, stack: 1, device });
    if (typeof started === "string") return undefined;
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await started.run(seconds));
    await started.stop();
    return (amount ?? started.losses[0]) / median(times);
  };
  const measured: Partial<Record<Products | "copy", number>> = {};
  const add = (what: Products | "copy", value: number | undefined): void => {
    if (value !== undefined) measured[what] = value;
  };
  if (kind === "nvidia") {
    for (const what of ["float32", "tf32", "bf16", "copy"] as const) add(what, await rate(peer("product_peer", what)));
    if (measured.tf32 !== undefined) add("tf32x3", measured.tf32 / 3);
  }
  if (kind === "cpu") {
    const own = await Contestant.start("products", () => [process.execPath, contestantFile, "product"], cpuWork);
    if (typeof own === "string") return measured;
    measured.float32 = (cores * 2 * productEdge ** 3) / (await own.run(seconds));
    await own.stop();
  }
  return measured;
}
