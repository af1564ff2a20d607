/**
 * A thread that loads kernels (see ptx.ts): it is given one at a time, and undefined
 * when there are no more. It enters the context that the process has, and does not
 * release it: the kernels live there.
 */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../errors.ts";
import { enterContext, openLibrary } from "./driver.ts";
import { kernelLoader, type Answer, type KernelPtx } from "./ptx.ts";

const port = parentPort;
invariant(port !== null, "compile-worker", "it is a thread");
const library = await openLibrary(workerData as string | undefined);
enterContext(library);
const load = kernelLoader(library);

function answer(text: KernelPtx): Answer {
  try {
    return { kernel: text.kernel, handle: load(text) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

port.on("message", (text: KernelPtx | undefined) => {
  if (text === undefined) port.close();
  else port.postMessage(answer(text));
});
