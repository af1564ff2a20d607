/**
 * Builds a TensorFlow graph node by node and encodes it as a SavedModel (graph.proto,
 * saved_model.proto). Knows attributes and signatures, and no transformer.
 */
import type { Shape } from "../../program/shapes.ts";
import { booleanField, bytesField, integerField, message } from "../protobuf.ts";

/** Name of a node; its first output is what it stands for. */
export type Node = string;
/** What a tensor's elements are. */
export type ElementType = "float" | "int32";
type Attribute =
  | { readonly type: ElementType }
  | { readonly shape: Shape }
  | { readonly flag: boolean }
  | { readonly integer: number }
  | { readonly text: string }
  | { readonly tensor: Float32Array | Int32Array; readonly shape: Shape };

/** DataType of types.proto. */
const elementTypes: { readonly [T in ElementType]: number } = { float: 1, int32: 3 };
/** A version of GraphDef that every TensorFlow since 2.9 reads. */
const producer = 1000;

/** A function of a graph: named inputs and outputs. */
export interface Signature {
  readonly inputs: Readonly<Record<string, { readonly node: Node; readonly type: ElementType; readonly shape: Shape }>>;
  readonly outputs: Readonly<Record<string, { readonly node: Node; readonly shape: Shape }>>;
}

/** A TensorFlow graph in the making. */
export class TfGraph {
  private readonly nodes: Uint8Array[] = [];
  private readonly constants = new Map<string, Node>();
  private count = 0;

  /** Appends a node; `after` are nodes that must have run before. */
  node(
    op: string,
    inputs: readonly Node[],
    attributes: Readonly<Record<string, Attribute>>,
    { name = `n${this.count++}`, after = [] }: { readonly name?: string; readonly after?: readonly Node[] } = {},
  ): Node {
    this.nodes.push(
      message(
        bytesField(1, name),
        bytesField(2, op),
        ...inputs.map((input) => bytesField(3, input)),
        ...after.map((each) => bytesField(3, `^${each}`)),
        ...Object.entries(attributes).map(([key, value]) =>
          bytesField(5, message(bytesField(1, key), bytesField(2, encodeAttribute(value)))),
        ),
      ),
    );
    return name;
  }

  /** A constant tensor; equal small ones are stored once. */
  constant(values: Float32Array | Int32Array, shape: Shape): Node {
    const type = values instanceof Float32Array ? "float" : "int32";
    const key = values.length > 64 ? undefined : `${type}[${shape.join()}]${values.join()}`;
    const known = key === undefined ? undefined : this.constants.get(key);
    if (known !== undefined) return known;
    const made = this.node("Const", [], { dtype: { type }, value: { tensor: values, shape } });
    if (key !== undefined) this.constants.set(key, made);
    return made;
  }
  integers(values: readonly number[]): Node {
    return this.constant(Int32Array.from(values), [values.length]);
  }

  placeholder(name: string, type: ElementType, shape: Shape): Node {
    return this.node("Placeholder", [], { dtype: { type }, shape: { shape } }, { name });
  }

  /** The graph with its signatures, tagged `serve`. */
  savedModel(signatures: Readonly<Record<string, Signature>>): Uint8Array {
    const entry = (key: string, value: Uint8Array): Uint8Array => message(bytesField(1, key), bytesField(2, value));
    const info = (node: Node, type: ElementType, shape: Shape): Uint8Array =>
      message(bytesField(1, `${node}:0`), integerField(2, elementTypes[type]), bytesField(3, encodeShape(shape)));
    const encodeSignature = ({ inputs, outputs }: Signature): Uint8Array =>
      message(
        ...Object.entries(inputs).map(([key, { node, type, shape }]) => bytesField(1, entry(key, info(node, type, shape)))),
        ...Object.entries(outputs).map(([key, { node, shape }]) => bytesField(2, entry(key, info(node, "float", shape)))),
        bytesField(3, "tensorflow/serving/predict"),
      );
    const graph = message(...this.nodes.map((node) => bytesField(1, node)), bytesField(4, integerField(1, producer)));
    const metaGraph = message(
      bytesField(1, bytesField(4, "serve")),
      bytesField(2, graph),
      ...Object.entries(signatures).map(([key, signature]) => bytesField(5, entry(key, encodeSignature(signature)))),
    );
    return message(integerField(1, 1), bytesField(2, metaGraph));
  }
}

function encodeShape(shape: Shape): Uint8Array {
  return message(...shape.map((size) => bytesField(2, integerField(1, size))));
}

function encodeAttribute(value: Attribute): Uint8Array {
  if ("tensor" in value) {
    const { tensor, shape } = value;
    return bytesField(
      8,
      message(
        integerField(1, elementTypes[tensor instanceof Float32Array ? "float" : "int32"]),
        bytesField(2, encodeShape(shape)),
        bytesField(4, new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength)),
      ),
    );
  }
  if ("shape" in value) return bytesField(7, encodeShape(value.shape));
  if ("type" in value) return integerField(6, elementTypes[value.type]);
  if ("flag" in value) return booleanField(5, value.flag);
  if ("integer" in value) return integerField(3, value.integer);
  return bytesField(2, value.text);
}
