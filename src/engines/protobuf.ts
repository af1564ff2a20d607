/**
 * Writes protocol buffer messages: just the wire format that model files need.
 * Knows field numbers and types only; what they mean is up to whoever writes a model.
 */

const utf8 = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** Concatenates encoded fields into a message. */
export function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

/** A field with an integer. */
export function integerField(field: number, value: number): Uint8Array {
  return message(varint(field << 3), varint(value));
}

/** A field with a float of 32 bits. */
export function floatField(field: number, value: number): Uint8Array {
  return message(varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer));
}

/** A field with a boolean. */
export function booleanField(field: number, value: boolean): Uint8Array {
  return integerField(field, Number(value));
}

/** A length-delimited field: bytes, a nested message, or a string. */
export function bytesField(field: number, value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === "string" ? utf8.encode(value) : value;
  return message(varint((field << 3) | 2), varint(bytes.length), bytes);
}
