/**
 * What a sample of a file's bytes looks like, where its first bytes do not say it: text in
 * another encoding, no text at all, ids of another width, weights, compressed data. A guess
 * is made only where sound text or sound ids would hardly ever look that way.
 */
import { isUtf8 } from "node:buffer";

/** Bytes below the space that no text has: all but tab, line feed, form feed, carriage return and escape. */
const isControl = (byte: number): boolean => byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b;

/** Share of control bytes that text stays below: a stray one is no sign, random bytes have 10 %. */
const mostControls = 0.01;
/** So few control bytes are no evidence, however short the text is. */
const fewestControls = 3;

const controlsOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum + (isControl(byte) ? 1 : 0), 0);

interface Encoding {
  readonly name: string;
  readonly width: 2 | 4;
  readonly unitAt: (bytes: Buffer, offset: number) => number;
  readonly mark: readonly number[];
}
/** UTF-32 first: its little-endian mark begins with that of UTF-16. */
const encodings: readonly Encoding[] = [
  { name: "UTF-32LE", width: 4, unitAt: (bytes, at) => bytes.readUInt32LE(at), mark: [0xff, 0xfe, 0, 0] },
  { name: "UTF-32BE", width: 4, unitAt: (bytes, at) => bytes.readUInt32BE(at), mark: [0, 0, 0xfe, 0xff] },
  { name: "UTF-16LE", width: 2, unitAt: (bytes, at) => bytes.readUInt16LE(at), mark: [0xff, 0xfe] },
  { name: "UTF-16BE", width: 2, unitAt: (bytes, at) => bytes.readUInt16BE(at), mark: [0xfe, 0xff] },
];

/** Whether a unit of UTF-16 or UTF-32 is something that a text without a mark is mostly made of. */
const isCommonUnit = (unit: number): boolean =>
  (unit >= 0x20 && unit < 0x2100) ||
  unit === 0x0a ||
  unit === 0x0d ||
  (unit >= 0x3000 && unit < 0xd800) ||
  (unit >= 0xff00 && unit < 0xfff0);

function encodingOf(sample: Buffer): string | undefined {
  const marked = encodings.find(({ mark }) => mark.every((byte, index) => sample[index] === byte));
  if (marked !== undefined) return marked.name;
  return encodings.find(({ width, unitAt }) => {
    const units = Math.floor(sample.length / width);
    let common = 0;
    let spaces = 0;
    for (let unit = 0; unit < units; unit++) {
      const value = unitAt(sample, unit * width);
      if (isCommonUnit(value)) common++;
      if (value === 0x20 || value === 0x0a || value === 0x3002) spaces++;
    }
    return units >= 8 && common > 0.98 * units && spaces > 0.01 * units;
  })?.name;
}

/** Why the first bytes of a text and a sample of it are no text in an encoding of bytes; nothing when they may be. */
export function textProblem(sample: Buffer): string | undefined {
  const controls = controlsOf(sample);
  const encoding = encodingOf(sample);
  if (encoding !== undefined) return `it looks like text in ${encoding}`;
  return controls > fewestControls && controls > mostControls * sample.length ? "it looks like binary data, not like text" : undefined;
}

/** What ids look like that are none, and what to do about it. */
export interface Suspicion {
  readonly looks: string;
  readonly hint: string;
}

const wide: Suspicion = { looks: "64-bit ids", hint: "save them with numpy's np.save, or as uint32 with data.source.dtype: uint32" };
const wider: Suspicion = {
  looks: "32-bit ids",
  hint: "state data.source.dtype: uint32; if they are 16-bit ids, save them with numpy's np.save",
};
const text: Suspicion = { looks: "text", hint: "give text as data.source: {files: […]}" };
const real: Suspicion = { looks: "floating-point numbers", hint: "save ids as uint16, or as uint32 with data.source.dtype: uint32" };
const weights: Suspicion = { looks: "floating-point weights", hint: "give the file of token ids" };
const noise: Suspicion = {
  looks: "compressed or encrypted data",
  hint: "unpack it first; if these are ids all the same, save them with numpy's np.save",
};

/** Words below this are what the upper half of a wider id can be: vocabularies have less than a million entries. */
const smallHalf = 16;
/** Large words that must have been seen: of as many ids, none would be at a second place once in 2^32 times. */
const fewestWords = 32;

