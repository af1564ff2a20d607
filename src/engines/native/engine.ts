/**
 * The native engine: programs lowered to instructions that the C kernels run, with
 * all memory allocated here, once. Trials run one after the other on each team of
 * threads; a call leaves the main thread free.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import { shapeOf, sizeOf, type Program } from "../../program/program.ts";
import { stepScalarValues, type StepScalars } from "../../program/schedule.ts";
import {
  cpuDevice,
  type Batches,
  type CompileOptions,
  type Engine,
  type Executable,
  type Footprint,
  type Host,
  type State,
  type TrainChunk,
} from "../engine.ts";
import { checkBatches, vocabularyOf } from "../lowered/ids.ts";
import { instructionFields, temporaryOperands } from "../lowered/instructions.ts";
import { copyOfScalars, emptyParameters, LaneMemory } from "../lowered/lane-memory.ts";
import { lower, type Lowered } from "../lowered/lower.ts";
import type { Purpose } from "../lowered/lowering.ts";
import { gatherRows, matrixOf, placeBuffers, scatterRows, type PlacedBuffers } from "../lowered/memory.ts";
import { encodeInstructions } from "./header.ts";
import { openKernels, type Kernels } from "./kernels.ts";
import type { AlignedFloats, Library } from "./library.ts";
import { sourcesDigest } from "./sources.ts";
import { layout, nativeTarget } from "./target.ts";

/** The engine over the kernels that can be had here; throws EngineUnavailable when there are none. */
export const openNative = async (host: Host): Promise<Engine> => nativeEngine(await openKernels(host));

/** The engine over these kernels. */
export async function nativeEngine({ library, isPrebuilt, remark }: Kernels): Promise<Engine> {
  const { build, hasMixed } = await library();
  return {
    name: "native",
    version: `native ${sourcesDigest()}, ${build}${isPrebuilt ? ", prebuilt" : ""}`,
    device: { ...cpuDevice(), ...(hasMixed && { mixedProducts: "bfloat16" }), ...(remark !== undefined && { remark }) },
    compile: async (program, options) => new NativeExecutable(await library(), program, options),
  };
}

/** Memory of training and evaluating: every lane's state, and for each team of threads a workspace of either kind. */
export function footprintOf(program: Program, threads: number): Footprint {
  const laneMemory = new LaneMemory(program, layout);
  const [training, evaluating] = (["train", "evaluate"] as const).map(
    (purpose) => 4 * placeTemporaries(lower(program, nativeTarget, laneMemory, purpose), []).lines * layout.lineFloats,
  );
  const teams = Math.min(threads, program.dims.trials);
  return { bytes: 4 * program.dims.trials * laneMemory.floats + teams * (training + evaluating), largestTensorBytes: training };
}

/** Finds a place in the workspace for each intermediate value; those of `names` stay to the end. */
function placeTemporaries({ instructions, buffers }: Lowered, names: readonly Ref[]): PlacedBuffers {
  const kept = new Set(names.flatMap((name) => buffers.get(name)?.buffer ?? []));
  return placeBuffers(
    instructions.map((each) => temporaryOperands(instructionFields, each)),
    kept,
  );
}

/** A lowered step with its memory. */
interface Compiled {
  readonly lowered: Lowered;
  readonly firstLines: PlacedBuffers["firstLines"];
  readonly code: Int32Array;
  readonly workspace: AlignedFloats;
  readonly workspaceFloats: number;
}

class NativeExecutable implements Executable {
  private readonly library: Library;
  private readonly program: Program;
  private readonly threads: number;
  private readonly mixed: boolean;
  /** Kernels write through token ids, so every id is checked first. */
  private readonly vocabulary: number;
  private busy = false;
  private readonly laneMemory: LaneMemory;
  private readonly state: AlignedFloats;
  private readonly scratchFloats: number;
  private readonly scratch: AlignedFloats;
  private readonly compiled = new Map<string, Compiled>();
  private scalars: ReadonlyMap<Ref, Float32Array> = new Map();
  private step = 0;

  constructor(library: Library, program: Program, { threads, precision }: CompileOptions) {
    invariant(threads >= 1, "compile", `${threads} threads`);
    this.library = library;
    this.program = program;
    this.threads = threads;
    this.vocabulary = vocabularyOf(program);
    this.mixed = precision === "mixed";
    this.laneMemory = new LaneMemory(program, layout);
    this.state = library.allocate(program.dims.trials * this.laneMemory.floats);
    this.scratchFloats = Math.max(
      ...program.forward.map((op) =>
        op.kind === "attention" ? library.scratchFloats(program.dims.context, op.headDim) : library.scratchFloats(1, 1),
      ),
    );
    this.scratch = library.allocate(threads * this.scratchFloats);
  }

  load(state: State): void {
    for (let index = 0; index < this.program.dims.trials; index++)
      for (const { begin, floats, matrix, dense } of this.laneMemory.contents(state, index))
        scatterRows(layout, dense, matrix, this.memoryOf(index).subarray(begin, begin + floats));
    this.scalars = copyOfScalars(state.scalars);
    this.step = state.step;
  }

