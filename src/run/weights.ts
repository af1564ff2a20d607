/** The final weights of a run's target, as one file in the run folder. What they hold is said by whoever trains it. */
import { failpoint } from "../failpoints.ts";
import type { OpenFolder } from "./open-folder.ts";
import { runFiles } from "./run-folder.ts";

/** Replaces the run's weights.safetensors by the given pieces, all or nothing. */
export function saveWeights(run: OpenFolder, pieces: Iterable<Uint8Array>): void {
  run.write(runFiles.weights, pieces);
  failpoint("weights.written");
}