/** Whether words are small, or 0, at all places of `stride` but the first; of a vocabulary that is as small itself, always 0. */
function isUpperHalf(words: Uint16Array, stride: number): boolean {
  const count = Math.floor(words.length / stride);
  let [large, other, upper] = [0, 0, 0];
  for (let index = 0; index < count; index++) {
    if (words[index * stride] >= smallHalf) large++;
    if (words[index * stride] > 0) other++;
    if (words[index * stride + 1] > 0) upper++;
    if (words[index * stride + 1] >= smallHalf) return false;
    for (let rest = 2; rest < stride; rest++) if (words[index * stride + rest] !== 0) return false;
  }
  return large >= fewestWords || (upper === 0 && other >= fewestWords);
}

/** Share of 16-bit values with the exponent of a weight, as bfloat16, float16 or the upper half of a float32. */
function areWeights(words: Uint16Array): boolean {
  let [near, negative] = [0, 0];
  for (const word of words) {
    const magnitude = word & 0x7fff;
    if (magnitude >= 0x1400 && magnitude < 0x4180) near++;
    if (word >= 0x8000) negative++;
  }
  const share = negative / words.length;
  return words.length >= 512 && near > 0.98 * words.length && share > 0.3 && share < 0.7;
}

/**
 * Whether values are spread over all of 16 bits as noise is: a pair of them is equal once in
 * 65,536 then. In text the commonest token alone makes that once in a thousand.
 */
function areNoise(words: Uint16Array): boolean {
  const counts = new Uint32Array(65536);
  for (const word of words) counts[word]++;
  let pairs = 0;
  for (const count of counts) pairs += (count * (count - 1)) / 2;
  const all = (words.length * (words.length - 1)) / 2;
  return words.length >= 4096 && pairs < (4 / 65536) * all;
}

/** A number that vocabularies are smaller than. */
const mostIds = 2 ** 20;
/** Whether all values are whole numbers as ids are, and enough of them not 0: what ids make when they are read as fractions is not. */
const areWhole = (values: Float32Array | Float64Array): boolean =>
  values.every((value) => Number.isInteger(value) && value >= 0 && value < mostIds) &&
  values.filter((value) => value > 0).length >= fewestWords;

/** Every second word, from the first or the second on. */
const halves = (words: Uint16Array): readonly Uint16Array[] =>
  [0, 1].map((first) => Uint16Array.from({ length: Math.floor((words.length - first + 1) / 2) }, (_, index) => words[first + 2 * index]));

/** What a sample of raw ids of so many bytes looks like when it is something else; it begins at a multiple of 8 bytes. */
export function idsProblem(sample: Buffer, bytesPerToken: 2 | 4): Suspicion | undefined {
  const words = new Uint16Array(new Uint8Array(sample.subarray(0, sample.length - (sample.length % 8))).buffer);
  if (isText(sample)) return text;
  if (isUpperHalf(words, 4)) return wide;
  if (bytesPerToken === 2 && isUpperHalf(words, 2)) return wider;
  const [lower, upper] = halves(words);
  if (areWhole(new Float32Array(words.buffer)) || areWhole(new Float64Array(words.buffer))) return real;
  const [, top] = halves(upper);
  if (areWeights(words) || areWeights(upper) || areWeights(top)) return weights;
  // Wide ids may look like anything at all in their lower halves, and in no others.
  if (bytesPerToken === 2 ? areNoise(lower) || areNoise(upper) : areNoise(upper)) return noise;
  return undefined;
}

/** Bytes of text that are no accident: each of them might have been any other. */
const fewestText = 64;
/** Bytes of a sample's beginning that lie together in the file. */
const togetherBytes = 4096;

/** Whether bytes are text, in UTF-8 or mostly ASCII: the high bytes of common ids are what text does not have. */
function isText(sample: Buffer): boolean {
  if (sample.length < fewestText || controlsOf(sample) > 0) return false;
  const ascii = sample.reduce((sum, byte) => sum + (byte < 0x80 ? 1 : 0), 0);
  const begin = sample.subarray(0, togetherBytes);
  // It may end inside a character.
  return ascii > 0.7 * sample.length || [0, 1, 2, 3].some((cut) => isUtf8(begin.subarray(0, begin.length - cut)));
}
