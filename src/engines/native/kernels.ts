/**
 * Which form of the kernels runs here: compiled for exactly this CPU where a compiler
 * is, else what came with the package: a library for this system, or WebAssembly.
 */
import { join } from "node:path";
import { EngineUnavailable, type Host } from "../engine.ts";
import { builtLibrary, type BuildSettings } from "./build.ts";
import { cpuFeatures } from "./cpu.ts";
import { loadLibrary, type Library, type SystemLibrary } from "./library.ts";
import { prebuiltLibrary, prebuiltModule } from "./prebuilt.ts";
import { loadModule } from "./web-assembly.ts";

/** The kernels that can be had here. */
export interface Kernels {
  readonly isPrebuilt: boolean;
  /** A library for one executable's memory. */
  readonly library: () => Promise<Library>;
  /** Why they are not the fastest that there could be. */
  readonly remark?: string;
}

function settingsOf({ cache, environment: { CC = "", PATH: path = "", MUTRANSFER_CFLAGS = "" } }: Host): BuildSettings {
  const words = (text: string): readonly string[] => text.split(" ").filter(Boolean);
  const [compiler, ...flags] = words(CC); // as in CC="gcc -m64"
  return { cache: join(cache, "native"), compiler, path, extraFlags: [...flags, ...words(MUTRANSFER_CFLAGS)] };
}

/** Builds or finds the library for exactly this CPU and loads it; throws EngineUnavailable when that cannot be done here. */
export const exactLibrary = async (host: Host): Promise<SystemLibrary> => loadLibrary(await builtLibrary(settingsOf(host)));

interface Form {
  /** What there is to say where this is the best that can be had. */
  readonly remark?: string;
  readonly isPrebuilt: boolean;
  /** Undefined where this copy of the package has none; throws EngineUnavailable where it cannot be used. */
  readonly load: (host: Host) => Promise<Kernels["library"] | undefined>;
}

/** From the fastest on. */
const forms: readonly Form[] = [
  {
    isPrebuilt: false,
    load: async (host) => {
      const library = await exactLibrary(host);
      return () => Promise.resolve(library);
    },
  },
  {
    remark: "uses kernels that were prebuilt for many CPUs",
    isPrebuilt: true,
    load: async () => {
      const found = prebuiltLibrary(cpuFeatures());
      if (found === undefined) return undefined;
      const library = await loadLibrary(found.path, found.suffix);
      return () => Promise.resolve(library);
    },
  },
  {
    remark: "runs as WebAssembly, which is slow and uses one core for each model",
    isPrebuilt: true,
    load: async () => {
      const module = prebuiltModule();
      return module === undefined ? undefined : loadModule(module);
    },
  },
];

/** The first form that can be had; throws EngineUnavailable with the reasons when there is none. */
export async function openKernels(host: Host): Promise<Kernels> {
  const reasons: string[] = [];
  for (const { load, isPrebuilt, remark } of forms) {
    try {
      const library = await load(host);
      if (library === undefined) continue;
      return { isPrebuilt, library, ...(remark !== undefined && { remark: `${remark}: ${reasons.join("; ")}` }) };
    } catch (error) {
      if (!(error instanceof EngineUnavailable)) throw error;
      reasons.push(error.message);
    }
  }
  const absent = reasons.length === 1 ? ["no prebuilt kernels came with this copy"] : [];
  throw new EngineUnavailable([...reasons, ...absent].join("; "));
}
