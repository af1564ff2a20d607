/**
 * Runs a program through TensorFlow.js op by op. State stays on the device; what no
 * later op needs is disposed of as soon as it is clear, so a step leaves no tensor behind.
 */
import { invariant } from "../../errors.ts";
import { refsOf, type Op, type Ref } from "../../program/ops.ts";
import { mapParts, mapPartsInTurn, partsOf, shapeOf, stepOps, type PartsOf, type Program } from "../../program/program.ts";
import { stepScalars, stepScalarValues } from "../../program/schedule.ts";
import type { Batches, Executable, ParameterState, State, TrainChunk } from "../engine.ts";
import { expand } from "../small-ops/expand.ts";
import { Expansion, type StepValues } from "../small-ops/expansion.ts";
import { EagerAlgebra } from "./eager-algebra.ts";
import type { Tensor, Tf } from "./load.ts";

interface Resident {
  readonly step: number;
  readonly scalars: ReadonlyMap<Ref, Tensor>;
  readonly parameters: ReadonlyMap<Ref, PartsOf<Tensor>>;
}

/** A program that TensorFlow.js carries out op by op. */
export class EagerExecutable implements Executable {
  private readonly tf: Tf;
  private readonly program: Program;
  private state: Resident = { step: 0, scalars: new Map(), parameters: new Map() };
  /** Tensors that outlive a step, by name and as a set. */
  private readonly named = new Map<string, Tensor>();
  private readonly constants = new Set<Tensor>();

  constructor(tf: Tf, program: Program) {
    this.tf = tf;
    this.program = program;
  }

  load(state: State): void {
    this.release();
    const { tf, program } = this;
    const tensor = (ref: Ref, values: Float32Array | undefined): Tensor => {
      const shape = shapeOf(program, ref);
      invariant(
        values?.length === shape.reduce((a, b) => a * b, 1),
        "load",
        `${ref} has ${values?.length ?? "no"} values, expected [${shape.join(",")}]`,
      );
      return tf.tensor(values.slice(), [...shape], "float32");
    };
    const parts = (ref: Ref): PartsOf<Tensor> => partsOf(program, ref, (part) => tensor(ref, state.parameters.get(ref)?.[part]));
    this.state = {
      step: state.step,
      scalars: new Map(program.scalars.map((ref) => [ref, tensor(ref, state.scalars.get(ref))])),
      parameters: new Map(program.parameters.map((ref) => [ref, parts(ref)])),
    };
  }

  async read(of: readonly Ref[] = this.program.parameters): Promise<State> {
    const { step, scalars, parameters } = this.state;
    const copy = async (tensor: Tensor): Promise<Float32Array> => ((await tensor.data()) as Float32Array).slice();
    const result = { step, scalars: new Map<Ref, Float32Array>(), parameters: new Map<Ref, ParameterState>() };
    for (const [ref, tensor] of scalars) result.scalars.set(ref, await copy(tensor));
    for (const ref of of) result.parameters.set(ref, await mapPartsInTurn(parameters.get(ref) as PartsOf<Tensor>, copy));
    return result;
  }

  train(chunk: TrainChunk): Promise<Float32Array> {
    const { program, tf } = this;
    const perStep = stepScalarValues(program, this.state.step, chunk.factors);
    return this.eachBatch(chunk, (ids, index) => {
      const scalars = stepScalars.map((name) => [name, tf.scalar(perStep[name][index])] as const);
      const step = Object.fromEntries(scalars) as NonNullable<StepValues<Tensor>["step"]>;
      const expansion = this.run(ids, { state: this.state.parameters, step }, stepOps(program), [program.loss]);
      for (const parts of this.state.parameters.values()) mapParts(parts, (tensor) => tensor.dispose());
      for (const [, scalar] of scalars) scalar.dispose();
      this.state = { ...this.state, step: this.state.step + 1, parameters: expansion.next };
      return expansion.value(program.loss);
    });
  }

