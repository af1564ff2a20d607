/**
 * Runs K steps a call in one Scan: the CPU provider. State goes into each call and
 * comes out of it.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { mapParts, partsOf, type PartsOf, type Program } from "../../program/program.ts";
import { stepScalarValues } from "../../program/schedule.ts";
import type { Batches, Executable, State, TrainChunk } from "../engine.ts";
import { CpuAlgebra } from "./cpu-algebra.ts";
import { fed, inspection, returned, scannedEvaluation, scannedTraining } from "./models.ts";
import { tensorState, type Feeds, type Sessions, type Tensor, type TensorState } from "./sessions.ts";

/** A program whose K steps are one call of one model, which scans over them. */
export class ScanningExecutable implements Executable {
  private readonly sessions: Sessions;
  private readonly program: Program;
  private state: TensorState = { step: 0, scalars: new Map(), parameters: new Map() };

  constructor(sessions: Sessions, program: Program) {
    this.sessions = sessions;
    this.program = program;
  }

  /** Makes the training session, which is what takes time. */
  async compile(): Promise<void> {
    await this.sessions.prepare("train", this.training);
  }

  load(state: State): void {
    this.state = tensorState(this.sessions, this.program, state);
  }

  read(of: readonly Ref[] = this.program.parameters): Promise<State> {
    const copy = (tensor: Tensor): Float32Array => (tensor.data as Float32Array).slice();
    const { step, scalars, parameters } = this.state;
    return Promise.resolve({
      step,
      scalars: new Map([...scalars].map(([ref, tensor]) => [ref, copy(tensor)])),
      parameters: new Map(of.map((ref) => [ref, mapParts(parameters.get(ref) as PartsOf<Tensor>, copy)])),
    });
  }

  async train(chunk: TrainChunk): Promise<Float32Array> {
    const { program, sessions, state } = this;
    const feeds: Feeds = { ...Object.fromEntries(state.scalars), ...this.tokenFeeds(chunk, [chunk.count]) };
    for (const [ref, parts] of state.parameters) for (const [part, tensor] of Object.entries(parts)) feeds[`in:${fed(part, ref)}`] = tensor;
    const perStep = stepScalarValues(program, state.step, chunk.factors);
    for (const [name, values] of Object.entries(perStep)) feeds[name] = sessions.floats(values, [chunk.count]);
    const results = await sessions.run("train", this.training, feeds);
    const parameters = program.parameters.map((ref) => [ref, partsOf(program, ref, (part) => results[returned(fed(part, ref))])] as const);
    this.state = { ...state, step: state.step + chunk.count, parameters: new Map(parameters) };
    return results["losses"]?.data as Float32Array;
  }

  async evaluate(batches: Batches): Promise<Float32Array> {
    const feeds = { ...this.weightFeeds(), ...this.tokenFeeds(batches, [batches.count]) };
    const results = await this.sessions.run("evaluate", () => scannedEvaluation(this.program), feeds);
    return results["losses"]?.data as Float32Array;
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    const feeds = { ...this.weightFeeds(), ...this.tokenFeeds(batch, []) };
    const model = (): Uint8Array => inspection(this.program, CpuAlgebra, names);
    const results = await this.sessions.run(`inspect ${names.join()}`, model, feeds);
    return new Map(names.map((name) => [name, results[returned(name)]?.data as Float32Array]));
  }

  dispose(): Promise<void> {
    return this.sessions.dispose();
  }

  private readonly training = (): Uint8Array => scannedTraining(this.program);
  private weightFeeds(): Feeds {
    const { scalars, parameters } = this.state;
    return { ...Object.fromEntries(scalars), ...Object.fromEntries([...parameters].map(([ref, { weight }]) => [ref, weight])) };
  }
  private tokenFeeds({ tokens, targets, count }: Batches, leading: readonly number[]): Feeds {
    const feed = (ids: Int32Array): Tensor => this.sessions.ids(this.program, ids, count, "time-major", leading);
    return { tokens: feed(tokens), targets: feed(targets) };
  }
}
