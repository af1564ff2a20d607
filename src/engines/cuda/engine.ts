/**
 * The CUDA engine: NVIDIA's driver and this package's PTX, nothing else. What a program's
 * step becomes is decided in step.ts, fuse.ts and launches.ts; executable.ts runs it.
 */
import type { Program } from "../../program/program.ts";
import { EngineUnavailable, type CompileOptions, type Engine, type Footprint, type Host } from "../engine.ts";
import { LaneMemory } from "../lowered/lane-memory.ts";
import { openDriver, openLibrary, outOfMemory, type Driver, type Pointer } from "./driver.ts";
import { CudaExecutable, inputWords, type KernelHandles } from "./executable.ts";
import { layout } from "./fields.ts";
import { modes, type Mode } from "./kernels.ts";
import { loadKernels } from "./ptx.ts";
import { ptxIndex } from "./sources.ts";
import { planRun } from "./step.ts";
import { cardLimits, type CudaLimits } from "./target.ts";

/** Kernels are compiled for this compute capability and all that follow. */
const leastCapability = 75;
/** From this compute capability on, products of rounded operands are there. */
const mixedCapability = 80;

/** The engine on the first GPU that this process may use; throws EngineUnavailable where there is none, or it is too old. */
export async function openCuda(host: Host, limits: CudaLimits = cardLimits): Promise<Engine> {
  const { MUTRANSFER_LIBCUDA: path } = host.environment;
  const overrides = overridesIn(host.environment);
  const driver = openDriver(await openLibrary(path));
  if (driver.capability < leastCapability)
    throw new EngineUnavailable(
      `the cuda engine needs compute capability ${leastCapability / 10} or newer; ${driver.name} has ${(driver.capability / 10).toFixed(1)}`,
    );
  const kernels = loadedOnce(driver, path, host.say);
  await kernels(["advance"]).catch((error: unknown) => {
    if ((error as Error).message.includes(outOfMemory)) throw error; // the card is full for now
    throw new EngineUnavailable(`the cuda engine cannot have its kernels compiled: ${(error as Error).message}`);
  });
  const hasMixed = driver.capability >= mixedCapability;
  if (overrides.mode !== undefined && overrides.mode !== "f32" && !hasMixed)
    throw new EngineUnavailable(`${driver.name} has no products in ${overrides.mode}`);
  const modeOf = ({ precision }: CompileOptions): Mode => overrides.mode ?? (precision === "mixed" && hasMixed ? "bf16" : "f32");
  return {
    name: "cuda",
    version: `cuda ${ptxIndex().digest.slice(0, 8)}, sm_${driver.capability}, driver for CUDA ${driver.version}${overrides.mode === undefined ? "" : `, products in ${overrides.mode}`}`,
    device: {
      kind: "gpu",
      name: driver.name,
      memoryBytes: driver.memoryBytes,
      ...(hasMixed && overrides.mode === undefined && { mixedProducts: "bfloat16" }),
      remark: "has not run on a card yet: compare its losses with another engine's",
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- what does not fit is a rejection
    compile: async (program, options) =>
      new CudaExecutable({ driver, kernels, limits: { ...limits, ...overrides.limits }, mode: modeOf(options) }, program),
  };
}

/** What a bench tries on a card: products of another kind than the precision asks for, and how many lanes a launch has at most. */
function overridesIn(environment: Host["environment"]): { readonly mode?: Mode | undefined; readonly limits?: Pick<CudaLimits, "lanes"> } {
  const { MUTRANSFER_CUDA_PRODUCTS: products, MUTRANSFER_CUDA_LANES: lanes } = environment;
  const mode = modes.find((each) => each === products);
  if (products && mode === undefined)
    throw new EngineUnavailable(`MUTRANSFER_CUDA_PRODUCTS is one of ${modes.join(", ")}, not ${products}`);
  if (!lanes) return { mode };
  if (!/^[1-9]\d*$/.test(lanes)) throw new EngineUnavailable(`MUTRANSFER_CUDA_LANES is a number of models, not ${lanes}`);
  return { mode, limits: { lanes: Number(lanes) } };
}

function loadedOnce({ library }: Driver, path: string | undefined, say: Host["say"]): KernelHandles {
  const loaded = new Map<string, Pointer>();
  return async (names) => {
    const missing = names.filter((name) => !loaded.has(name));
    const onSlow = (): void => say?.("compiling kernels for this GPU, once");
    for (const [name, handle] of await loadKernels(library, missing, { path, onSlow })) loaded.set(name, handle);
    return loaded;
  };
}

/** Memory of training and evaluating with all lanes. */
export function footprintOf(program: Program): Footprint {
  const laneMemory = new LaneMemory(program, layout);
  const { workspace, fleeting } = planRun(program, laneMemory, cardLimits).bytes;
  const inputs = Object.values(inputWords(program, cardLimits)).reduce((sum, words) => sum + 4 * words, 0);
  return { bytes: 4 * program.dims.trials * laneMemory.floats + workspace + fleeting + inputs, largestTensorBytes: workspace };
}
