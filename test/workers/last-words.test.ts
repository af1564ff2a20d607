import { expect, it } from "vitest";
import { lastWords, saysOutOfMemory } from "../../src/workers/last-words.ts";

it.each([
  "Non-zero status code: CUBLAS_STATUS_ALLOC_FAILED",
  "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
  "VK_ERROR_OUT_OF_DEVICE_MEMORY",
  "std::bad_alloc",
  "OOM when allocating tensor with shape[64,2048]",
  "RESOURCE_EXHAUSTED: Out of memory while trying to allocate",
  "Failed to allocate memory for requested buffer of size 8388608",
  "Array buffer allocation failed",
  "Invalid typed array length: 9000000000",
  "Buffer size (4294967296) exceeds the max buffer size limit (2147483648)",
  "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
])("too little memory is known by the words: %s", (words) => expect(saysOutOfMemory(words)).toBe(true));
it.each(["Segmentation fault", "the model is not valid", "no space left on device", "the zoom is off"])("and not by others: %s", (words) =>
  expect(saysOutOfMemory(words)).toBe(false),
);

it("the line that says why is the one that names an error, or the first", () => {
  expect(lastWords("\n  at a place\nTypeError: no such thing\n")).toBe("at a place");
  expect(lastWords("at a place\nan Error: no such thing\n")).toBe("an Error: no such thing");
  expect(lastWords("")).toBe("");
  expect(lastWords("x".repeat(1000))).toHaveLength(300);
});
