/**
 * Programs as SavedModels: one whose state lives in TensorFlow variables, with a
 * signature each for loading, reading, a training step and an evaluation; and one
 * pass over weights that are fed, which returns named tensors.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ref } from "../../program/ops.ts";
import { partsOf, shapeOf, statePartsOf, type Program } from "../../program/program.ts";
import { stepScalars } from "../../program/schedule.ts";
import type { Shape } from "../../program/shapes.ts";
import { expand } from "../small-ops/expand.ts";
import { Expansion } from "../small-ops/expansion.ts";
import { GraphAlgebra } from "./graph-algebra.ts";
import type { NodeBinding, SavedModel } from "./load.ts";
import { TfGraph, type ElementType, type Node, type Signature } from "./tf-graph.ts";

/** Name of a stored array in signatures: a scalar's own, or that of a parameter's part. */
export const storedName = (ref: Ref, part?: string): string => (part === undefined ? ref : `${part}/${ref}`);

type Inputs = Signature["inputs"];
interface Fed {
  readonly nodes: Readonly<Record<string, Node>>;
  readonly inputs: Inputs;
}

/** Placeholders with their places in a signature. */
function placeholders(graph: TfGraph, prefix: string, wanted: readonly (readonly [string, ElementType, Shape])[]): Fed {
  const made = wanted.map(
    ([name, type, shape], index) => [name, { node: graph.placeholder(`${prefix}${index}`, type, shape), type, shape }] as const,
  );
  return { nodes: Object.fromEntries(made.map(([name, { node }]) => [name, node])), inputs: Object.fromEntries(made) };
}
const idsOf = ({ dims }: Program): readonly (readonly [string, ElementType, Shape])[] =>
  (["tokens", "targets"] as const).map((name) => [name, "int32", [dims.batch * dims.context]]);
const result = (graph: TfGraph, node: Node, after: readonly Node[] = []): Node =>
  graph.node("Identity", [node], { T: { type: "float" } }, { after });

/** The model with its state in variables. */
export function trainingModel(program: Program): Uint8Array {
  const graph = new TfGraph();
  const stored = [
    ...program.scalars.map((ref) => ({ name: storedName(ref), shape: shapeOf(program, ref) })),
    ...program.parameters.flatMap((ref) =>
      statePartsOf(program, ref).map((part) => ({ name: storedName(ref, part), shape: shapeOf(program, ref) })),
    ),
  ];
  const variables = new Map(
    stored.map(({ name, shape }, index) => {
      const handle = graph.node("VarHandleOp", [], {
        dtype: { type: "float" },
        shape: { shape },
        shared_name: { text: `v${index}` },
        container: { text: "" },
      });
      return [name, { shape, handle, value: graph.node("ReadVariableOp", [handle], { dtype: { type: "float" } }) }] as const;
    }),
  );
  const variable = (ref: Ref, part?: string): { readonly handle: Node; readonly value: Node } =>
    variables.get(storedName(ref, part)) as { readonly handle: Node; readonly value: Node };
  const assign = (handle: Node, value: Node): Node => graph.node("AssignVariableOp", [handle, value], { dtype: { type: "float" } });

  const loaded = placeholders(
    graph,
    "load",
    stored.map(({ name, shape }) => [name, "float", shape]),
  );
  const loads = [...variables].map(([name, { handle }]) => assign(handle, loaded.nodes[name]));
  const ids = placeholders(graph, "ids", idsOf(program));
  const steps = placeholders(
    graph,
    "step",
    stepScalars.map((name) => [name, "float", []]),
  );

  const tensors = new Map([
    ...program.scalars.map((ref) => [ref, variable(ref).value] as const),
    ...program.parameters.map((ref) => [ref, variable(ref, "weight").value] as const),
  ]);
  const algebra = new GraphAlgebra(graph, program.dims, { tokens: ids.nodes["tokens"], targets: ids.nodes["targets"] });
  const expansion = new Expansion(program, algebra, {
    tensors,
    state: new Map(program.parameters.map((ref) => [ref, partsOf(program, ref, (part) => variable(ref, part).value)])),
    step: steps.nodes,
  });
  expand(expansion, program.forward);
  const loss = expansion.value(program.loss);
  const evaluated = result(graph, loss);
  expand(expansion, [...program.backward, ...(program.clip ? [program.clip] : []), ...program.updates]);
  const updates = [...expansion.next].flatMap(([ref, next]) =>
    Object.entries(next).map(([part, value]) => assign(variable(ref, part).handle, value)),
  );
  const trained = result(graph, loss, updates);

  const lossShape = [program.dims.trials];
  const read = [...variables].map(([name, { value, shape }]) => [name, { node: result(graph, value), shape }] as const);
  return graph.savedModel({
    load: { inputs: loaded.inputs, outputs: { done: { node: result(graph, algebra.scalar(1), loads), shape: [] } } },
    read: { inputs: {}, outputs: Object.fromEntries(read) },
    train: { inputs: { ...ids.inputs, ...steps.inputs }, outputs: { loss: { node: trained, shape: lossShape } } },
    evaluate: { inputs: ids.inputs, outputs: { loss: { node: evaluated, shape: lossShape } } },
  });
}

/** The model that returns `names`, in the program's own shapes. */
export function inspectionModel(program: Program, names: readonly Ref[]): Uint8Array {
  const graph = new TfGraph();
  const fed = [...program.scalars, ...program.parameters];
  const weights = placeholders(
    graph,
    "weight",
    fed.map((ref) => [ref, "float", shapeOf(program, ref)]),
  );
  const ids = placeholders(graph, "ids", idsOf(program));
  const algebra = new GraphAlgebra(graph, program.dims, { tokens: ids.nodes["tokens"], targets: ids.nodes["targets"] });
  const expansion = new Expansion(program, algebra, { tensors: new Map(Object.entries(weights.nodes)) });
  expand(expansion, [...program.forward, ...program.backward]);
  const outputs = names.map((name) => {
    const shape = shapeOf(program, name);
    const value = expansion.value(name);
    return [name, { node: result(graph, shape.length === 4 ? algebra.inProgramOrder(value, shape) : value), shape }] as const;
  });
  return graph.savedModel({ inspect: { inputs: { ...weights.inputs, ...ids.inputs }, outputs: Object.fromEntries(outputs) } });
}

/** Loads the signatures of a model into one session. */
export async function openSavedModel<S extends string>(
  node: NodeBinding,
  model: Uint8Array,
  signatures: readonly S[],
): Promise<Readonly<Record<S, SavedModel>>> {
  const folder = mkdtempSync(join(tmpdir(), "mutransfer-graph-"));
  try {
    writeFileSync(join(folder, "saved_model.pb"), model);
    const opened = {} as Record<S, SavedModel>;
    for (const signature of signatures) opened[signature] = await node.loadSavedModel(folder, ["serve"], signature);
    return opened;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
