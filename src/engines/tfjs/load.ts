/**
 * Which TensorFlow.js there is: with libtensorflow behind it (tfjs-node-gpu, tfjs-node),
 * or the plain JavaScript backend. All are optional packages, imported when asked for.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import util from "node:util";
import { EngineUnavailable } from "../engine.ts";
import { importOptional } from "../optional.ts";

/** The TensorFlow.js package. */
export type Tf = typeof import("@tensorflow/tfjs-core");
/** A tensor of TensorFlow.js. */
export type Tensor = import("@tensorflow/tfjs-core").Tensor;

/** What the addon adds: signatures of SavedModels as functions. */
export interface SavedModel {
  predict(inputs: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>>;
  dispose(): void;
}
/** What is used of the binding to libtensorflow, past its public face. */
export interface NodeBinding {
  loadSavedModel(path: string, tags: readonly string[], signature: string): Promise<SavedModel>;
}

/** TensorFlow.js as it was loaded. */
export interface Loaded {
  readonly tf: Tf;
  readonly package: string;
  readonly version: string;
  readonly isOnGpu: boolean;
  /** Absent where there is no libtensorflow. */
  readonly node?: NodeBinding;
}

/** The packages that bring TensorFlow.js, from the fastest on. */
const tfjsPackages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node", "@tensorflow/tfjs-backend-cpu"] as const;
/** A package that brings TensorFlow, by its name. */
export type TfjsPackage = (typeof tfjsPackages)[number];

/** Variables that libtensorflow reads when it is loaded. */
export const tensorflowEnvironment = {
  /** Without it TensorFlow takes a GPU's whole memory. */
  TF_FORCE_GPU_ALLOW_GROWTH: "true",
  /** Has XLA compile clusters of ops together, on CPUs too. */
  TF_XLA_FLAGS: "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
  TF_CPP_MIN_LOG_LEVEL: "2",
} as const;

const require = createRequire(import.meta.url);

function versionOf(name: string): string | undefined {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (require(join(folder, name, "package.json")) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** The packages that are installed, from the fastest on. */
export function installedPackages(): readonly { readonly name: TfjsPackage; readonly version: string }[] {
  return tfjsPackages.flatMap((name) => {
    const version = versionOf(name);
    return version === undefined ? [] : [{ name, version }];
  });
}

async function load(name: TfjsPackage): Promise<Tf & { readonly node?: NodeBinding }> {
  if (name === "@tensorflow/tfjs-backend-cpu") {
    const tf = (await importOptional("@tensorflow/tfjs-core")) as Tf;
    tf.enableProdMode(); // or it advertises tfjs-node
    await importOptional(name);
    await tf.setBackend("cpu");
    return tf;
  }
  // The addon was written for Node before 23, which had these.
  const older = util as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: (value: unknown) => boolean };
  older.isNullOrUndefined ??= (value) => value === null || value === undefined;
  older.isArray ??= Array.isArray;
  const tf = require(name) as Tf & { readonly node: NodeBinding };
  await tf.setBackend("tensorflow");
  return tf;
}

/**
 * Loads the fastest package that is installed; throws EngineUnavailable when there is none, or when it
 * does not load: whoever installed it would rather know than train slowly.
 */
export async function loadTfjs(wanted?: TfjsPackage): Promise<Loaded> {
  const installed = installedPackages().find(({ name }) => wanted === undefined || name === wanted);
  if (installed === undefined)
    throw new EngineUnavailable(`${wanted ?? "TensorFlow.js"} is not installed; npm install ${wanted ?? "@tensorflow/tfjs-node-gpu"}`);
  const { name, version } = installed;
  try {
    const tf = await load(name);
    if (tf.node === undefined) return { tf, package: name, version, isOnGpu: false };
    const backend = tf.backend() as unknown as { readonly isUsingGpuDevice: boolean; readonly binding: { readonly TF_Version: string } };
    return {
      tf,
      package: name,
      version: `${version} (libtensorflow ${backend.binding.TF_Version})`,
      isOnGpu: backend.isUsingGpuDevice,
      node: tf.node,
    };
  } catch (error) {
    throw new EngineUnavailable(`${name} cannot be loaded: ${(error as Error).message.split("\n")[0]}`);
  }
}
