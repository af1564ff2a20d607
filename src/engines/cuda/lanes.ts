/** The states of all lanes in the device's memory, one after the other, and the copies between it and the engine contract's arrays. */
import type { Program } from "../../program/program.ts";
import type { ParameterState, State } from "../engine.ts";
import { emptyParameters, Lane, type Piece } from "../lowered/lane.ts";
import { gatherRows, scatterRows } from "../lowered/memory.ts";
import type { Driver, Pointer } from "./driver.ts";
import { layout } from "./fields.ts";
import type { Limits } from "./target.ts";

/** Pieces that lie one after the other and are copied together. */
interface Span {
  readonly begin: number;
  readonly pieces: Piece[];
  end: number;
}
function spansOf(pieces: Iterable<Piece>, spanFloats: number): readonly Span[] {
  const spans: Span[] = [];
  for (const piece of pieces) {
    const [last, end] = [spans.at(-1), piece.begin + piece.floats];
    if (last === undefined || end - last.begin > spanFloats) spans.push({ begin: piece.begin, pieces: [piece], end });
    else {
      last.pieces.push(piece);
      last.end = end;
    }
  }
  return spans;
}

export class DeviceLanes {
  readonly lane: Lane;
  readonly address: Pointer;
  private readonly driver: Driver;
  private readonly program: Program;
  private readonly spanFloats: number;

  constructor(driver: Driver, program: Program, { spanFloats }: Pick<Limits, "spanFloats">) {
    this.driver = driver;
    this.program = program;
    this.spanFloats = spanFloats;
    this.lane = new Lane(program, layout);
    this.address = driver.allocate(4 * program.dims.trials * this.lane.floats);
  }

  load(state: State): void {
    for (let index = 0; index < this.program.dims.trials; index++)
      for (const { begin, end, pieces } of spansOf(this.lane.contents(state, index), this.spanFloats)) {
        const stored = new Float32Array(end - begin).fill(NaN); // padding, which must not matter
        for (const piece of pieces) scatterRows(layout, piece.dense, piece.matrix, stored.subarray(piece.begin - begin));
        this.driver.upload(this.placeOf(index, begin), stored);
      }
  }

  read(): ReadonlyMap<string, ParameterState> {
    const parameters = emptyParameters(this.program);
    for (let index = 0; index < this.program.dims.trials; index++)
      for (const { begin, end, pieces } of spansOf(this.lane.parametersIn(parameters, index), this.spanFloats)) {
        const stored = new Float32Array(end - begin);
        this.driver.download(stored, this.placeOf(index, begin));
        for (const piece of pieces) gatherRows(layout, stored.subarray(piece.begin - begin), piece.matrix, piece.dense);
      }
    return parameters;
  }

  dispose(): void {
    this.driver.free(this.address);
  }

  private placeOf(lane: number, begin: number): Pointer {
    return this.address + BigInt(4 * (lane * this.lane.floats + begin));
  }
}
