/** What this machine's CPU is and can do, as Linux tells it; elsewhere its name only. */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

const described = "/proc/cpuinfo";
const featureLine = (): string =>
  existsSync(described) ? (/^(?:flags|Features)\s*:.*$/m.exec(readFileSync(described, "utf8"))?.[0] ?? "") : "";

/** Names of what the CPU can do and the kernel lets programs use. */
export const cpuFeatures = (): ReadonlySet<string> => new Set(featureLine().split(/[\s:]+/));

/** Name and abilities: two CPUs of one identity run the same machine code. */
export const cpuIdentity = (): string => `${cpus()[0]?.model ?? ""} ${featureLine()}`;
