/**
 * Engines over onnxruntime, one for each of its execution providers. They differ in
 * how small ops are put (algebra.ts) and in how steps are run.
 */
import { EngineUnavailable, type Engine, type EngineName } from "../engine.ts";
import { CpuAlgebra, FusedAlgebra, OnnxAlgebra } from "./algebra.ts";
import { ScanningExecutable } from "./scanning.ts";
import { Sessions, type Provider, type Runtime } from "./sessions.ts";
import { SteppingExecutable } from "./stepping.ts";

type OnnxEngineName = EngineName & ("onnxruntime" | "cuda" | "webgpu");

const providers: { readonly [E in OnnxEngineName]: Provider & { readonly executable: typeof ScanningExecutable | typeof SteppingExecutable } } = {
  onnxruntime: { name: "cpu", algebra: CpuAlgebra, timeMajor: true, executable: ScanningExecutable },
  cuda: { name: "cuda", algebra: FusedAlgebra, timeMajor: false, executable: ScanningExecutable },
  webgpu: { name: "webgpu", algebra: OnnxAlgebra, timeMajor: false, executable: SteppingExecutable },
};

/** Loads the runtime; throws EngineUnavailable when its native part, or the provider, cannot be used. */
export async function openOnnxruntime(name: OnnxEngineName): Promise<Engine> {
  let runtime: Runtime;
  try {
    runtime = await import("onnxruntime-node");
  } catch (error) {
    throw new EngineUnavailable(`onnxruntime-node cannot be loaded: ${(error as Error).message}`);
  }
  const provider = providers[name];
  return {
    name,
    compile: async (program, { threads }) => {
      const executable = new provider.executable(new Sessions(runtime, provider, threads), program, provider);
      await executable.compile();
      return executable;
    },
  };
}
