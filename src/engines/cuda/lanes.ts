/** The states of all lanes in the device's memory, one after the other, and the copies between it and the engine contract's arrays. */
import type { Ref } from "../../program/ops.ts";
import type { Program } from "../../program/program.ts";
import type { ParameterState, State } from "../engine.ts";
import { emptyParameters, LaneMemory, type StoredMatrix } from "../lowered/lane-memory.ts";
import { gatherRows, scatterRows } from "../lowered/memory.ts";
import type { Driver, Pointer } from "./driver.ts";
import { layout } from "./fields.ts";
import type { CudaLimits } from "./target.ts";

/** Matrices that lie one after the other and are copied together. */
interface Span {
  readonly begin: number;
  readonly matrices: StoredMatrix[];
  end: number;
}
function spansOf(matrices: Iterable<StoredMatrix>, spanFloats: number): readonly Span[] {
  const spans: Span[] = [];
  // States name their parameters in any order.
  for (const each of [...matrices].sort((a, b) => a.begin - b.begin)) {
    const [last, end] = [spans.at(-1), each.begin + each.floats];
    if (last === undefined || end - last.begin > spanFloats) spans.push({ begin: each.begin, matrices: [each], end });
    else {
      last.matrices.push(each);
      last.end = end;
    }
  }
  return spans;
}

/** The device memory that holds the states of all lanes of a stack. */
export class DeviceLanes {
  readonly laneMemory: LaneMemory;
  readonly address: Pointer;
  private readonly driver: Driver;
  private readonly program: Program;
  private readonly spanFloats: number;

  constructor(driver: Driver, program: Program, { spanFloats }: Pick<CudaLimits, "spanFloats">) {
    this.driver = driver;
    this.program = program;
    this.spanFloats = spanFloats;
    this.laneMemory = new LaneMemory(program, layout);
    this.address = driver.allocate(4 * program.dims.trials * this.laneMemory.floats);
  }

  load(state: State): void {
    for (let index = 0; index < this.program.dims.trials; index++)
      for (const { begin, end, matrices } of spansOf(this.laneMemory.contents(state, index), this.spanFloats)) {
        const stored = new Float32Array(end - begin).fill(NaN); // padding, which must not matter
        for (const { dense, matrix, begin: at } of matrices) scatterRows(layout, dense, matrix, stored.subarray(at - begin));
        this.driver.upload(this.addressOf(index, begin), stored);
      }
  }

  read(of?: readonly Ref[]): ReadonlyMap<Ref, ParameterState> {
    const parameters = emptyParameters(this.program, of);
    for (let index = 0; index < this.program.dims.trials; index++)
      for (const { begin, end, matrices } of spansOf(this.laneMemory.parametersIn(parameters, index), this.spanFloats)) {
        const stored = new Float32Array(end - begin);
        this.driver.download(stored, this.addressOf(index, begin));
        for (const { dense, matrix, begin: at } of matrices) gatherRows(layout, stored.subarray(at - begin), matrix, dense);
      }
    return parameters;
  }

  dispose(): void {
    this.driver.free(this.address);
  }

  private addressOf(lane: number, begin: number): Pointer {
    return this.address + BigInt(4 * (lane * this.laneMemory.floats + begin));
  }
}
