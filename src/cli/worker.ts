/**
 * What a worker process runs: it trains the stacks its parent sends, one after the
 * other, and ends when the parent does.
 */
import { EngineUnavailable, type Engine, type EngineName } from "../engines/engine.ts";
import { engines } from "../engines/registry.ts";
import { parametersOf } from "../model/config.ts";
import { writeAtomically } from "../sweep/run-dir.ts";
import type { Task, WorkerMessage } from "../sweep/worker-pool.ts";
import { trainStack } from "../training/train.ts";
import { encodeSafetensors } from "../transfer/safetensors.ts";

const open = new Map<EngineName, Promise<Engine>>();

function engineNamed(name: EngineName): Promise<Engine> {
  const engine = open.get(name) ?? engines[name].open();
  open.set(name, engine);
  return engine;
}

const send = (message: WorkerMessage): void => void process.send?.(message);

async function run({ engine: name, job, weights }: Task): Promise<void> {
  try {
    const engine = await engineNamed(name);
    const { outcomes, state } = await trainStack(engine, job, {
      now: () => performance.now() / 1000,
      onProgress: (progress) => send({ kind: "progress", progress }),
    });
    if (weights !== undefined) {
      const tensors = parametersOf(job.model).map(({ name: parameter, shape }) => ({ name: parameter, shape, data: state.parameters.get(parameter)?.weight as Float32Array }));
      writeAtomically(weights.path, encodeSafetensors(tensors, weights.metadata));
    }
    send({ kind: "done", outcomes });
  } catch (error) {
    const reason = (error as Error).message;
    send(error instanceof EngineUnavailable ? { kind: "unavailable", reason } : { kind: "failed", reason });
  }
}

process.on("message", (task: Task) => void run(task));
process.on("disconnect", () => process.exit());
// Ctrl-C reaches the whole process group; when to stop is the parent's decision.
process.on("SIGINT", () => undefined);
