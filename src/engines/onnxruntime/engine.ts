/**
 * The onnxruntime engine: sessions over the lowered models, with the state held
 * as tensors that go into one call and come out of it. CPU provider.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { shapeOf, sizeOf, type Program } from "../../program/program.ts";
import { EngineUnavailable, type Batches, type Engine, type Executable, type State, type TrainChunk } from "../engine.ts";
import { evaluationModel, fed, inspectionModel, returned, stateParts, trainingModel, type StatePart } from "./step.ts";
import { stepScalarValues } from "../../program/schedule.ts";

type Runtime = typeof import("onnxruntime-node");
type Session = import("onnxruntime-node").InferenceSession;
type Tensor = import("onnxruntime-node").Tensor;
type Feeds = Record<string, Tensor>;

/** Loads the runtime; throws EngineUnavailable when its native part cannot be loaded. */
export async function openOnnxruntime(): Promise<Engine> {
  let runtime: Runtime;
  try {
    runtime = await import("onnxruntime-node");
  } catch (error) {
    throw new EngineUnavailable(`onnxruntime-node cannot be loaded: ${(error as Error).message}`);
  }
  return {
    name: "onnxruntime",
    compile: async (program, { threads }) => {
      const executable = new OnnxExecutable(runtime, program, threads);
      await executable.compile();
      return executable;
    },
  };
}

class OnnxExecutable implements Executable {
  private readonly runtime: Runtime;
  private readonly program: Program;
  private readonly threads: number;
  private readonly sessions = new Map<string, Promise<Session>>();
  private scalars: Feeds = {};
  private state = new Map<Ref, Readonly<Record<StatePart, Tensor>>>();
  private step = 0;

  constructor(runtime: Runtime, program: Program, threads: number) {
    this.runtime = runtime;
    this.program = program;
    this.threads = threads;
  }

  async compile(): Promise<void> {
    await this.session("train", () => trainingModel(this.program));
  }

  load(state: State): void {
    const { program } = this;
    const tensor = (ref: Ref, data: Float32Array): Tensor => {
      invariant(
        data.length === sizeOf(shapeOf(program, ref)),
        "load",
        `${ref} has ${data.length} values, expected ${sizeOf(shapeOf(program, ref))}`,
      );
      return new this.runtime.Tensor("float32", data.slice(), shapeOf(program, ref));
    };
    const valueOf = <T>(map: ReadonlyMap<Ref, T>, ref: Ref): T => {
      const value = map.get(ref);
      invariant(value !== undefined, "load", `the state has no ${ref}`);
      return value;
    };
    this.scalars = Object.fromEntries(program.scalars.map((ref) => [ref, tensor(ref, valueOf(state.scalars, ref))]));
    this.state = new Map(
      program.parameters.map((ref) => {
        const { weight, firstMoment, secondMoment } = valueOf(state.parameters, ref);
        return [ref, { weight: tensor(ref, weight), first: tensor(ref, firstMoment), second: tensor(ref, secondMoment) }];
      }),
    );
    this.step = state.step;
  }

  read(): State {
    const copy = (tensor: Tensor): Float32Array => (tensor.data as Float32Array).slice();
    return {
      step: this.step,
      scalars: new Map(Object.entries(this.scalars).map(([ref, tensor]) => [ref, copy(tensor)])),
      parameters: new Map(
        [...this.state].map(([ref, { weight, first, second }]) => [
          ref,
          { weight: copy(weight), firstMoment: copy(first), secondMoment: copy(second) },
        ]),
      ),
    };
  }

  async train(chunk: TrainChunk): Promise<Float32Array> {
    const { program } = this;
    const feeds: Feeds = { ...this.scalars, ...this.tokenFeeds(chunk, [chunk.count]) };
    for (const [ref, parts] of this.state) for (const part of stateParts) feeds[fed(part, ref)] = parts[part];
    const perStep = stepScalarValues(program.beta1, program.beta2, this.step, chunk.factors);
    for (const [name, values] of Object.entries(perStep)) feeds[name] = new this.runtime.Tensor("float32", values, [chunk.count]);
    const session = await this.session("train", () => trainingModel(program));
    const results = await session.run(feeds);
    const output = (part: StatePart, ref: Ref): Tensor => results[returned(part, ref)];
    this.state = new Map(
      program.parameters.map((ref) => [ref, { weight: output("weight", ref), first: output("first", ref), second: output("second", ref) }]),
    );
    this.step += chunk.count;
    return results["losses"]?.data as Float32Array;
  }

  async evaluate(batches: Batches): Promise<Float32Array> {
    const session = await this.session("evaluate", () => evaluationModel(this.program));
    const results = await session.run({ ...this.weightFeeds(), ...this.tokenFeeds(batches, [batches.count]) });
    return results["losses"]?.data as Float32Array;
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    const session = await this.session(`inspect ${names.join()}`, () => inspectionModel(this.program, names));
    const results = await session.run({ ...this.weightFeeds(), ...this.tokenFeeds(batch, []) });
    return new Map(names.map((name) => [name, results[returned("weight", name)]?.data as Float32Array]));
  }

  async dispose(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release();
    this.sessions.clear();
  }

  private session(purpose: string, model: () => Uint8Array): Promise<Session> {
    const open = this.sessions.get(purpose) ?? this.open(model());
    this.sessions.set(purpose, open);
    return open;
  }

  private open(model: Uint8Array): Promise<Session> {
    return this.runtime.InferenceSession.create(model, {
      executionProviders: ["cpu"],
      intraOpNumThreads: this.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "basic",
      logSeverityLevel: 3,
      // Adam's moments of rare tokens decay into denormals, which are slow; spinning wastes the other core.
      extra: { session: { set_denormal_as_zero: "1", intra_op: { allow_spinning: "0" } } },
    });
  }

  private weightFeeds(): Feeds {
    return { ...this.scalars, ...Object.fromEntries([...this.state].map(([ref, { weight }]) => [ref, weight])) };
  }

  private tokenFeeds(batches: Batches, leading: readonly number[]): Feeds {
    const { batch, context } = this.program.dims;
    const feed = (ids: Int32Array): Tensor =>
      new this.runtime.Tensor("int32", timeMajor(ids, batches.count, batch, context), [...leading, context * batch]);
    return { tokens: feed(batches.tokens), targets: feed(batches.targets) };
  }
}

/** Token ids [K, B, T] as [K, T, B]. */
function timeMajor(ids: Int32Array, count: number, batch: number, context: number): Int32Array {
  invariant(ids.length === count * batch * context, "timeMajor", `${ids.length} ids, expected ${count}×${batch}×${context}`);
  const result = new Int32Array(ids.length);
  for (let k = 0; k < count; k++)
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < context; t++) result[(k * context + t) * batch + b] = ids[(k * batch + b) * context + t];
  return result;
}
