/** CPU quotas of control groups, from files as Linux has them. */
import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { cores, cpuQuota } from "../../src/engines/cores.ts";

const quotaIn = (files: Readonly<Record<string, string>>): number => cpuQuota((path) => files[path]);

describe("the CPU quota", () => {
  it("is that of a container, whose own group is the root", () =>
    expect(quotaIn({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n" })).toBe(1.5));
  it("is the tightest of the groups above", () =>
    expect(
      quotaIn({
        "/proc/self/cgroup": "0::/user.slice/job\n",
        "/sys/fs/cgroup/user.slice/cpu.max": "200000 100000\n",
        "/sys/fs/cgroup/user.slice/job/cpu.max": "800000 100000\n",
      }),
    ).toBe(2));
  it("is found where the path is the host's and the container sees its own root only", () =>
    expect(quotaIn({ "/proc/self/cgroup": "0::/../../docker/abc\n", "/sys/fs/cgroup/cpu.max": "300000 100000" })).toBe(3));
  it.each(["cpu,cpuacct", "cpuacct,cpu"])("is read from version 1 (%s)", (controllers) =>
    expect(
      quotaIn({
        "/proc/self/cgroup": `4:memory:/a\n3:${controllers}:/a\n`,
        [`/sys/fs/cgroup/${controllers}/a/cpu.cfs_quota_us`]: "250000\n",
        [`/sys/fs/cgroup/${controllers}/a/cpu.cfs_period_us`]: "100000\n",
      }),
    ).toBe(2.5),
  );
  it("is none where nothing limits", () => {
    expect(quotaIn({})).toBe(Infinity);
    expect(quotaIn({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n" })).toBe(Infinity);
    const unlimited = { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n" };
    expect(quotaIn({ "/proc/self/cgroup": "3:cpu:/\n", ...unlimited })).toBe(Infinity);
  });
});

describe("cores that may be busy", () => {
  const under = (quota: string): number =>
    cores((path) => ({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": `${quota} 100000\n` })[path]);
  it("are no more than the quota pays for, but one at least", () => expect([under("1000"), under("100000")]).toEqual([1, 1]));
  it("are those of the scheduler without a tighter quota", () => {
    expect([under("max"), under("99900000")]).toEqual([availableParallelism(), availableParallelism()]);
    expect(cores()).toBeLessThanOrEqual(availableParallelism());
  });
});
