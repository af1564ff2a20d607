/**
 * What a file is by its first bytes: kinds that people have beside their token files and
 * texts, and name by mistake. Each mark is long enough that no sound file begins with it.
 */

interface Mark {
  readonly what: string;
  readonly bytes: readonly number[];
  /** Where the bytes stand. */
  readonly at?: number;
  /** The last byte, where the first ones are too few to go by. */
  readonly last?: number;
}

const ascii = (text: string): readonly number[] => [...Buffer.from(text, "latin1")];
const int32 = (value: number): readonly number[] => [...new Uint8Array(Int32Array.of(value).buffer)];
/** The byte that ends every pickle. */
const pickleEnd = 0x2e;

const marks: readonly Mark[] = [
  { what: "a gzip archive", bytes: [0x1f, 0x8b, 0x08] },
  { what: "a zstd archive", bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { what: "an xz archive", bytes: [0xfd, ...ascii("7zXZ"), 0] },
  { what: "a bzip2 archive", bytes: [...ascii("BZh"), 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] },
  { what: "an lz4 archive", bytes: [0x04, 0x22, 0x4d, 0x18] },
  { what: "a 7z archive", bytes: [...ascii("7z"), 0xbc, 0xaf, 0x27, 0x1c] },
  { what: "a tar archive", bytes: ascii("ustar"), at: 257 },
  { what: "a zip archive, as PyTorch's checkpoints and .npz files are", bytes: [...ascii("PK"), 3, 4] },
  { what: "a pickle", bytes: [0x80, 4, 0x95], last: pickleEnd },
  { what: "a pickle", bytes: [0x80, 5, 0x95], last: pickleEnd },
  { what: "a pickle, as PyTorch's old checkpoints are", bytes: [0x80, 2, 0x8a, 0x0a] },
  { what: "a pickle", bytes: [0x80, 2], last: pickleEnd },
  { what: "a pickle", bytes: [0x80, 3], last: pickleEnd },
  { what: "a safetensors file of weights", bytes: [0, 0, 0, ...ascii('{"')], at: 5 }, // a header of less than a TiB
  { what: "an HDF5 file", bytes: [0x89, ...ascii("HDF\r\n"), 0x1a, 0x0a] },
  { what: "a GGUF file of weights", bytes: [...ascii("GGUF"), 2, 0, 0, 0] },
  { what: "a GGUF file of weights", bytes: [...ascii("GGUF"), 3, 0, 0, 0] },
  { what: "an llm.c checkpoint", bytes: int32(20240326) },
  { what: "an llm.c checkpoint", bytes: int32(20240327) },
  { what: "a Megatron index, whose ids are in the .bin beside it", bytes: [...ascii("MMIDIDX"), 0, 0] },
  { what: "a NumPy array", bytes: [0x93, ...ascii("NUMPY")] },
  { what: "a Parquet file", bytes: ascii("PAR1"), last: 0x31 },
  { what: "an Arrow file", bytes: [...ascii("ARROW1"), 0, 0] },
  { what: "an SQLite database", bytes: ascii("SQLite format 3\0") },
  { what: "a PDF", bytes: ascii("%PDF-") },
  { what: "a picture", bytes: [0x89, ...ascii("PNG\r\n"), 0x1a, 0x0a] },
  { what: "a picture", bytes: [0xff, 0xd8, 0xff] },
  { what: "a program", bytes: [0x7f, ...ascii("ELF")] },
];

/** Bytes of a file's beginning that marks are looked for in. */
export const markedBytes = 512;

/** What the file is, if its first bytes say so; `last` is its last byte. */
export function markedKind(head: Uint8Array, last: number | undefined): string | undefined {
  const found = marks.find(
    ({ bytes, at = 0, last: end }) => bytes.every((byte, index) => head[at + index] === byte) && (end === undefined || end === last),
  );
  return found?.what;
}
