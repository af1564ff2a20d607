/**
 * Runs one step a call with the state in GPU buffers: the WebGPU provider, which has
 * no Scan. Losses collect in a buffer too, and are read once per `historyLength` steps.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { mapParts, mapPartsInTurn, partsOf, shapeOf, type PartsOf, type Program } from "../../program/program.ts";
import { stepScalars, stepScalarValues } from "../../program/schedule.ts";
import type { Batches, Executable, ParameterState, State, TrainChunk } from "../engine.ts";
import { OnnxAlgebra } from "./algebra.ts";
import { fed, historyLength, inspection, onDevice, returned, singleStep } from "./models.ts";
import { tensorState, type Feeds, type Results, type Sessions, type Tensor, type TensorState } from "./sessions.ts";

/** Session options under which results stay on the device. */
const resident = { preferredOutputLocation: "gpu-buffer" } as const;

/** A program whose every step is a call, with the state on the device in between. */
export class SteppingExecutable implements Executable {
  private readonly sessions: Sessions;
  private readonly program: Program;
  /** The state, on the device once the first call has brought it there. */
  private state: TensorState = { step: 0, scalars: new Map(), parameters: new Map() };
  private history: Tensor | undefined;

  constructor(sessions: Sessions, program: Program) {
    this.sessions = sessions;
    this.program = program;
  }

  async compile(): Promise<void> {
    await this.sessions.prepare("train", this.model("train"), resident);
  }

  load(state: State): void {
    this.release();
    this.state = tensorState(this.sessions, this.program, state);
  }

  async read(of: readonly Ref[] = this.program.parameters): Promise<State> {
    const { step, scalars, parameters } = this.state;
    const copied = async (ref: Ref, tensor: Tensor): Promise<Float32Array> => this.download(tensor, shapeOf(this.program, ref));
    const result = { step, scalars: new Map<Ref, Float32Array>(), parameters: new Map<Ref, ParameterState>() };
    for (const [ref, tensor] of scalars) result.scalars.set(ref, await copied(ref, tensor));
    for (const ref of of)
      result.parameters.set(ref, await mapPartsInTurn(parameters.get(ref) as PartsOf<Tensor>, (tensor) => copied(ref, tensor)));
    return result;
  }

  train(chunk: TrainChunk): Promise<Float32Array> {
    const perStep = stepScalarValues(this.program, this.state.step, chunk.factors);
    return this.eachBatch(chunk, async (tokens, index) => {
      const scalars = stepScalars.map((name) => [name, this.sessions.floats(perStep[name].slice(index, index + 1), [])] as const);
      const state = [...this.state.parameters].flatMap(([ref, parts]) =>
        Object.entries(parts).map(([part, tensor]) => [fed(part, ref), tensor] as const),
      );
      const feeds = { ...Object.fromEntries([...this.state.scalars, ...state, ...scalars]), ...tokens };
      const results = await this.sessions.run("train", this.model("train"), feeds, resident);
      const before = this.state;
      const next = (ref: Ref): PartsOf<Tensor> => partsOf(this.program, ref, (part) => results[returned(fed(part, ref))]);
      this.state = {
        ...before,
        step: before.step + 1,
        parameters: new Map(this.program.parameters.map((ref) => [ref, next(ref)])),
      };
      for (const parts of before.parameters.values()) mapParts(parts, (tensor) => tensor.dispose());
      return results;
    });
  }

  evaluate(batches: Batches): Promise<Float32Array> {
    const model = this.model("evaluate");
    return this.eachBatch(batches, (tokens) => this.sessions.run("evaluate", model, { ...this.weights(), ...tokens }, resident));
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    await this.toDevice();
    const model = (): Uint8Array => inspection(this.program, OnnxAlgebra, names);
    const results = await this.sessions.run(`inspect ${names.join()}`, model, { ...this.weights(), ...this.tokens(batch, 0) });
    return new Map(names.map((name) => [name, results[returned(name)]?.data as Float32Array]));
  }

  async dispose(): Promise<void> {
    this.release();
    await this.sessions.dispose();
  }

  /** Runs a step for each batch; its losses [count, N] are read from the history that every step passes on. */
  private async eachBatch(batches: Batches, run: (feeds: Feeds, index: number) => Promise<Results>): Promise<Float32Array> {
    const { trials } = this.program.dims;
    const losses = new Float32Array(batches.count * trials);
    await this.toDevice();
    for (let done = 0; done < batches.count;) {
      const count = Math.min(historyLength, batches.count - done);
      for (let index = done; index < done + count; index++) {
        const history = this.history ?? this.sessions.floats(new Float32Array(historyLength * trials), [historyLength, trials]);
        const results = await run({ ...this.tokens(batches, index), history }, index);
        history.dispose();
        this.history = results[returned("history")];
      }
      const history = await this.download(this.history as Tensor, [historyLength, trials]);
      losses.set(history.subarray((historyLength - count) * trials), done * trials);
      done += count;
    }
    return losses;
  }

  private weights(): Feeds {
    const { scalars, parameters } = this.state;
    return { ...Object.fromEntries(scalars), ...Object.fromEntries([...parameters].map(([ref, { weight }]) => [ref, weight])) };
  }
  /** The feeds of batch `index` of several. */
  private tokens({ tokens, targets, count }: Batches, index: number): Feeds {
    const feed = (ids: Int32Array): Tensor => {
      const cells = ids.length / count;
      return this.sessions.ids(this.program, ids.subarray(index * cells, (index + 1) * cells), 1, "batch-major", []);
    };
    return { tokens: feed(tokens), targets: feed(targets) };
  }

  private model(purpose: "train" | "evaluate"): () => Uint8Array {
    return () => singleStep(this.program, purpose);
  }

  /** Brings what is still on the host to the device. */
  private async toDevice(): Promise<void> {
    const { step, scalars, parameters } = this.state;
    const moved = async (ref: Ref, tensor: Tensor): Promise<Tensor> => {
      if (tensor.location === "gpu-buffer") return tensor;
      const shape = shapeOf(this.program, ref);
      return (await this.sessions.run(`upload ${shape.join()}`, () => onDevice(shape), { x: tensor }, resident))["y"];
    };
    const movedScalars = new Map<Ref, Tensor>();
    for (const [ref, tensor] of scalars) movedScalars.set(ref, await moved(ref, tensor));
    const movedParameters = new Map<Ref, PartsOf<Tensor>>();
    for (const [ref, parts] of parameters) movedParameters.set(ref, await mapPartsInTurn(parts, (tensor) => moved(ref, tensor)));
    this.state = { step, scalars: movedScalars, parameters: movedParameters };
  }

  /** Copies a tensor to the host. The runtime cannot read a buffer, but it can run a model whose result is wanted on the host. */
  private async download(tensor: Tensor, shape: readonly number[]): Promise<Float32Array> {
    if (tensor.location !== "gpu-buffer") return (tensor.data as Float32Array).slice();
    const { y } = await this.sessions.run(`download ${shape.join()}`, () => onDevice(shape), { x: tensor });
    return (y.data as Float32Array).slice();
  }

  private release(): void {
    for (const tensor of this.state.scalars.values()) tensor.dispose();
    for (const parts of this.state.parameters.values()) mapParts(parts, (tensor) => tensor.dispose());
    this.history?.dispose();
    this.history = undefined;
  }
}
