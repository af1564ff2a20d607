/**
 * A program on a GPU: each of its steps captured as one graph that is launched once for
 * each batch. State and step counter stay on the device; only losses come back.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { shapeOf, sizeOf, type Program } from "../../program/program.ts";
import { stepScalarValues, type StepScalars } from "../../program/schedule.ts";
import type { Batches, Executable, State, TrainChunk } from "../engine.ts";
import { checkBatches, vocabularyOf } from "../lowered/ids.ts";
import { copyOfScalars } from "../lowered/lane-memory.ts";
import type { Purpose } from "../lowered/lowering.ts";
import { gatherRows, matrixOf } from "../lowered/memory.ts";
import type { Driver, Graph, Pointer } from "./driver.ts";
import { layout } from "./fields.ts";
import type { Mode } from "./kernels.ts";
import { DeviceLanes } from "./lanes.ts";
import { threadsOf } from "./launches.ts";
import { planRun, planStep, workingBytes, type RunPlan, type StepPlan, type WorkingBytes } from "./step.ts";
import type { CudaLimits } from "./target.ts";

/** Has kernels loaded, and gives the handle of each by name. */
export type KernelHandles = (names: readonly string[]) => Promise<ReadonlyMap<string, Pointer>>;

/** Where and how a program is to run. */
export interface Backing {
  readonly driver: Driver;
  readonly kernels: KernelHandles;
  readonly limits: CudaLimits;
  readonly mode: Mode;
}

const stepsAtOnce = ({ dims: { batch, context } }: Program, { steps, tokens }: CudaLimits): number =>
  Math.min(steps, Math.max(1, Math.floor(tokens / (batch * context))));

interface Working {
  readonly workspace: Pointer;
  readonly fleeting: Pointer;
}
/** A step that can be launched. */
interface Compiled {
  readonly plan: StepPlan;
  readonly working: Working;
  readonly graph: Graph;
}

const inputNames = ["tokens", "targets", "order", "factor", "stepSize", "epsilonScale", "losses", "step"] as const;
type Inputs<T> = Readonly<Record<(typeof inputNames)[number], T>>;
/** How many words each input and output has: ids, scalars and losses of some steps, and their counter. */
export function inputWords(program: Program, limits: CudaLimits): Inputs<number> {
  const { trials, batch, context } = program.dims;
  const steps = stepsAtOnce(program, limits);
  const ids = steps * batch * context;
  return {
    ...{ tokens: ids, targets: ids, order: ids },
    ...{ factor: steps, stepSize: steps, epsilonScale: steps, losses: steps * trials, step: 1 },
  };
}

/** One program on a GPU, with the memory of its state and steps. */
export class CudaExecutable implements Executable {
  private readonly backing: Backing;
  private readonly program: Program;
  private readonly vocabulary: number;
  private readonly lanes: DeviceLanes;
  private readonly inputs: Inputs<Pointer>;
  private readonly compiled = new Map<string, Compiled>();
  private run: RunPlan | undefined;
  /** The memory that training and evaluating share. */
  private working: Working | undefined;
  /** All memory that steps have been given. */
  private readonly owned: Pointer[] = [];
  private scalars: State["scalars"] = new Map();
  private step = 0;
  private busy = false;

  constructor(backing: Backing, program: Program) {
    this.backing = backing;
    this.program = program;
    this.vocabulary = vocabularyOf(program);
    this.lanes = new DeviceLanes(backing.driver, program, backing.limits);
    const words = inputWords(program, backing.limits);
    this.inputs = Object.fromEntries(
      inputNames.map((name) => [name, backing.driver.allocate(4 * words[name])]),
    ) as unknown as Inputs<Pointer>;
  }

  load(state: State): void {
    this.lanes.load(state);
    this.scalars = copyOfScalars(state.scalars);
    this.step = state.step;
  }

  read(of?: readonly Ref[]): Promise<State> {
    return Promise.resolve({ step: this.step, scalars: copyOfScalars(this.scalars), parameters: this.lanes.read(of) });
  }

  async train(chunk: TrainChunk): Promise<Float32Array> {
    const scalars = stepScalarValues(this.program, this.step, chunk.factors);
    const losses = await this.call("train", await this.compile("train"), chunk, scalars);
    this.step += chunk.count;
    return losses;
  }

  async evaluate(batches: Batches): Promise<Float32Array> {
    return this.call("evaluate", await this.compile("evaluate"), batches);
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    const compiled = await this.compile("inspect", names);
    const losses = await this.call("inspect", compiled, batch);
    return new Map(names.map((name) => [name, name === this.program.loss ? losses : this.copyOut(compiled, name)]));
  }

