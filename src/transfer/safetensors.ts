/**
 * The safetensors file format, writing side: a length-prefixed JSON header and the
 * tensors' bytes, in order and without holes.
 */
import { invariant } from "../errors.ts";
import type { Shape } from "../program/shapes.ts";

export interface NamedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** The format's own limit on the header. */
const maxHeaderBytes = 100_000_000;

/** The file's pieces, in order; tensors are float32, row-major, little-endian. */
export function* encodeSafetensors(tensors: readonly NamedTensor[], metadata: Readonly<Record<string, string>>): Generator<Uint8Array> {
  let offset = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    invariant(data.length === size, "encodeSafetensors", `${name} has ${data.length} values for shape [${shape.join(",")}]`);
    const start = offset;
    offset += data.byteLength;
    return [name, { dtype: "F32", shape, data_offsets: [start, offset] }] as const;
  });
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const padded = Buffer.from(json.padEnd(json.length + ((8 - (Buffer.byteLength(json) % 8)) % 8), " "));
  invariant(padded.length <= maxHeaderBytes, "encodeSafetensors", `the header has ${padded.length} bytes`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  yield length;
  yield padded;
  for (const { data } of tensors) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
