/**
 * Builds an ONNX graph node by node, naming tensors as it goes, and encodes it as
 * a model (onnx.proto3, opset 17 and com.microsoft 1). Subgraphs see the tensors
 * of the graph around them. Knows no transformer.
 */
import type { Shape } from "../../program/shapes.ts";
import { bytesField, floatField, integerField, message } from "../protobuf.ts";

/** Name of a value of the graph. */
export type Value = string;
/** What a tensor's elements are. */
export type ElementType = "float" | "int32" | "int64";
type Attribute = number | { readonly float: number } | string | readonly number[] | Graph;
/** Attributes of a node by name. */
export type Attributes = Readonly<Record<string, Attribute>>;
/** A dimension is a size, or a name for one that is known at run time. */
type Dimension = number | string;

const elementTypes: { readonly [T in ElementType]: number } = { float: 1, int32: 6, int64: 7 };
const microsoftOps: ReadonlySet<string> = new Set(["FusedMatMul"]);

/** An ONNX graph in the making. */
export class Graph {
  private readonly nodes: Uint8Array[] = [];
  private readonly initializers: Uint8Array[] = [];
  private readonly inputs: Uint8Array[] = [];
  private readonly outputs: Uint8Array[] = [];
  private readonly constants = new Map<string, Value>();
  private readonly prefix: string;
  private count = 0;

  /** `prefix` keeps the names of nested graphs apart. */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  input(name: Value, type: ElementType, shape: readonly Dimension[]): Value {
    this.inputs.push(bytesField(11, valueInfo(name, type, shape)));
    return name;
  }

  output(name: Value, type: ElementType, shape: readonly Dimension[]): void {
    this.outputs.push(bytesField(12, valueInfo(name, type, shape)));
  }

  /** Appends a node with several outputs; `names` fixes theirs. */
  multi(op: string, inputs: readonly Value[], attributes: Attributes, names: readonly Value[]): void {
    this.nodes.push(
      bytesField(
        1,
        message(
          ...inputs.map((input) => bytesField(1, input)),
          ...names.map((output) => bytesField(2, output)),
          bytesField(3, `${op}.${names[0] ?? ""}`),
          bytesField(4, op),
          ...Object.entries(attributes).map(([name, value]) => bytesField(5, encodeAttribute(name, value))),
          bytesField(7, microsoftOps.has(op) ? "com.microsoft" : ""),
        ),
      ),
    );
  }

  /** Appends a node and returns its only output. */
  node(op: string, inputs: readonly Value[], attributes: Attributes = {}, name = this.fresh()): Value {
    this.multi(op, inputs, attributes, [name]);
    return name;
  }

  fresh(): Value {
    return `${this.prefix}${this.count++}`;
  }

  /** A constant tensor; equal constants are stored once. */
  constant(type: ElementType, shape: Shape, values: readonly number[] | Float32Array): Value {
    const key = `${type}[${shape.join()}]${values.join()}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const name = `${this.prefix}constant${this.constants.size}`;
    const data =
      type === "float"
        ? Float32Array.from(values)
        : type === "int32"
          ? Int32Array.from(values)
          : BigInt64Array.from(Array.from(values, BigInt));
    this.initializers.push(
      bytesField(
        5,
        message(
          ...shape.map((size) => integerField(1, size)),
          integerField(2, elementTypes[type]),
          bytesField(8, name),
          bytesField(9, new Uint8Array(data.buffer)),
        ),
      ),
    );
    this.constants.set(key, name);
    return name;
  }

  scalar(value: number): Value {
    return this.constant("float", [], [value]);
  }

  reshape(x: Value, shape: Shape): Value {
    return this.node("Reshape", [x, this.constant("int64", [shape.length], shape)]);
  }

  private encode(): Uint8Array {
    return message(...this.nodes, bytesField(2, this.prefix), ...this.initializers, ...this.inputs, ...this.outputs);
  }

  /** The graph as a nested message, for control-flow attributes. */
  static encode(graph: Graph): Uint8Array {
    return graph.encode();
  }

  /** The graph as a complete model. */
  model(): Uint8Array {
    const opset = (domain: string, version: number): Uint8Array => bytesField(8, message(bytesField(1, domain), integerField(2, version)));
    return message(integerField(1, 8), bytesField(2, "mutransfer"), bytesField(7, this.encode()), opset("", 17), opset("com.microsoft", 1));
  }
}

function valueInfo(name: Value, type: ElementType, shape: readonly Dimension[]): Uint8Array {
  const dimensions = shape.map((size) => bytesField(1, typeof size === "number" ? integerField(1, size) : bytesField(2, size)));
  const tensor = message(integerField(1, elementTypes[type]), bytesField(2, message(...dimensions)));
  return message(bytesField(1, name), bytesField(2, bytesField(1, tensor)));
}

function encodeAttribute(name: string, value: Attribute): Uint8Array {
  const [field, type] =
    value instanceof Graph
      ? [bytesField(6, Graph.encode(value)), 5]
      : typeof value === "number"
        ? [integerField(3, value), 2]
        : typeof value === "string"
          ? [bytesField(4, value), 3]
          : "float" in value
            ? [floatField(2, value.float), 1]
            : [message(...value.map((each) => integerField(8, each))), 7];
  return message(bytesField(1, name), field, integerField(20, type));
}
