/**
 * What executables over onnxruntime share: sessions made once for each purpose, and
 * the copies between the engine contract's arrays and the runtime's tensors.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { partsOf, shapeOf, sizeOf, type PartsOf, type Program } from "../../program/program.ts";
import type { Shape } from "../../program/shapes.ts";
import type { State } from "../engine.ts";

/** The onnxruntime-node package. */
export type Runtime = typeof import("onnxruntime-node");
type Session = import("onnxruntime-node").InferenceSession;
type SessionOptions = import("onnxruntime-node").InferenceSession.SessionOptions;
/** A tensor of ONNX Runtime. */
export type Tensor = import("onnxruntime-node").Tensor;
/** What a session is given, by the names of its inputs. */
export type Feeds = Record<string, Tensor>;
/** What a session gives, by the names of its outputs. */
export type Results = Readonly<Record<string, Tensor>>;

/** The execution providers that are used. */
export type Provider = "cpu" | "webgpu";

/** The order of rows: [B, T] or [T, B]. */
type RowOrder = "batch-major" | "time-major";

/** The sessions of one executable, each made when it is first needed. */
export class Sessions {
  readonly runtime: Runtime;
  private readonly options: SessionOptions;
  private readonly open = new Map<string, Promise<Session>>();

  constructor(runtime: Runtime, provider: Provider, threads: number) {
    this.runtime = runtime;
    // A step that would run partly on the CPU is a mistake of ours, not something to live with.
    const fallback = provider === "webgpu" ? { disable_cpu_ep_fallback: "1" } : {};
    this.options = {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "basic",
      logSeverityLevel: 3,
      // Adam's moments of rare tokens decay into denormals, which are slow; spinning wastes the other core.
      extra: { session: { set_denormal_as_zero: "1", intra_op: { allow_spinning: "0" }, ...fallback } },
    };
  }

  /** Makes the session of this name, unless there is one. */
  prepare(name: string, model: () => Uint8Array, options: SessionOptions = {}): Promise<Session> {
    const session = this.open.get(name) ?? this.runtime.InferenceSession.create(model(), { ...this.options, ...options });
    this.open.set(name, session);
    return session;
  }
  /** Runs the session of this name; errors say what went wrong, not in which node of which graph. */
  async run(name: string, model: () => Uint8Array, feeds: Feeds, options: SessionOptions = {}): Promise<Results> {
    try {
      return await (await this.prepare(name, model, options)).run(feeds);
    } catch (error) {
      const [innermost] = (error as Error).message.split("Status Message: ").slice(-1);
      throw new Error(innermost?.replace(/^\S*\.(cc|h):\d+ .*?\) /, "").trim(), { cause: error });
    }
  }

  async dispose(): Promise<void> {
    for (const session of this.open.values()) await (await session).release();
    this.open.clear();
  }

  floats(data: Float32Array, shape: Shape): Tensor {
    return new this.runtime.Tensor("float32", data, shape);
  }

  /** Token ids [count, B, T] of a program as rows in this order; shape [...leading, R]. */
  ids(program: Program, ids: Int32Array, count: number, order: RowOrder, leading: readonly number[]): Tensor {
    const { batch, context } = program.dims;
    invariant(ids.length === count * batch * context, "ids", `${ids.length} ids, expected ${count}×${batch}×${context}`);
    const rows = order === "time-major" ? transposed(ids, count, batch, context) : ids.slice();
    return new this.runtime.Tensor("int32", rows, [...leading, batch * context]);
  }
}

/** [K, B, T] as [K, T, B]. */
function transposed(ids: Int32Array, count: number, batch: number, context: number): Int32Array {
  const result = new Int32Array(ids.length);
  for (let k = 0; k < count; k++)
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < context; t++) result[(k * context + t) * batch + b] = ids[(k * batch + b) * context + t];
  return result;
}

/** A program's state in the runtime's tensors. */
export interface TensorState {
  readonly step: number;
  readonly scalars: ReadonlyMap<Ref, Tensor>;
  readonly parameters: ReadonlyMap<Ref, PartsOf<Tensor>>;
}

function valueOf<T>(map: ReadonlyMap<Ref, T>, ref: Ref): T {
  const value = map.get(ref);
  invariant(value !== undefined, "load", `the state has no ${ref}`);
  return value;
}

/** Copies a state into tensors on the host; asserts that it has everything the program needs, in the right sizes. */
export function tensorState(sessions: Sessions, program: Program, state: State): TensorState {
  const tensor = (ref: Ref, data: Float32Array): Tensor => {
    const expected = sizeOf(shapeOf(program, ref));
    invariant(data.length === expected, "load", `${ref} has ${data.length} values, expected ${expected}`);
    return sessions.floats(data.slice(), shapeOf(program, ref));
  };
  return {
    step: state.step,
    scalars: new Map(program.scalars.map((ref) => [ref, tensor(ref, valueOf(state.scalars, ref))])),
    parameters: new Map(
      program.parameters.map((ref) => [ref, partsOf(program, ref, (part) => tensor(ref, valueOf(state.parameters, ref)[part]))]),
    ),
  };
}
