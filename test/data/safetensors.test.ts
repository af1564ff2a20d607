import { expect, it } from "vitest";
import { encodeSafetensors } from "../../src/data/safetensors.ts";

it("writes the format: length, padded header, tensors without holes", () => {
  const tensors = [
    { name: "a", shape: [2, 3], data: Float32Array.from([1, 2, 3, 4, 5, 6]) },
    { name: "blocks.0.β", shape: [1], data: Float32Array.from([-0.5]) },
  ];
  const file = Buffer.concat([...encodeSafetensors(tensors, { format: "test", layout: "x·W" })]);
  const headerBytes = Number(file.readBigUInt64LE(0));
  expect(headerBytes % 8).toBe(0);
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString()) as object;
  expect(header).toEqual({
    __metadata__: { format: "test", layout: "x·W" },
    a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    "blocks.0.β": { dtype: "F32", shape: [1], data_offsets: [24, 28] },
  });
  expect(file.length).toBe(8 + headerBytes + 28);
  expect(file.readFloatLE(8 + headerBytes + 20)).toBe(6);
  expect(file.readFloatLE(8 + headerBytes + 24)).toBe(-0.5);
});

it("refuses data that does not fill its shape", () => {
  expect(() => [...encodeSafetensors([{ name: "a", shape: [3], data: new Float32Array(2) }], {})]).toThrow(
    /a has 2 values for shape \[3\]/,
  );
});
