/** Signals during work and between: who is told, and what a late one does. */
import { expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.ts";
import { bySignals, stoppedCode } from "../../src/cli/interrupt.ts";
import { Stopped, type Stop } from "../../src/studies/stopping.ts";

const signal = (name: "SIGINT" | "SIGTERM"): void => void process.emit(name, name);
const never = (): Promise<never> => new Promise(() => undefined);

it("the first signal asks gently, the second stops at once and gives the exit code", async () => {
  let asked = 0;
  const work = async (stop: Stop): Promise<never> => {
    expect(stop.asked).toBe(false);
    await Promise.resolve();
    signal("SIGINT");
    expect([stop.asked, asked]).toEqual([true, 1]);
    signal("SIGTERM");
    return never();
  };
  await expect(bySignals.until(work, () => asked++)).rejects.toBeInstanceOf(Stopped);
  expect([asked, stoppedCode()]).toEqual([1, exitCodes.terminated]);
});

it("a stop that the work was done before it could heed holds for the work after it", async () => {
  let asked = 0;
  const done = async (): Promise<string> => {
    await Promise.resolve();
    signal("SIGINT");
    return "done";
  };
  expect(await bySignals.until(done, () => asked++)).toBe("done");
  await expect(bySignals.until(never)).rejects.toBeInstanceOf(Stopped);
  expect([asked, stoppedCode()]).toEqual([1, exitCodes.interrupted]);
});

it("a stop that was heeded is over", async () => {
  const stopped = async (): Promise<never> => {
    await Promise.resolve();
    signal("SIGINT");
    throw new Stopped("everything");
  };
  await expect(bySignals.until(stopped, () => undefined)).rejects.toMatchObject({ left: "everything" });
  expect(await bySignals.until((stop) => Promise.resolve(stop.asked))).toBe(false);
});
