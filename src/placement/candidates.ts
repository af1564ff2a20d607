/**
 * Which engines are considered, in which order, and why the others are not. Looks at the
 * machine, and starts nothing.
 */
import { engineNames, type EngineName, type Host } from "../engines/engine.ts";
import { nvidiaGpus } from "../engines/gpus.ts";
import { noNvidia, type Registry } from "../engines/registry.ts";
import type { Setup } from "./arrangements.ts";

/** The engines that a command considers. */
export class Candidates {
  /** The one that was asked for. */
  readonly named: EngineName | undefined;
  private readonly registry: Registry;
  private readonly host: Host;
  private preferred: EngineName | undefined;
  private worthTrying: Promise<readonly EngineName[]> | undefined;
  /** Why engines on GPUs are not used. */
  private readonly reasons = new Map<EngineName, string>();

  constructor(named: EngineName | undefined, registry: Registry, host: Host) {
    this.named = named;
    this.registry = registry;
    this.host = host;
  }

  /** Considers this one only, unless another was named. */
  prefer(engine: EngineName): void {
    if (this.named !== undefined) return;
    this.preferred = engine;
    this.worthTrying = Promise.resolve([engine]);
  }

  /** The engine that was named, or all that are worth trying here. */
  names(): Promise<readonly EngineName[]> {
    this.worthTrying ??= this.named === undefined ? this.hopeful() : Promise.resolve([this.named]);
    return this.worthTrying;
  }

  /** The engine that was named, or all that compute on the CPU, worth trying or not. */
  get onCpu(): readonly EngineName[] {
    return this.named === undefined ? engineNames.filter((name) => this.registry[name].kind === "cpu") : [this.named];
  }

  /** Says why an engine on a GPU is not used. */
  ruleOut(engine: EngineName, reason: string): void {
    this.reasons.set(engine, reason);
  }

  /** Why an engine was taken that was compared with no other, in a few words. */
  reasonAlone({ device }: Pick<Setup, "device">): string {
    if (this.named !== undefined) return "as asked for";
    if (this.preferred !== undefined) return "as the run was begun";
    if (device.kind === "gpu") return "the only engine that runs here";
    const [gpu] = nvidiaGpus(this.host.environment);
    const why = this.reasons.get("cuda");
    if (gpu === undefined) return why === undefined || why === noNvidia ? "no GPU found" : `no GPU is used: ${why}`;
    return `${gpu.name} is not used: ${why ?? "see mutransfer doctor"}`;
  }

  private async hopeful(): Promise<readonly EngineName[]> {
    const reasons = await Promise.all(engineNames.map((name) => this.registry[name].hopeless(this.host)));
    reasons.forEach((reason, index) => reason !== undefined && this.ruleOut(engineNames[index], reason));
    return engineNames.filter((_, index) => reasons[index] === undefined);
  }
}