  dispose(): Promise<void> {
    invariant(!this.busy, "dispose", "a call is still running on this executable");
    const { driver } = this.backing;
    for (const { graph } of this.compiled.values()) graph.dispose();
    this.compiled.clear();
    for (const memory of [...this.owned.splice(0), ...Object.values(this.inputs)]) driver.free(memory);
    this.working = undefined;
    this.lanes.dispose();
    return Promise.resolve();
  }

  private copyOut({ plan, working }: Compiled, name: Ref): Float32Array {
    const [trials, ...shape] = shapeOf(this.program, name);
    const size = sizeOf(shape);
    const { begin, floats } = plan.rangeOf(name);
    const [values, stored] = [new Float32Array(trials * size), new Float32Array(floats)];
    for (let lane = 0; lane < trials; lane++) {
      this.backing.driver.download(stored, working.workspace + BigInt(4 * (lane * plan.workspaceFloats + begin)));
      gatherRows(layout, stored, matrixOf(shape), values.subarray(lane * size, (lane + 1) * size));
    }
    return values;
  }

  private async compile(purpose: Purpose, names: readonly Ref[] = []): Promise<Compiled> {
    const key = `${purpose} ${names.join()}`;
    const known = this.compiled.get(key);
    if (known) return known;
    const { driver, kernels, limits, mode } = this.backing;
    const { trials } = this.program.dims;
    const { laneMemory } = this.lanes;
    let plan: StepPlan, working: Working;
    if (purpose === "inspect") {
      plan = planStep(this.program, laneMemory, limits, purpose, names);
      working = this.allocate(workingBytes(plan, trials));
    } else {
      this.run ??= planRun(this.program, laneMemory, limits);
      plan = this.run[purpose];
      working = this.working ??= this.allocate(this.run.bytes);
    }
    const setting = { mode, fullGrid: limits.fullGrid ?? driver.multiprocessors };
    const launches = plan.launches(setting, { state: this.lanes.address, ...working, ...this.inputs });
    const handles = await kernels(launches.map(({ kernel }) => kernel));
    const graph = driver.capture(() => {
      for (const { kernel, grid, parameters } of launches)
        driver.launch(handles.get(kernel) as Pointer, grid, threadsOf(kernel), parameters);
    });
    const compiled = { plan, working, graph };
    this.compiled.set(key, compiled);
    return compiled;
  }

  private allocate({ workspace, fleeting }: WorkingBytes): Working {
    const own = (bytes: number): Pointer => {
      const memory = this.backing.driver.allocate(Math.max(4, bytes));
      this.owned.push(memory);
      return memory;
    };
    return { workspace: own(workspace), fleeting: own(fleeting) };
  }

  /** Runs the batches' steps; returns losses [K, N]. */
  private async call(
    purpose: Purpose,
    { graph }: Compiled,
    { count, tokens, targets }: Batches,
    scalars: StepScalars = { factor: new Float32Array(count), stepSize: new Float32Array(count), epsilonScale: new Float32Array(count) },
  ): Promise<Float32Array> {
    const { driver } = this.backing;
    const { trials, batch, context } = this.program.dims;
    const cells = batch * context;
    const losses = new Float32Array(count * trials);
    const most = stepsAtOnce(this.program, this.backing.limits);
    invariant(!this.busy, "call", "a call is still running on this executable");
    checkBatches(this.program, this.vocabulary, { count, tokens, targets });
    this.busy = true;
    try {
      for (let first = 0; first < count; first += most) {
        const end = Math.min(count, first + most);
        const ids = { tokens: tokens.subarray(first * cells, end * cells), targets: targets.subarray(first * cells, end * cells) };
        for (const name of ["tokens", "targets"] as const) driver.upload(this.inputs[name], ids[name]);
        if (purpose !== "evaluate") driver.upload(this.inputs.order, rowsByToken(ids.tokens, cells, this.vocabulary));
        for (const name of ["factor", "stepSize", "epsilonScale"] as const)
          driver.upload(this.inputs[name], scalars[name].subarray(first, end));
        driver.clear(this.inputs.step, 1);
        for (let index = first; index < end; index++) graph.run();
        await driver.finished();
        driver.download(losses.subarray(first * trials, end * trials), this.inputs.losses);
      }
    } finally {
      this.busy = false;
    }
    return losses;
  }
}

/** For each step its rows sorted by token, equal tokens in order: the table's gradient is summed so. */
function rowsByToken(tokens: Int32Array, cells: number, vocabulary: number): Int32Array {
  const order = new Int32Array(tokens.length);
  const next = new Int32Array(vocabulary + 1);
  for (let begin = 0; begin < tokens.length; begin += cells) {
    next.fill(0);
    for (let row = 0; row < cells; row++) next[tokens[begin + row] + 1]++;
    for (let token = 0; token < vocabulary; token++) next[token + 1] += next[token];
    for (let row = 0; row < cells; row++) order[begin + next[tokens[begin + row]]++] = row;
  }
  return order;
}
