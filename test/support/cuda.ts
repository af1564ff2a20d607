/** The cuda engine of the tests: on the stand-in for NVIDIA's driver. */
import { engineHost } from "../../src/cache.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { openCuda } from "../../src/engines/cuda/engine.ts";
import type { Mode } from "../../src/engines/cuda/kernels.ts";
import { cardLimits, type CudaLimits } from "../../src/engines/cuda/target.ts";
import { standIn } from "./stand-in.ts";

/** Why the stand-in cannot be had here, if it cannot. With MUTRANSFER_SANITIZE it is the sanitized one, for which this process was started as `sanitized` says. */
export const { library, missing } = await standIn({ sanitize: process.env["MUTRANSFER_SANITIZE"] !== undefined });

export interface EmulatedSettings {
  readonly limits?: Partial<CudaLimits>;
  readonly products?: Mode;
  /** Another library than the one without faults. */
  readonly library?: string | undefined;
}

export function emulatedCuda({ limits, products, library: path = library }: EmulatedSettings = {}): Promise<Engine> {
  const host = engineHost();
  const environment = { ...host.environment, MUTRANSFER_LIBCUDA: path, MUTRANSFER_CUDA_PRODUCTS: products };
  return openCuda({ ...host, environment }, { ...cardLimits, ...limits });
}
