/** How many cores this process may use: what the scheduler lets it run on, and no more than a container's CPU quota pays for. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { posix } from "node:path";

/** A file's text; undefined when it cannot be read. */
export type ReadText = (path: string) => string | undefined;

const onDisk: ReadText = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // no such controller here
  }
};

/** Cores that a quota of so much time in each period amounts to; unlimited is "max" or negative. */
function quotient(quota: string | undefined, period: string | undefined): number {
  const value = Number(quota) / Number(period);
  return value > 0 ? value : Infinity;
}

/** Cores that one group's files allow, in the second and in the first version of control groups. */
const quotaOf = (read: ReadText, folder: string): number =>
  Math.min(
    quotient(...((read(posix.join(folder, "cpu.max"))?.trim().split(" ") ?? []) as [string?, string?])),
    quotient(read(posix.join(folder, "cpu.cfs_quota_us")), read(posix.join(folder, "cpu.cfs_period_us"))),
  );

/** The tightest CPU quota, in cores, of this process's control groups and all above them; Infinity without one. Linux only. */
export function cpuQuota(read: ReadText): number {
  const groups = (read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (controllers === "") return [{ root: "/sys/fs/cgroup", path }];
    return controllers.split(",").includes("cpu") ? ["cpu", controllers].map((name) => ({ root: `/sys/fs/cgroup/${name}`, path })) : [];
  });
  // Inside a container the path may be the host's, which is not mounted: the root is then the container's own group.
  const folders = groups.flatMap(({ root, path }) => {
    const parts = path.split("/").filter(Boolean);
    return [root, ...parts.map((_, index) => posix.join(root, ...parts.slice(0, index + 1)))];
  });
  return Math.min(Infinity, ...folders.map((folder) => quotaOf(read, folder)));
}

/** Cores that may be busy at once, at least 1; a fraction of a core counts as one. */
export const cores = (read: ReadText = onDisk): number => Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(read))));
