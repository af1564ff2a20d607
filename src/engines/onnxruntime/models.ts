/**
 * Programs as complete ONNX models: K training steps or evaluations in one Scan whose
 * carried state is (weights, moments), for the CPU provider; one step or evaluation for
 * WebGPU's, which has no Scan; and one pass that returns named tensors. Value names here are feed names.
 */
import type { Ref } from "../../program/ops.ts";
import { partsOf, shapeOf, statePartsOf, stepOps, type Program } from "../../program/program.ts";
import { stepScalars } from "../../program/schedule.ts";
import { expand } from "../small-ops/expand.ts";
import { Expansion } from "../small-ops/expansion.ts";
import { OnnxAlgebra, type StepGraph } from "./algebra.ts";
import { CpuAlgebra } from "./cpu-algebra.ts";
import { Graph, type Value } from "./graph.ts";

type AlgebraClass = new (dims: Program["dims"], graph: StepGraph) => OnnxAlgebra;

/** Losses that a model of one step keeps: as many as may be read at once. */
export const historyLength = 64;

/** Name of a state array among a model's inputs; a weight has the parameter's own name. */
export const fed = (part: string, parameter: Ref): Value => (part === "weight" ? parameter : `${part}:${parameter}`);
/** Name of a state array, or of a tensor that is looked at, among a model's outputs. */
export const returned = (name: Value): Value => `next:${name}`;

interface StateArray {
  readonly part: string;
  readonly parameter: Ref;
}
/** Every array of a program's state: a weight for each parameter, and what its update keeps. */
const stateArrays = (program: Program): readonly StateArray[] =>
  program.parameters.flatMap((parameter) => statePartsOf(program, parameter).map((part) => ({ part, parameter })));

const tokenNames = ["tokens", "targets"] as const;
const rowsOf = ({ dims }: Program): number => dims.context * dims.batch;

/** The names of what a step starts from, `prefix` before those that differ from step to step. */
function namedInputs(program: Program, prefix: string): ConstructorParameters<typeof Expansion<Value>>[2] {
  return {
    tensors: new Map([...program.scalars, ...program.parameters].map((ref) => [ref, ref])),
    state: new Map(program.parameters.map((parameter) => [parameter, partsOf(program, parameter, (part) => fed(part, parameter))])),
    step: Object.fromEntries(stepScalars.map((name) => [name, prefix + name])) as Record<(typeof stepScalars)[number], Value>,
  };
}
function expansionOf(program: Program, algebra: AlgebraClass, outer: Graph, step: Graph, prefix = ""): Expansion<Value> {
  const graph = { outer, step, tokens: `${prefix}tokens`, targets: `${prefix}targets` };
  return new Expansion(program, new algebra(program.dims, graph), namedInputs(program, prefix));
}

const weightInputs = (program: Program, graph: Graph, refs: readonly Ref[]): void => {
  for (const ref of refs) graph.input(ref, "float", shapeOf(program, ref));
};

/** K training steps; inputs `tokens`, `targets` [K, R] and the step scalars [K], output `losses` [K, N] and the state. */
export function scannedTraining(program: Program): Uint8Array {
  const [outer, step] = [new Graph("call."), new Graph("step.")];
  const states = stateArrays(program);
  weightInputs(program, outer, program.scalars);
  for (const { part, parameter } of states) {
    outer.input(`in:${fed(part, parameter)}`, "float", shapeOf(program, parameter));
    step.input(fed(part, parameter), "float", shapeOf(program, parameter));
  }
  for (const name of tokenNames) {
    outer.input(name, "int32", ["K", rowsOf(program)]);
    step.input(`step:${name}`, "int32", [rowsOf(program)]);
  }
  for (const name of stepScalars) {
    outer.input(name, "float", ["K"]);
    step.input(`step:${name}`, "float", []);
  }
  const expansion = expansionOf(program, CpuAlgebra, outer, step, "step:");
  expand(expansion, stepOps(program));
  for (const { part, parameter } of states) step.output(nextOf(expansion, part, parameter), "float", shapeOf(program, parameter));
  step.output(expansion.value(program.loss), "float", shapeOf(program, program.loss));

  const inputs = [...states.map(({ part, parameter }) => `in:${fed(part, parameter)}`), ...tokenNames, ...stepScalars];
  const outputs = [...states.map(({ part, parameter }) => returned(fed(part, parameter))), "losses"];
  outer.multi("Scan", inputs, { body: step, num_scan_inputs: tokenNames.length + stepScalars.length }, outputs);
  for (const { part, parameter } of states) outer.output(returned(fed(part, parameter)), "float", shapeOf(program, parameter));
  outer.output("losses", "float", ["K", program.dims.trials]);
  return outer.model();
}

