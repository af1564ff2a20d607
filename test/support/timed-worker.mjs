// A worker process for tests of the choice between engines. Its engine's name says how it behaves, as the names of real
// engines are what a registry is keyed by: cuda takes 1 ms a step, webgpu 4 ms, native 2 ms for each model in the stack,
// tfjs is not there, onnxruntime has memory for one model of width 16 only. TIMED_WORKER_LOG gets a line per answer.
// TIMED_WORKER_MISSING and TIMED_WORKER_CRASHING name engines that are not there, or kill their process.
import { appendFileSync } from "node:fs";

const [engine] = process.argv.slice(2);
const seconds = { cuda: () => 0.001, webgpu: () => 0.004, native: (lanes) => 0.002 * lanes, onnxruntime: () => 0.01 }[engine];
const started = Date.now();
// Each further worker starts later than the one before.
const slot = Number(process.env.SLOT ?? 0);
const late = new Promise((resolve) => setTimeout(resolve, 150 * slot));
const log = (what) => process.env.TIMED_WORKER_LOG && appendFileSync(process.env.TIMED_WORKER_LOG, `${slot} ${what} ${Date.now()}\n`);
let prepared;
process.on("disconnect", () => process.exit());
const isOneOf = (names) => (names ?? "").split(" ").includes(engine);
process.on("message", async ({ kind, training, seconds: wanted, store }) => {
  await late;
  if (isOneOf(process.env.TIMED_WORKER_CRASHING)) process.abort();
  const done = (result) => process.send({ kind: "done", result });
  if (engine === "tfjs") return process.send({ kind: "unavailable", reason: "TensorFlow.js is not installed" });
  if (isOneOf(process.env.TIMED_WORKER_MISSING)) return process.send({ kind: "unavailable", reason: `${engine} is missing` });
  if (engine === "onnxruntime" && training && (training.lanes.length > 1 || training.model.width > 16))
    return process.send({ kind: "failed", reason: "CUBLAS_STATUS_ALLOC_FAILED", outOfMemory: true });
  if (kind === "describe")
    done({ version: `${engine} 1`, device: { kind: engine === "native" ? "cpu" : "gpu", name: `device of ${engine}`, memoryBytes: 1e12 } });
  if (kind === "prepare") {
    prepared = training;
    done({});
  }
  if (kind === "measure") {
    log("from");
    await new Promise((resolve) => setTimeout(resolve, wanted * 1000));
    log("to");
    done({ secondsPerStep: seconds(prepared.lanes.length) });
  }
  if (kind === "train")
    done({
      outcomes: training.lanes.map(() => ({ status: "completed", validationLoss: 1, curve: [], steps: Date.now() - started, store })),
      engineSeconds: 0,
    });
});
