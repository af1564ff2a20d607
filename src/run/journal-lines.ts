/**
 * One record as one line of a journal: JSON with the line's number and a checksum of
 * all before it, so that no line can be cut, changed, lost, doubled or moved unnoticed.
 */
import { crc32 } from "node:zlib";

/** `{"seq":12,…,"crc":"0f1e2d3c"}`: the checksum is always the last member. */
const crcForm = Buffer.from(',"crc":"########"}');
const crcBytes = crcForm.length;
const digit = 0x23; // #
const hex = (value: number): string => value.toString(16).padStart(8, "0");

/** A record as the line with this number, newline and checksum included. */
export function encodeLine(seq: number, record: object): string {
  const body = JSON.stringify({ seq, ...record }).slice(0, -1);
  return `${body},"crc":"${hex(crc32(body))}"}\n`;
}

/** The checksum at a line's end; NaN when the line does not end in one as it is written. Without strings: a journal may have very many lines. */
function crcOf(line: Buffer): number {
  let at = line.length - crcBytes;
  let value = 0;
  for (const expected of crcForm) {
    const byte = line[at++];
    if (expected !== digit) {
      if (byte !== expected) return NaN;
    } else if (byte >= 0x30 && byte <= 0x39) value = 16 * value + byte - 0x30;
    else if (byte >= 0x61 && byte <= 0x66) value = 16 * value + byte - 0x61 + 10;
    else return NaN;
  }
  return value;
}

/** What a line holds, or what is wrong with it. */
export type Decoded = { readonly seq: number; readonly data: unknown } | { readonly problem: string };

/** The number and the record of a line, without its newline. */
export function decodeLine(line: Buffer): Decoded {
  const body = line.subarray(0, -crcBytes);
  if (body.length < 2 || crcOf(line) !== crc32(body)) return { problem: "the line was changed after it was written" };
  try {
    const { seq, ...data } = JSON.parse(`${body.toString()}}`) as Record<string, unknown>;
    return typeof seq === "number" ? { seq, data } : { problem: "the line has no number" };
  } catch {
    return { problem: "the line is no JSON" };
  }
}
