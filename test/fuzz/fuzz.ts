/**
 * Tries a reader on many mutants, each a function of (seed, kind, index) alone. A mutant
 * may be accepted or refused with diagnostics; whatever else happens to it is a failure that
 * names what makes it again: FUZZ_SEED and FUZZ_INDEX. FUZZ_COUNT asks for more of them.
 */
import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { UserError } from "../../src/errors.ts";
import { randomStream, type RandomStream } from "../../src/rng.ts";

const asked = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const seed = asked("FUZZ_SEED", 1);
const only = process.env["FUZZ_INDEX"];
const count = asked("FUZZ_COUNT", 2_000);

/** Seconds of the processor's time that a call may take, and bytes of memory that all of a kind may. */
const mostSeconds = 5;
const mostMemoryBytes = 2 ** 30;

const prototypes = (): string => [Object, Array, Function, String].map((each) => Reflect.ownKeys(each.prototype).length).join(" ");

export interface Refused<T> {
  readonly input: T;
  readonly code: string;
}

/** What every refusal must have, whichever way it was asked for. */
export function checkRefusal(error: unknown): UserError {
  if (!(error instanceof UserError)) throw error;
  expect(error.diagnostics.length).toBeGreaterThan(0);
  for (const { code, message } of error.diagnostics) if (!/^\w+$/.test(code) || message === "") throw new Error(`empty diagnostic ${code}`);
  if (exitCodes[error.kind] === undefined) throw new Error(`no exit code for ${error.kind}`);
  return error;
}

/** Wall time that all inputs of a kind may take: only a hang takes that long, however busy the machine is. */
export const mostMilliseconds = 600_000;

/** Gives those that were refused, the first of each code. */
export async function fuzz<T extends Buffer | string>(
  kind: string,
  make: (random: RandomStream, index: number) => T,
  read: (input: T, index: number) => unknown,
): Promise<readonly Refused<T>[]> {
  const refused = new Map<string, Refused<T>>();
  const before = prototypes();
  const memoryBefore = process.resourceUsage().maxRSS;
  let accepted = 0;
  const [first, last] = only === undefined ? [0, count] : [Number(only), Number(only) + 1];
  for (let index = first; index < last; index++) {
    const input = make(randomStream(seed, kind, index), index);
    const started = process.cpuUsage();
    try {
      try {
        await read(input, index);
        accepted++;
      } catch (error) {
        const { code } = checkRefusal(error).diagnostics[0];
        if (!refused.has(code)) refused.set(code, { input, code });
      }
      const { user, system } = process.cpuUsage(started);
      const seconds = (user + system) / 1e6;
      if (seconds > mostSeconds) throw new Error(`took ${seconds.toFixed(1)} s`);
      if (prototypes() !== before || "polluted" in {}) throw new Error("a built-in prototype was changed");
    } catch (error) {
      const text = JSON.stringify(typeof input === "string" ? input : input.toString("latin1"));
      const again = `FUZZ_SEED=${seed} FUZZ_INDEX=${index}`;
      throw new Error(`${kind}: ${String(error)}\n${again} makes it again: ${text.slice(0, 4000)}`, { cause: error });
    }
  }
  const grown = (process.resourceUsage().maxRSS - memoryBefore) * 1024;
  expect(grown, `${kind}: bytes of memory`).toBeLessThan(mostMemoryBytes);
  if (only === undefined) {
    // Otherwise the mutants are all alike, and try little.
    expect(accepted, `${kind}: accepted`).toBeGreaterThan(0);
    expect(refused.size, `${kind}: kinds of refusal`).toBeGreaterThan(1);
  }
  return [...refused.values()];
}

/** Everything in a folder but what is below the folders that may be written to. */
export const listing = (folder: string, except: readonly string[]): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !except.some((each) => name.startsWith(`${each}/`)))
    .sort();
