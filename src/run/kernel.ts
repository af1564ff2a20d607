/** What a lock asks of the system: the lock itself, whether it reaches every machine that reaches the folder, and which start of the machine this is. */
import { readFileSync, statfsSync } from "node:fs";
import { platform } from "node:os";
import { lockOpenFile } from "../libc.ts";

/** The system as locks see it; tests put another in its place. */
export interface Kernel {
  readonly lock: typeof lockOpenFile;
  /** Whether locks in this folder are known to every machine that can reach it. */
  readonly isLocal: (path: string) => boolean;
  /** Changes with every start of the machine; containers share it, machines of the same name do not. Empty where it is not known. */
  readonly boot: () => string;
}

/** NFS, SMB (three), AFS, Ceph, Lustre, GPFS, FUSE, 9p, as statfs(2) numbers them. */
const networkTypes: ReadonlySet<number> = new Set([
  ...[0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x00c36400, 0x0bd00bd0, 0x47504653, 0x65735546, 0x01021997],
]);

function bootOf(): string {
  try {
    return platform() === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : "";
  } catch {
    return ""; // hidden
  }
}

/** The one that this process runs on. */
export const thisKernel: Kernel = {
  lock: lockOpenFile,
  isLocal: (path) => platform() !== "linux" || !networkTypes.has(statfsSync(path).type),
  boot: bootOf,
};
