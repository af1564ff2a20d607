/**
 * Runs a program as a TensorFlow graph: a call is one whole step, with the state in
 * variables on the device. Needs libtensorflow behind TensorFlow.js.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { partsOf, shapeOf, statePartsOf, type Program } from "../../program/program.ts";
import { stepScalars, stepScalarValues } from "../../program/schedule.ts";
import type { Batches, Executable, ParameterState, State, TrainChunk } from "../engine.ts";
import type { NodeBinding, SavedModel, Tensor, Tf } from "./load.ts";
import { inspectionModel, openSavedModel, storedName, trainingModel } from "./saved-models.ts";

const signatures = ["load", "read", "train", "evaluate"] as const;
type Signatures = Readonly<Record<(typeof signatures)[number], SavedModel>>;

/** A program as graphs that libtensorflow runs. */
export class GraphExecutable implements Executable {
  private readonly tf: Tf;
  private readonly node: NodeBinding;
  private readonly program: Program;
  private readonly model: Signatures;
  private step = 0;

  private constructor(tf: Tf, node: NodeBinding, program: Program, model: Signatures) {
    this.tf = tf;
    this.node = node;
    this.program = program;
    this.model = model;
  }

  static async compile(tf: Tf, node: NodeBinding, program: Program): Promise<GraphExecutable> {
    return new GraphExecutable(tf, node, program, await openSavedModel(node, trainingModel(program), signatures));
  }

  load(state: State): void {
    const { program } = this;
    const arrays = [
      ...program.scalars.map((ref) => ({ ref, name: storedName(ref), values: state.scalars.get(ref) })),
      ...program.parameters.flatMap((ref) =>
        statePartsOf(program, ref).map((part) => ({ ref, name: storedName(ref, part), values: state.parameters.get(ref)?.[part] })),
      ),
    ];
    const tensors = arrays.map(({ ref, name, values }) => [name, this.floats(ref, values)] as const);
    this.call(this.model.load, Object.fromEntries(tensors), () => undefined);
    this.step = state.step;
  }

  read(of: readonly Ref[] = this.program.parameters): Promise<State> {
    const { program } = this;
    return Promise.resolve(
      this.call(this.model.read, {}, (results) => {
        const copy = (name: string): Float32Array => (results[name]?.dataSync() as Float32Array).slice();
        const parts = (ref: Ref): ParameterState => partsOf(program, ref, (part) => copy(storedName(ref, part)));
        return {
          step: this.step,
          scalars: new Map(program.scalars.map((ref) => [ref, copy(storedName(ref))])),
          parameters: new Map(of.map((ref) => [ref, parts(ref)])),
        };
      }),
    );
  }

  train(chunk: TrainChunk): Promise<Float32Array> {
    const { program } = this;
    const perStep = stepScalarValues(program, this.step, chunk.factors);
    const losses = this.eachBatch(chunk, this.model.train, (index) =>
      Object.fromEntries(stepScalars.map((name) => [name, this.tf.scalar(perStep[name][index])])),
    );
    this.step += chunk.count;
    return Promise.resolve(losses);
  }

  evaluate(batches: Batches): Promise<Float32Array> {
    return Promise.resolve(this.eachBatch(batches, this.model.evaluate, () => ({})));
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    const { scalars, parameters } = await this.read();
    const weights = [...scalars, ...[...parameters].map(([ref, { weight }]) => [ref, weight] as const)];
    const feeds = Object.fromEntries(weights.map(([ref, values]) => [ref, this.floats(ref, values)]));
    const { inspect } = await openSavedModel(this.node, inspectionModel(this.program, names), ["inspect"]);
    const result = this.call(inspect, { ...feeds, ...this.ids(batch, 0) }, (results) => {
      return new Map(names.map((name) => [name, (results[name]?.dataSync() as Float32Array).slice()]));
    });
    inspect.dispose();
    return result;
  }

  dispose(): Promise<void> {
    for (const signature of signatures) this.model[signature].dispose();
    return Promise.resolve();
  }

  private eachBatch(batches: Batches, model: SavedModel, more: (index: number) => Record<string, Tensor>): Float32Array {
    const { trials } = this.program.dims;
    const losses = new Float32Array(batches.count * trials);
    for (let index = 0; index < batches.count; index++)
      this.call(model, { ...this.ids(batches, index), ...more(index) }, ({ loss }) =>
        losses.set(loss.dataSync() as Float32Array, index * trials),
      );
    return losses;
  }

  /** Calls a signature and disposes of everything that went in or came out. */
  private call<R>(model: SavedModel, inputs: Readonly<Record<string, Tensor>>, use: (results: Readonly<Record<string, Tensor>>) => R): R {
    let results: Readonly<Record<string, Tensor>> = {};
    try {
      results = model.predict(inputs);
      return use(results);
    } finally {
      this.tf.dispose([...Object.values(inputs), ...Object.values(results)]);
    }
  }

  private floats(ref: Ref, values: Float32Array | undefined): Tensor {
    const shape = shapeOf(this.program, ref);
    const size = shape.reduce((a, b) => a * b, 1);
    invariant(values?.length === size, "load", `${ref} has ${values?.length ?? "no"} values, expected ${size}`);
    return this.tf.tensor(values, [...shape], "float32");
  }
  private ids({ tokens, targets, count }: Batches, index: number): Record<string, Tensor> {
    const cells = tokens.length / count;
    const slice = (ids: Int32Array): Tensor => this.tf.tensor1d(ids.slice(index * cells, (index + 1) * cells), "int32");
    return { tokens: slice(tokens), targets: slice(targets) };
  }
}
