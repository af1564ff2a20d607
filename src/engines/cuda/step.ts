/**
 * One step planned: what is launched, in which order and for which lanes, and where
 * everything lies. Nothing here touches a device: addresses come in as numbers.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import type { Program } from "../../program/program.ts";
import type { Operand } from "../lowered/instructions.ts";
import type { LaneMemory } from "../lowered/lane-memory.ts";
import { lower } from "../lowered/lower.ts";
import type { Purpose } from "../lowered/lowering.ts";
import { placeBuffers } from "../lowered/memory.ts";
import type { Grid, Pointer } from "./driver.ts";
import { layout } from "./fields.ts";
import { fuse, temporaryOperandsOf, type LaunchGroup } from "./fuse.ts";
import { launchOf, launchWords, type Setting } from "./launches.ts";
import { cudaTarget, type CudaLimits } from "./target.ts";

/** Pointers of `struct Run`, in its order. */
const pointers = [
  ...["state", "workspace", "fleeting", "tokens", "targets", "order"],
  ...["factor", "stepSize", "epsilonScale", "losses", "step"],
] as const;
/** Where each of them lies on the device. */
export type Addresses = Readonly<Record<string, Pointer>>;

/** One launch as the driver is asked for it. */
export interface KernelLaunch {
  readonly kernel: string;
  readonly grid: Grid;
  readonly parameters: ArrayBuffer;
}

/** A step as it will be launched. */
export interface StepPlan {
  /** Floats of a lane's intermediate values. */
  readonly workspaceFloats: number;
  /** Floats of fleeting memory for each of the lanes that are worked on at once. */
  readonly fleetingFloats: number;
  readonly lanesAtOnce: number;
  /** Where a tensor lies in a lane's workspace, in floats. */
  rangeOf(name: Ref): { readonly begin: number; readonly floats: number };
  launches(setting: Omit<Setting, "lanes">, addresses: Addresses): readonly KernelLaunch[];
}

const isFleeting = ({ buffer }: Operand): boolean => buffer.isFleeting === true;

/** Consecutive lanes. */
interface LaneRange {
  readonly first: number;
  readonly count: number;
}
/** Splits lanes into even shares of at most `most`. */
function shares({ first, count }: LaneRange, most: number): readonly LaneRange[] {
  const each = Math.ceil(count / Math.max(1, Math.ceil(count / most)));
  return Array.from({ length: Math.ceil(count / each) }, (_, index) => ({
    first: first + index * each,
    count: Math.min(each, count - index * each),
  }));
}

/** Launch groups before the first that touches fleeting memory, from there to the last, and after it: those in the middle go with few lanes at a time. */
function stretchesOf(
  launchGroups: readonly LaunchGroup[],
): readonly [readonly LaunchGroup[], readonly LaunchGroup[], readonly LaunchGroup[]] {
  const touches = launchGroups.map((each) => temporaryOperandsOf(each).some(isFleeting));
  const [first, end] = [Math.max(0, touches.indexOf(true)), touches.lastIndexOf(true) + 1];
  return [launchGroups.slice(0, first), launchGroups.slice(first, end), launchGroups.slice(end)];
}