  read(of?: readonly Ref[]): Promise<State> {
    const parameters = emptyParameters(this.program, of);
    for (let index = 0; index < this.program.dims.trials; index++)
      for (const { begin, floats, matrix, dense } of this.laneMemory.parametersIn(parameters, index))
        gatherRows(layout, this.memoryOf(index).subarray(begin, begin + floats), matrix, dense);
    return Promise.resolve({ step: this.step, scalars: copyOfScalars(this.scalars), parameters });
  }

  async train(chunk: TrainChunk): Promise<Float32Array> {
    const scalars = stepScalarValues(this.program, this.step, chunk.factors);
    const losses = await this.call(this.compile("train"), chunk, scalars);
    this.step += chunk.count;
    return losses;
  }

  evaluate(batches: Batches): Promise<Float32Array> {
    return this.call(this.compile("evaluate"), batches);
  }

  async inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>> {
    invariant(batch.count === 1, "inspect", `${batch.count} batches, expected 1`);
    const compiled = this.compile("inspect", names);
    const { trials } = this.program.dims;
    const results = new Map(names.map((name) => [name, new Float32Array(sizeOf(shapeOf(this.program, name)))]));
    // Lane after lane, because the next lane writes over the workspace.
    for (let index = 0; index < trials; index++) {
      const [loss] = await this.call(compiled, batch, undefined, index);
      for (const [name, values] of results) {
        const size = values.length / trials;
        const into = values.subarray(index * size, (index + 1) * size);
        if (name === this.program.loss) into[0] = loss;
        else this.copyOut(compiled, name, into);
      }
    }
    return results;
  }

  dispose(): Promise<void> {
    this.compiled.clear();
    return Promise.resolve();
  }

  private memoryOf(lane: number): Float32Array {
    return this.state.values.subarray(lane * this.laneMemory.floats, (lane + 1) * this.laneMemory.floats);
  }

  private copyOut({ lowered, firstLines, workspace }: Compiled, name: Ref, into: Float32Array): void {
    const operand = lowered.buffers.get(name);
    invariant(operand, "inspect", `the program does not compute ${name}`);
    const [, ...shape] = shapeOf(this.program, name);
    const begin = ((firstLines.get(operand.buffer) as number) + operand.line) * layout.lineFloats;
    gatherRows(layout, workspace.values.subarray(begin), matrixOf(shape), into);
  }

  private compile(purpose: Purpose, names: readonly Ref[] = []): Compiled {
    const key = `${purpose} ${names.join()}`;
    const known = this.compiled.get(key);
    if (known) return known;
    const lowered = lower(this.program, nativeTarget, this.laneMemory, purpose, names);
    const { firstLines, lines } = placeTemporaries(lowered, names);
    const laneLines = this.laneMemory.floats / layout.lineFloats;
    const code = encodeInstructions(lowered.instructions, ({ buffer, line }) =>
      buffer.laneLine === undefined ? laneLines + (firstLines.get(buffer) as number) + line : buffer.laneLine + line,
    );
    const teams = Math.min(this.threads, this.program.dims.trials);
    const workspaceFloats = lines * layout.lineFloats;
    const workspace = this.library.allocate(teams * workspaceFloats);
    const compiled = { lowered, firstLines, code, workspace, workspaceFloats };
    this.compiled.set(key, compiled);
    return compiled;
  }

  /** Runs the batches' steps on all lanes, or on one. */
  private async call(
    { code, workspace, workspaceFloats }: Compiled,
    { count, tokens, targets }: Batches,
    scalars: StepScalars = { factor: new Float32Array(count), stepSize: new Float32Array(count), epsilonScale: new Float32Array(count) },
    only?: number,
  ): Promise<Float32Array> {
    const { trials, batch, context } = this.program.dims;
    const lanes = only === undefined ? trials : 1;
    const losses = new Float32Array(count * lanes);
    const alive = [code, tokens, targets, scalars, losses, workspace];
    const address = (values: ArrayBufferView): bigint => this.library.addressOf(values);
    invariant(!this.busy, "call", "a call is still running on this executable");
    checkBatches(this.program, this.vocabulary, { count, tokens, targets });
    this.busy = true;
    const running = this.library.run({
      code: address(code),
      words: BigInt(code.length),
      lanes: BigInt(lanes),
      laneFloats: BigInt(this.laneMemory.floats),
      workspaceFloats: BigInt(workspaceFloats),
      scratchFloats: BigInt(this.scratchFloats),
      steps: BigInt(count),
      tokensPerStep: BigInt(batch * context),
      threads: BigInt(this.threads),
      mixed: BigInt(this.mixed),
      state: this.state.address + BigInt(4 * this.laneMemory.floats * (only ?? 0)),
      workspaces: workspace.address,
      scratch: this.scratch.address,
      tokens: address(tokens),
      targets: address(targets),
      factors: address(scalars.factor),
      stepSizes: address(scalars.stepSize),
      epsilonScales: address(scalars.epsilonScale),
      losses: address(losses),
    });
    // The closure keeps what the kernels point to alive until they are done.
    await running.finally(() => {
      void alive;
      this.busy = false;
    });
    return losses;
  }
}