/** The losses [K, N] of K batches. */
export function scannedEvaluation(program: Program): Uint8Array {
  const [outer, step] = [new Graph("call."), new Graph("step.")];
  weightInputs(program, outer, [...program.scalars, ...program.parameters]);
  for (const name of tokenNames) {
    outer.input(name, "int32", ["K", rowsOf(program)]);
    step.input(`step:${name}`, "int32", [rowsOf(program)]);
  }
  const expansion = expansionOf(program, CpuAlgebra, outer, step, "step:");
  expand(expansion, program.forward);
  step.output(expansion.value(program.loss), "float", shapeOf(program, program.loss));
  outer.multi("Scan", [...tokenNames], { body: step, num_scan_inputs: tokenNames.length }, ["losses"]);
  outer.output("losses", "float", ["K", program.dims.trials]);
  return outer.model();
}

/** One training step, or one evaluation: as scanned, but with a `history` [64, N] that gets the new loss as its last row. */
export function singleStep(program: Program, purpose: "train" | "evaluate"): Uint8Array {
  const graph = new Graph("step.");
  const train = purpose === "train";
  const history = [historyLength, program.dims.trials];
  weightInputs(program, graph, [...program.scalars, ...program.parameters]);
  for (const name of tokenNames) graph.input(name, "int32", [rowsOf(program)]);
  graph.input("history", "float", history);
  const expansion = expansionOf(program, OnnxAlgebra, graph, graph);
  expand(expansion, train ? stepOps(program) : program.forward);
  if (train) {
    for (const name of stepScalars) graph.input(name, "float", []);
    for (const { part, parameter } of stateArrays(program)) {
      const shape = shapeOf(program, parameter);
      if (part !== "weight") graph.input(fed(part, parameter), "float", shape);
      graph.node("Identity", [nextOf(expansion, part, parameter)], {}, returned(fed(part, parameter)));
      graph.output(returned(fed(part, parameter)), "float", shape);
    }
  }
  const bounds = [1, historyLength, 0].map((at) => graph.constant("int64", [1], [at]));
  const loss = graph.reshape(expansion.value(program.loss), [1, program.dims.trials]);
  graph.node("Concat", [graph.node("Slice", ["history", ...bounds]), loss], { axis: 0 }, returned("history"));
  graph.output(returned("history"), "float", history);
  return graph.model();
}

/** One forward and backward pass that returns `names`, in the program's own shapes. */
export function inspection(program: Program, algebra: AlgebraClass, names: readonly Ref[]): Uint8Array {
  const graph = new Graph("pass.");
  weightInputs(program, graph, [...program.scalars, ...program.parameters]);
  for (const name of tokenNames) graph.input(name, "int32", [rowsOf(program)]);
  const expansion = expansionOf(program, algebra, graph, graph);
  expand(expansion, [...program.forward, ...program.backward]);
  for (const name of names) {
    const shape = shapeOf(program, name);
    const value = expansion.value(name);
    graph.node("Identity", [shape.length === 4 ? expansion.algebra.inProgramOrder(value, shape) : value], {}, returned(name));
    graph.output(returned(name), "float", shape);
  }
  return graph.model();
}

/** Returns what it is given, x as y: the way between the host and GPU memory. */
export function onDevice(shape: readonly number[]): Uint8Array {
  const graph = new Graph("copy.");
  graph.input("x", "float", shape);
  graph.node("Identity", ["x"], {}, "y");
  graph.output("y", "float", shape);
  return graph.model();
}

function nextOf({ next }: Expansion<Value>, part: string, parameter: Ref): Value {
  const parts = next.get(parameter);
  if (parts === undefined) throw new Error(`nextOf: ${parameter} is not updated`);
  return parts[part];
}