/** Plans a step; `names` are tensors that are to be found afterwards. */
export function planStep(
  program: Program,
  laneMemory: LaneMemory,
  limits: CudaLimits,
  purpose: Purpose,
  names: readonly Ref[] = [],
): StepPlan {
  const { trials, batch, context } = program.dims;
  const lowered = lower(program, cudaTarget(limits), laneMemory, purpose, names);
  const kept = new Set(names.flatMap((name) => lowered.buffers.get(name)?.buffer ?? []));
  const launchGroups = fuse(lowered.instructions, ({ buffer }) => kept.has(buffer));
  const operands = launchGroups.map(temporaryOperandsOf);
  const workspace = placeBuffers(
    operands.map((each) => each.filter((operand) => !isFleeting(operand))),
    kept,
  );
  const fleeting = placeBuffers(
    operands.map((each) => each.filter(isFleeting)),
    new Set(),
  );
  const laneLines = laneMemory.floats / layout.lineFloats;
  const [workspaceFloats, fleetingFloats] = [workspace.lines, fleeting.lines].map((lines) => lines * layout.lineFloats);
  const all: LaneRange = { first: 0, count: trials };
  const mostLanes = Math.max(1, Math.floor(limits.logitFloats / Math.max(1, fleetingFloats)));
  const lanesAtOnce = Math.min(trials, limits.lanes, mostLanes);

  const reference = (operand: Operand): number => {
    const { buffer, line } = operand;
    if (buffer.laneLine !== undefined) return buffer.laneLine + line;
    const [placed, before] = isFleeting(operand) ? [fleeting, laneLines + workspace.lines] : [workspace, laneLines];
    return before + (placed.firstLines.get(buffer) as number) + line;
  };
  const runWords = (addresses: Addresses, firstLane: number): Buffer => {
    const run = Buffer.alloc(8 * (pointers.length + 3) + 4 * 6);
    let at = 0;
    for (const name of pointers) at = run.writeBigUInt64LE(addresses[name], at);
    for (const floats of [laneMemory.floats, workspaceFloats, fleetingFloats]) at = run.writeBigInt64LE(BigInt(floats), at);
    for (const word of [laneLines, workspace.lines, batch * context, trials, firstLane, 0]) at = run.writeInt32LE(word, at);
    return run;
  };
  return {
    workspaceFloats,
    fleetingFloats,
    lanesAtOnce,
    rangeOf: (name) => {
      const operand = lowered.buffers.get(name);
      const firstLine = operand && workspace.firstLines.get(operand.buffer);
      invariant(operand && firstLine !== undefined, "inspect", `the program does not compute ${name}`);
      return { begin: (firstLine + operand.line) * layout.lineFloats, floats: operand.buffer.lines * layout.lineFloats };
    },
    launches: (setting, addresses) => {
      const launchesOf = (some: readonly LaunchGroup[], { first, count }: LaneRange): readonly KernelLaunch[] => {
        const run = runWords(addresses, first);
        return some.map((launchGroup) => {
          const launch = launchOf(launchGroup, { ...setting, lanes: count });
          const words = Int32Array.from(launchWords(launch, reference));
          const parameters = Uint8Array.from(Buffer.concat([run, new Uint8Array(words.buffer)])).buffer;
          return { kernel: launch.kernel, grid: [...launch.grid, count], parameters };
        });
      };
      const [before, meanwhile, after] = stretchesOf(launchGroups);
      const step = shares(all, limits.lanes).flatMap((lanes) => [
        ...launchesOf(before, lanes),
        ...shares(lanes, mostLanes).flatMap((few) => launchesOf(meanwhile, few)),
        ...launchesOf(after, lanes),
      ]);
      return [...step, ...launchesOf([[{ kind: "advance", padding: 0 }]], { first: 0, count: 1 })];
    },
  };
}

/** Memory of what is made in a step, in bytes, besides the state. */
export interface WorkingBytes {
  readonly workspace: number;
  readonly fleeting: number;
}
/** Memory that a step takes besides the state of its lanes. */
export const workingBytes = ({ workspaceFloats, fleetingFloats, lanesAtOnce }: StepPlan, lanes: number): WorkingBytes => ({
  workspace: 4 * lanes * workspaceFloats,
  fleeting: 4 * lanesAtOnce * fleetingFloats,
});
/** The two steps of a training, which never run at the same time, and memory that serves both. */
export interface RunPlan {
  readonly train: StepPlan;
  readonly evaluate: StepPlan;
  readonly bytes: WorkingBytes;
}
/** Plans the steps of a training, which share their memory. */
export function planRun(program: Program, laneMemory: LaneMemory, limits: CudaLimits): RunPlan {
  const [train, evaluate] = (["train", "evaluate"] as const).map((purpose) => planStep(program, laneMemory, limits, purpose));
  const [one, other] = [train, evaluate].map((plan) => workingBytes(plan, program.dims.trials));
  const bytes = { workspace: Math.max(one.workspace, other.workspace), fleeting: Math.max(one.fleeting, other.fleeting) };
  return { train, evaluate, bytes };
}
