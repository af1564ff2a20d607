/**
 * Lowers a Program to complete ONNX models: K training steps in one Scan whose
 * carried state is (weights, moments), K evaluations in one Scan, and one pass
 * that returns named tensors. Value names here are the engine's feed names.
 */
import { dispatch, type Kind, type Op, type Ref } from "../../program/ops.ts";
import { shapeOf, type Program } from "../../program/program.ts";
import { backwardRules } from "./backward.ts";
import { forwardRules } from "./forward.ts";
import { Graph, type Value } from "./graph.ts";
import { Lowering, type LoweringRule } from "./lowering.ts";
import { stepScalars } from "../../program/schedule.ts";
import { adamw, nextOf } from "./update.ts";

const rules: { readonly [K in Kind]: LoweringRule<K> } = { ...forwardRules, ...backwardRules, adamw };

/** The three arrays that make up one parameter's state. */
export const stateParts = ["weight", "first", "second"] as const;
export type StatePart = (typeof stateParts)[number];

/** Name of a state array inside a step: the weight has the parameter's own name. */
export const inStep = (part: StatePart, parameter: Ref): Value => (part === "weight" ? parameter : `${part}:${parameter}`);
/** Name of a state array among the model's inputs. */
export const fed = (part: StatePart, parameter: Ref): Value => `in:${part}:${parameter}`;
/** Name of a state array among the model's outputs. */
export const returned = (part: StatePart, parameter: Ref): Value => `out:${part}:${parameter}`;

function lowerInto(lowering: Lowering, ops: readonly Op[]): void {
  for (const op of ops) dispatch(rules, op, lowering);
}

const tokenShape = ({ dims }: Program): [number] => [dims.context * dims.batch];

/** Model running K training steps; inputs `tokens`, `targets` [K, T·B] and the step scalars [K], output `losses` [K, N]. */
export function trainingModel(program: Program): Uint8Array {
  const outer = new Graph("call.");
  const step = new Graph("step.");
  for (const scalar of program.scalars) outer.input(scalar, "float", shapeOf(program, scalar));
  const states = program.parameters.flatMap((parameter) =>
    stateParts.map((part) => ({ part, parameter, shape: shapeOf(program, parameter) })),
  );
  for (const { part, parameter, shape } of states) {
    outer.input(fed(part, parameter), "float", shape);
    step.input(inStep(part, parameter), "float", shape);
  }
  for (const name of ["tokens", "targets"]) {
    outer.input(name, "int32", ["K", ...tokenShape(program)]);
    step.input(`step:${name}`, "int32", tokenShape(program));
  }
  for (const name of stepScalars) {
    outer.input(name, "float", ["K"]);
    step.input(`step:${name}`, "float", []);
  }
  const lowering = new Lowering(program, outer, step, { tokens: "step:tokens", targets: "step:targets" });
  lowerInto(lowering, [...program.forward, ...program.backward, ...program.updates]);
  for (const { part, parameter, shape } of states) step.output(nextOf(part, parameter), "float", shape);
  step.output(program.loss, "float", shapeOf(program, program.loss));

  const inputs = [...states.map(({ part, parameter }) => fed(part, parameter)), "tokens", "targets", ...stepScalars];
  const outputs = [...states.map(({ part, parameter }) => returned(part, parameter)), "losses"];
  outer.multi("Scan", inputs, { body: step, num_scan_inputs: 2 + stepScalars.length }, outputs);
  for (const { part, parameter, shape } of states) outer.output(returned(part, parameter), "float", shape);
  outer.output("losses", "float", ["K", program.dims.trials]);
  return outer.model();
}

/** Model computing the losses [K, N] of K batches; the same feeds as training, without moments and step scalars. */
export function evaluationModel(program: Program): Uint8Array {
  const outer = new Graph("call.");
  const step = new Graph("step.");
  for (const ref of [...program.scalars, ...program.parameters]) outer.input(ref, "float", shapeOf(program, ref));
  for (const name of ["tokens", "targets"]) {
    outer.input(name, "int32", ["K", ...tokenShape(program)]);
    step.input(`step:${name}`, "int32", tokenShape(program));
  }
  lowerInto(new Lowering(program, outer, step, { tokens: "step:tokens", targets: "step:targets" }), program.forward);
  step.output(program.loss, "float", shapeOf(program, program.loss));
  outer.multi("Scan", ["tokens", "targets"], { body: step, num_scan_inputs: 2 }, ["losses"]);
  outer.output("losses", "float", ["K", program.dims.trials]);
  return outer.model();
}

/** Model running one forward and backward pass and returning `names`, activations in the program's [N, B, T, ·] order. */
export function inspectionModel(program: Program, names: readonly Ref[]): Uint8Array {
  const graph = new Graph("pass.");
  for (const ref of [...program.scalars, ...program.parameters]) graph.input(ref, "float", shapeOf(program, ref));
  for (const name of ["tokens", "targets"]) graph.input(name, "int32", tokenShape(program));
  const { trials, batch, context } = program.dims;
  lowerInto(new Lowering(program, graph, graph, { tokens: "tokens", targets: "targets" }), [...program.forward, ...program.backward]);
  for (const name of names) {
    const shape = shapeOf(program, name);
    const timeMajor = shape.length === 4 ? graph.transpose(graph.reshape(name, [trials, context, batch, shape[3]]), [0, 2, 1, 3]) : name;
    graph.node("Identity", [timeMajor], {}, returned("weight", name));
    graph.output(returned("weight", name), "float", shape);
  }
  return graph.model();
}
