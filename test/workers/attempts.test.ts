/** What is tried again after a failure, how often, and what is said of it. */
import { describe, expect, it } from "vitest";
import { again } from "../../src/placement/timing.ts";
import { attempts, maxAttempts, resultOf, type Attempted, type Attempts } from "../../src/workers/attempts.ts";
import { PoolClosed, WorkerFailed, WorkerStopped, WorkerUnavailable } from "../../src/workers/pool.ts";

const died = (number: number): WorkerFailed => new WorkerFailed(`death ${number}`);
const full = new WorkerFailed("no space left on device", { systemCode: "ENOSPC" });
const tooLarge = new WorkerFailed("out of memory", { outOfMemory: true });

/** Attempts that end in turn as given, an error meaning that they fail of it; and everything that happens, in order. */
function scripted(ends: readonly (string | Error)[], options: Partial<Attempts<string>> = {}) {
  const happened: string[] = [];
  const left = [...ends];
  const ended = attempts({
    run: () => {
      happened.push("run");
      const end = left.shift() ?? "more attempts than there are ends";
      return typeof end === "string" ? Promise.resolve(end) : Promise.reject(end);
    },
    most: maxAttempts,
    check: () => happened.push("check"),
    onRetry: (attempt, reason) => happened.push(`attempt ${attempt}: ${reason}`),
    ...options,
  });
  return { ended, happened };
}

describe("attempts", () => {
  it("are one when that is done", async () => {
    const { ended, happened } = scripted(["answer"]);
    expect(await ended).toEqual({ kind: "done", result: "answer" });
    expect(happened).toEqual(["run"]);
  });

  it("go on when a worker dies, each announced with the reason of the one before, after the check", async () => {
    const { ended, happened } = scripted([died(1), died(2), "answer"]);
    expect(await ended).toEqual({ kind: "done", result: "answer" });
    expect(happened).toEqual(["run", "check", "attempt 2: death 1", "run", "check", "attempt 3: death 2", "run"]);
  });

  it("end with the last failure, of which no other attempt is announced", async () => {
    const last = died(3);
    const { ended, happened } = scripted([died(1), died(2), last, "too late"]);
    expect(((await ended) as { readonly error?: Error }).error).toBe(last);
    expect(happened.slice(-2)).toEqual(["run", "check"]);
    expect(happened.filter((each) => each === "run").length).toBe(3);
  });

  it("are as many as are allowed", async () => {
    const { ended, happened } = scripted([died(1), died(2), "too late"], { most: 2 });
    expect(await ended).toMatchObject({ kind: "failed", error: { message: "death 2" } });
    expect(happened.filter((each) => each === "run").length).toBe(2);
  });

  it("are not repeated for what the operating system refuses", async () => {
    const { ended, happened } = scripted([full, "too late"]);
    expect(await ended).toEqual({ kind: "failed", error: full });
    expect(happened).toEqual(["run", "check"]);
  });

  it("are repeated when the memory was too small, unless the caller knows better", async () => {
    expect(await scripted([tooLarge, "answer"]).ended).toMatchObject({ kind: "done" });
    const { ended, happened } = scripted([tooLarge, "too late"], { isWorthAnother: ({ outOfMemory }) => !outOfMemory });
    expect(await ended).toEqual({ kind: "failed", error: tooLarge });
    expect(happened).toEqual(["run", "check"]);
  });

  it("ask the caller instead, not as well", async () => {
    expect(await scripted([full, "answer"], { isWorthAnother: () => true }).ended).toEqual({ kind: "done", result: "answer" });
  });

  it("end with a stop, which is no failure", async () => {
    const { ended, happened } = scripted([died(1), new WorkerStopped(), "too late"]);
    expect(await ended).toEqual({ kind: "stopped" });
    expect(happened).toEqual(["run", "check", "attempt 2: death 1", "run"]);
  });

  it("are no more once a stop was asked for: what failed then is told as a failure", async () => {
    let isOver = false;
    const { ended, happened } = scripted([died(1), died(2), "too late"], {
      isOver: () => isOver,
      onRetry: () => (isOver = true),
    });
    expect(await ended).toMatchObject({ kind: "failed", error: { message: "death 2" } });
    expect(happened).toEqual(["run", "check", "run", "check"]);
  });

  it("begin at all, and count when they are done, although a stop was asked for", async () => {
    expect(await scripted(["answer"], { isOver: () => true }).ended).toEqual({ kind: "done", result: "answer" });
  });

  it.each([new WorkerUnavailable("no such library"), new PoolClosed(), new Error("a bug")])("leave %s to the caller", async (error) => {
    const { ended, happened } = scripted([error, "too late"], { isWorthAnother: () => true });
    await expect(ended).rejects.toBe(error);
    expect(happened).toEqual(["run", "check"]);
  });

  it.each([died(1), new Error("a bug"), full])("end with what the check throws, whatever the failure (%s)", async (error) => {
    const gone = new Error("the folder is gone");
    const happened: string[] = [];
    const check = (): never => {
      throw gone;
    };
    const { ended } = scripted([error, "too late"], { check, isOver: () => true, onRetry: (attempt) => happened.push(`${attempt}`) });
    await expect(ended).rejects.toBe(gone);
    expect(happened).toEqual([]);
  });

  it("check nothing after a stop: what was kept is kept", async () => {
    const check = (): never => {
      throw new Error("the folder is gone");
    };
    expect(await scripted([new WorkerStopped()], { check }).ended).toEqual({ kind: "stopped" });
  });
});

describe("the result of attempts", () => {
  it("is what was done, or is thrown", () => {
    const failed: Attempted<string> = { kind: "failed", error: full };
    expect(resultOf({ kind: "done", result: "answer" })).toBe("answer");
    expect(() => resultOf(failed)).toThrow(full);
    expect(() => resultOf({ kind: "stopped" })).toThrow(WorkerStopped);
  });
});

describe("a short task", () => {
  const tried = async (...ends: readonly (string | Error)[]): Promise<readonly [unknown, number]> => {
    const left = [...ends];
    const run = (): Promise<unknown> => {
      const end = left.shift() ?? "more attempts than there are ends";
      return typeof end === "string" ? Promise.resolve(end) : Promise.reject(end);
    };
    const ended = await again(run).catch((error: unknown) => error);
    return [ended, ends.length - left.length];
  };

  it("is tried twice, whatever its worker fails of", async () => {
    const last = died(2);
    expect(await tried(died(1), "answer")).toEqual(["answer", 2]);
    expect(await tried(full, "answer")).toEqual(["answer", 2]);
    expect(await tried(tooLarge, "answer")).toEqual(["answer", 2]);
    expect(await tried(died(1), last, "too late")).toEqual([last, 2]);
  });

  it("is tried once when the engine is not there", async () => {
    const error = new WorkerUnavailable("no such library");
    expect(await tried(error, "too late")).toEqual([error, 1]);
  });
});
