/** The TensorFlow.js engine: op by op, or as a graph where libtensorflow is behind it. */
import type { Engine } from "../engine.ts";
import { EagerExecutable } from "./eager.ts";
import { GraphExecutable } from "./graph.ts";
import { loadTfjs } from "./load.ts";

/** How programs are run; graphs are faster, see the README's performance section. */
export type TfjsMode = "eager" | "graph";

export async function openTfjs(mode?: TfjsMode): Promise<Engine> {
  const { tf, node } = await loadTfjs();
  return {
    name: "tfjs",
    compile: async (program) =>
      node && mode !== "eager" ? await GraphExecutable.compile(tf, node, program) : new EagerExecutable(tf, program),
  };
}
