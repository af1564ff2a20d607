/**
 * The safetensors file format: a length-prefixed JSON header and the tensors' bytes,
 * in order and without holes; float32 only. Reading checks everything and runs nothing.
 */
import { createHash } from "node:crypto";
import { invariant } from "../errors.ts";

/** A float32 tensor with its name. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

type Metadata = Readonly<Record<string, string>>;

/** The format's own limit on the header. */
export const maxHeaderBytes = 100_000_000;
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);

/** The file's pieces, in order; tensors are float32, row-major, little-endian. */
export function* encodeSafetensors(tensors: readonly NamedTensor[], metadata: Metadata): Generator<Uint8Array> {
  let offset = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    invariant(data.length === sizeOf(shape), "encodeSafetensors", `${name} has ${data.length} values for shape [${shape.join(",")}]`);
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

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Metadata;
}

/** The content of a file, or what is wrong with it. */
export function decodeSafetensors(bytes: Buffer): Safetensors | string {
  const header = readHeader(bytes);
  if (typeof header === "string") return header;
  const { entries, dataStart, metadata } = header;
  let expected = 0;
  const tensors: NamedTensor[] = [];
  for (const [name, entry] of entries) {
    const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    if (dtype !== "F32") return `${name} is not float32`;
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) return `${name} has no shape or place`;
    const [start, end] = offsets;
    if (start !== expected || end - start !== 4 * sizeOf(shape)) return `${name} does not fill its place`;
    expected = end;
    if (dataStart + end > bytes.length) return `the file ends within ${name}`;
    // A copy: the file's bytes need not be aligned.
    const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + dataStart + start, bytes.byteOffset + dataStart + end));
    tensors.push({ name, shape, data });
  }
  return dataStart + expected === bytes.length ? { tensors, metadata } : "the file goes on after its last tensor";
}

const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && (each as number) >= 0);

/** What the header of a safetensors file says. */
export interface Header {
  readonly entries: readonly (readonly [string, unknown])[];
  readonly metadata: Metadata;
  readonly dataStart: number;
}

/** The header of a file of which at least that much was read. */
export function readHeader(bytes: Buffer): Header | string {
  if (bytes.length < 8) return "the file is shorter than its header";
  const length = bytes.readBigUInt64LE(0);
  if (length > BigInt(maxHeaderBytes) || length > BigInt(bytes.length - 8)) return "the file is shorter than its header";
  const dataStart = 8 + Number(length);
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString("utf8", 8, dataStart));
  } catch {
    return "its header is no JSON";
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return "its header is no mapping";
  const { __metadata__: metadata = {}, ...tensors } = parsed as Record<string, unknown>;
  const isMetadata =
    typeof metadata === "object" && metadata !== null && Object.values(metadata).every((value) => typeof value === "string");
  return isMetadata ? { entries: Object.entries(tensors), metadata: metadata as Metadata, dataStart } : "its metadata are no strings";
}

const blank = "0".repeat(64);
const digestKey = "digest";
/** Bytes that are hashed in one call, which takes no more than 2 GiB. */
const hashedAtOnce = 2 ** 30;

/** Pieces of a file whose metadata has the sha256 of the whole file, taken with zeros in its own place. */
export function encodeSealed(tensors: readonly NamedTensor[], metadata: Metadata): readonly Uint8Array[] {
  const pieces = [...encodeSafetensors(tensors, { [digestKey]: blank, ...metadata })];
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  const [length, header, ...data] = pieces;
  const sealed = Buffer.from(header);
  sealed.write(hash.digest("hex"), sealed.indexOf(blank), "latin1");
  return [length, sealed, ...data];
}

/** The content of a sealed file, or what is wrong with it; any changed byte is. */
export function decodeSealed(bytes: Buffer): Safetensors | string {
  const content = decodeSafetensors(bytes);
  if (typeof content === "string") return content;
  const { [digestKey]: digest = "" } = content.metadata;
  const at = bytes.indexOf(digest, 8, "latin1");
  if (digest.length !== blank.length || at < 0) return "it has no digest";
  const hash = createHash("sha256").update(bytes.subarray(0, at)).update(blank);
  for (let start = at + blank.length; start < bytes.length; start += hashedAtOnce) hash.update(bytes.subarray(start, start + hashedAtOnce));
  return hash.digest("hex") === digest ? content : "its content does not match its digest";
}