  evaluate(batches: Batches): Promise<Float32Array> {
    const { program } = this;
    return this.eachBatch(batches, (ids) => this.run(ids, {}, program.forward, [program.loss]).value(program.loss));
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    const { program } = this;
    const ids = this.idsOf(batch, 0);
    const expansion = this.run(ids, {}, [...program.forward, ...program.backward], names);
    const result = new Map<Ref, Float32Array>();
    for (const name of names) result.set(name, ((await expansion.value(name).data()) as Float32Array).slice());
    this.tf.dispose([ids.tokens, ids.targets, ...new Set(names.map((name) => expansion.value(name)))]);
    return result;
  }

  dispose(): Promise<void> {
    this.release();
    this.tf.dispose([...this.constants]);
    this.named.clear();
    this.constants.clear();
    return Promise.resolve();
  }

  /** Losses [count, N] of a step for each batch, read together at the end. */
  private async eachBatch(batches: Batches, run: (ids: Ids, index: number) => Tensor): Promise<Float32Array> {
    const losses = Array.from({ length: batches.count }, (_, index) => {
      const ids = this.idsOf(batches, index);
      const loss = run(ids, index);
      this.tf.dispose([ids.tokens, ids.targets]);
      return loss;
    });
    const all = this.tf.stack(losses);
    const values = ((await all.data()) as Float32Array).slice();
    this.tf.dispose([all, ...losses]);
    return values;
  }

  /** Carries out `ops` in order; of all tensors made, those in `wanted` and the next state are left. */
  private run(ids: Ids, given: Omit<StepValues<Tensor>, "tensors">, ops: readonly Op[], wanted: readonly Ref[]): Expansion<Tensor> {
    const { tf, program, state } = this;
    const weights = [...state.parameters].map(([ref, { weight }]) => [ref, weight] as const);
    const algebra = new EagerAlgebra(tf, program.dims, ids, (key, make) => this.constant(key, make));
    const expansion = new Expansion(program, algebra, { ...given, tensors: new Map([...state.scalars, ...weights]) });
    const lastUse = new Map(ops.flatMap((op, index) => refsOf(op).map((ref) => [ref, index] as const)));
    for (const ref of wanted) lastUse.set(ref, ops.length);
    const outside = new Set(expansion.values.values());
    let made = new Set<Tensor>();
    /** Ends the scope of some ops: tensors that nothing refers to any longer are disposed of. */
    const settle = (): void => {
      const parts = [...expansion.kept.values(), ...expansion.next.values()].flatMap((each) => Object.values<Tensor>(each));
      const held = [...expansion.values.values(), ...expansion.shared.values(), ...parts];
      tf.engine().endScope(held);
      const live = new Set(held.filter((tensor) => !outside.has(tensor) && !this.constants.has(tensor)));
      for (const tensor of made) if (!live.has(tensor)) tensor.dispose();
      made = live;
    };
    ops.forEach((op, index) => {
      tf.engine().startScope();
      expand(expansion, [op]);
      if ("of" in op) expansion.kept.delete(op.of);
      for (const ref of expansion.values.keys()) if ((lastUse.get(ref) ?? -1) <= index) expansion.values.delete(ref);
      if (index === ops.length - 1) {
        expansion.shared.clear();
        expansion.kept.clear(); // of forward ops whose backward op was not asked for
      }
      settle();
    });
    return expansion;
  }

  private constant(key: string, make: () => Tensor): Tensor {
    const known = this.named.get(key);
    if (known !== undefined) return known;
    const made = this.tf.keep(make());
    this.named.set(key, made);
    this.constants.add(made);
    return made;
  }

  private idsOf({ tokens, targets, count }: Batches, index: number): Ids {
    const cells = tokens.length / count;
    const slice = (ids: Int32Array): Tensor => this.tf.tensor1d(ids.slice(index * cells, (index + 1) * cells), "int32");
    return { tokens: slice(tokens), targets: slice(targets) };
  }

  private release(): void {
    for (const tensor of this.state.scalars.values()) tensor.dispose();
    for (const parts of this.state.parameters.values()) mapParts(parts, (tensor) => tensor.dispose());
    this.state = { step: this.state.step, scalars: new Map(), parameters: new Map() };
  }
}

interface Ids {
  readonly tokens: Tensor;
  readonly targets: Tensor;
}
