import { describe, expect, it } from "vitest";
import { arrange, arrangements, type Arrangement, type Bounds, type Timed } from "../../src/placement/arrangements.ts";

const cpu: Bounds = { trials: 64, steps: 2000, workers: 8, onCpu: true, fits: () => Promise.resolve(true) };
const gpu: Bounds = { trials: 100, steps: 2000, workers: 1, onCpu: false, fits: () => Promise.resolve(true) };

/** A device that takes `fixed` seconds a step and `perModel` for each model in it; timing takes as long as `cost` steps. */
function device(
  fixed: number,
  perModel: number,
  cost = 10,
): { measure: (a: Arrangement) => Promise<Pick<Timed, "secondsPerStep">>; now: () => number; tried: Arrangement[] } {
  let clock = 0;
  const tried: Arrangement[] = [];
  return {
    tried,
    now: () => clock,
    measure: (arrangement) => {
      tried.push(arrangement);
      const seconds = fixed + (perModel * arrangement.stackSize) / arrangement.threads;
      clock += cost * seconds;
      return Promise.resolve({ secondsPerStep: seconds });
    },
  };
}
const choose = async (bounds: Bounds, { measure, now }: ReturnType<typeof device>): Promise<Arrangement> => {
  const { stackSize, jobs, threads } = (await arrange(bounds, measure, now)).best as Arrangement;
  return { stackSize, jobs, threads };
};

describe("the arrangements to try", () => {
  it("on a CPU: one single model per core, then one on all cores, then stacks up to the trials that each core gets", () =>
    expect(arrangements(cpu)).toEqual([
      { stackSize: 1, jobs: 8, threads: 1 },
      { stackSize: 1, jobs: 1, threads: 8 },
      { stackSize: 4, jobs: 8, threads: 1 },
      { stackSize: 8, jobs: 8, threads: 1 },
    ]));
  it("on a GPU: stacks up to all trials at once", () =>
    expect(arrangements(gpu).map(({ stackSize }) => stackSize)).toEqual([1, 4, 16, 64, 100]));
  it("on four GPUs: a share of the trials for each", () => {
    const four = arrangements({ ...gpu, workers: 4 });
    expect(four.map(({ stackSize }) => stackSize)).toEqual([1, 4, 16, 25]);
    for (const { jobs } of four) expect(jobs).toBe(4);
  });
  it("fewer stacks than cores share the cores", () =>
    expect(arrangements({ ...cpu, trials: 2, stackSize: 1 })).toEqual([{ stackSize: 1, jobs: 2, threads: 4 }]));
  it("what the user decides is kept", () => {
    expect(arrangements({ ...cpu, stackSize: 16 })).toEqual([{ stackSize: 16, jobs: 4, threads: 2 }]);
    expect(arrangements({ ...cpu, stackSize: 1000 })).toEqual([{ stackSize: 64, jobs: 1, threads: 8 }]);
    expect(arrangements({ ...cpu, jobs: 2 }).every(({ jobs, threads }) => jobs === 2 && threads === 1)).toBe(true);
  });
});

describe("the arrangement that is chosen", () => {
  it("is a single model per core where stacking gains nothing", async () =>
    expect(await choose(cpu, device(0, 0.002))).toEqual({ stackSize: 1, jobs: 8, threads: 1 }));
  it("is a large stack where a step costs the same whatever it trains", async () =>
    expect(await choose(gpu, device(0.01, 0.00001))).toEqual({ stackSize: 100, jobs: 1, threads: 1 }));
  it("counts whole waves: a stack that leaves a rest is not better than one that does not", async () => {
    const bounds = { ...gpu, trials: 17 };
    expect((await choose(bounds, device(0.01, 0.0001))).stackSize).toBe(17);
  });
  it("is no larger than what fits the memory", async () => {
    const bounds = { ...gpu, fits: ({ stackSize }: Arrangement) => Promise.resolve(stackSize <= 16) };
    expect((await choose(bounds, device(0.01, 0.00001))).stackSize).toBe(16);
  });
  it("is not a larger stack that gains next to nothing", async () => expect((await choose(gpu, device(0.0001, 0.01))).stackSize).toBe(1));
  it("costs little: a short sweep is not worth a second timing", async () => {
    const short = device(0, 0.002);
    await choose({ ...cpu, trials: 8, steps: 20 }, short);
    expect(short.tried).toHaveLength(1);
  });
  it("stops at the size that is more than the device can do", async () => {
    const limited = device(0.01, 0.00001);
    const measure = (arrangement: Arrangement): Promise<Pick<Timed, "secondsPerStep"> | undefined> =>
      arrangement.stackSize > 4 ? Promise.resolve(undefined) : limited.measure(arrangement);
    const { best, timed } = await arrange(gpu, measure, limited.now);
    expect(best?.stackSize).toBe(4);
    expect(timed.map(({ stackSize }) => stackSize)).toEqual([1, 4]);
  });
  it("is half of the stack that was asked for, and half of that, until it can be run", async () => {
    const limited = device(0.01, 0.00001);
    const measure = (arrangement: Arrangement): Promise<Pick<Timed, "secondsPerStep"> | undefined> =>
      arrangement.stackSize > 20 ? Promise.resolve(undefined) : limited.measure(arrangement);
    expect((await arrange({ ...gpu, stackSize: 1000, always: true }, measure, limited.now)).best?.stackSize).toBe(12);
    expect(await arrange({ ...gpu, stackSize: 100, always: true }, () => Promise.resolve(undefined), limited.now)).toEqual({
      best: undefined,
      timed: [],
    });
  });
  it("has as few fewer workers, then as few fewer trials, as make the estimate fit", async () => {
    const plain = device(0, 0.002);
    const fits = ({ jobs, stackSize }: Arrangement): Promise<boolean> => Promise.resolve(jobs * stackSize <= 3);
    expect((await choose({ ...cpu, fits, jobs: 8 }, plain)).jobs).toBe(2);
    expect(await choose({ ...cpu, fits, jobs: 8, stackSize: 8 }, plain)).toMatchObject({ jobs: 1, stackSize: 2 });
    expect(await choose({ ...cpu, fits: () => Promise.resolve(false), stackSize: 8 }, plain)).toMatchObject({ jobs: 1, stackSize: 1 });
  });
  it("needs no timing where there is no choice, unless it is wanted", async () => {
    const single = device(0, 0.002);
    await choose({ ...cpu, trials: 1 }, single);
    expect(single.tried).toEqual([]);
    await choose({ ...cpu, trials: 1, always: true }, single);
    expect(single.tried).toEqual([{ stackSize: 1, jobs: 1, threads: 8 }]);
  });
});
