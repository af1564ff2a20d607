/** How what is typed is read: numbers are digits, whatever else JavaScript takes for one. */
import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { checkSteps, jobs, port, positiveNumber, seedCount, sizes, trialId } from "../../src/cli/options.ts";

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  "--port": (text) => port.parseArg?.(text, undefined),
  "--jobs": (text) => jobs.parseArg?.(text, undefined),
  "--steps": checkSteps,
  "--seeds": seedCount,
  "--sizes": sizes,
  "--learning-rate": positiveNumber,
  "a trial": trialId,
};

describe("what is typed for a number", () => {
  it.each(Object.entries(readers))("of %s is no hexadecimal, sign, blank or word", (_, read) => {
    for (const text of ["0x50", "0b11", "+5", "-5", " 5", "5 ", "", " ", "five", "5_0", "NaN", "Infinity"])
      expect(() => read(text), text).toThrow(InvalidArgumentError);
  });
  it.each(Object.entries(readers).filter(([name]) => name !== "--learning-rate"))("of %s is whole", (_, read) => {
    for (const text of ["1e3", "5.0", "1e999", "9".repeat(30)]) expect(() => read(text), text).toThrow(InvalidArgumentError);
    expect([5, [5]]).toContainEqual(read("5"));
  });
  it("of --sizes may follow a comma and a blank", () => {
    expect(sizes("64, 128,256")).toEqual([64, 128, 256]);
  });
  it("of --learning-rate may have an exponent, and is above 0", () => {
    expect(["1e-3", "2.5E+0", ".5", "3.", "1000"].map(positiveNumber)).toEqual([1e-3, 2.5, 0.5, 3, 1000]);
    for (const text of ["0", "0e5", "1e999", ".", "1e", "0x1p3"]) expect(() => positiveNumber(text), text).toThrow(InvalidArgumentError);
  });
  it("of --port may be 0, which is any free one; of a trial as well, which is the first", () => {
    expect([readers["--port"]("0"), readers["--port"]("65535"), trialId("0", [3])]).toEqual([0, 65535, [3, 0]]);
    for (const name of ["--jobs", "--steps", "--seeds", "--sizes"]) expect(() => readers[name]("0"), name).toThrow(InvalidArgumentError);
    expect(() => readers["--port"]("65536")).toThrow("65535 at most");
  });
});
