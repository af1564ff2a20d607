/**
 * One step planned: what is launched, in which order and for which lanes, and where
 * everything lies. Nothing here touches a device: addresses come in as numbers.
 */
import { invariant } from "../../errors.ts";
import type { Ref } from "../../program/ops.ts";
import type { Program } from "../../program/program.ts";
import type { Operand } from "../lowered/instructions.ts";
import type { Lane } from "../lowered/lane.ts";
import { lower } from "../lowered/lower.ts";
import type { Purpose } from "../lowered/lowering.ts";
import { placeBuffers } from "../lowered/memory.ts";
import type { Grid, Pointer } from "./driver.ts";
import { layout } from "./fields.ts";
import { fuse, placedIn, type Group } from "./fuse.ts";
import { launchOf, launchWords, type Setting } from "./launches.ts";
import { cudaTarget, type Limits } from "./target.ts";

/** Pointers of `struct Run`, in its order. */
const pointers = [
  ...["state", "workspace", "fleeting", "tokens", "targets", "order"],
  ...["factor", "stepSize", "epsilonScale", "losses", "step"],
] as const;
export type Addresses = Readonly<Record<string, Pointer>>;

export interface KernelLaunch {
  readonly kernel: string;
  readonly grid: Grid;
  readonly parameters: ArrayBuffer;
}

export interface StepPlan {
  /** Floats of a lane's intermediate values. */
  readonly workspaceFloats: number;
  /** Floats of what is fleeting, of each of the lanes that are worked on at once. */
  readonly fleetingFloats: number;
  readonly lanesAtOnce: number;
  /** Where a tensor lies in a lane's workspace, in floats. */
  placeOf(name: Ref): { readonly begin: number; readonly floats: number };
  launches(setting: Omit<Setting, "lanes">, addresses: Addresses): readonly KernelLaunch[];
}

const isFleeting = ({ buffer }: Operand): boolean => buffer.isFleeting === true;

/** Some lanes, one after the other. */
interface Lanes {
  readonly first: number;
  readonly count: number;
}
/** Even shares of at most so many lanes. */
function shares({ first, count }: Lanes, most: number): readonly Lanes[] {
  const each = Math.ceil(count / Math.max(1, Math.ceil(count / most)));
  return Array.from({ length: Math.ceil(count / each) }, (_, index) => ({
    first: first + index * each,
    count: Math.min(each, count - index * each),
  }));
}

/** What touches fleeting memory, and all in between, goes with few lanes at a time: before, meanwhile and after. */
function stretchesOf(groups: readonly Group[]): readonly [readonly Group[], readonly Group[], readonly Group[]] {
  const touches = groups.map((group) => placedIn(group).some(isFleeting));
  const [first, end] = [Math.max(0, touches.indexOf(true)), touches.lastIndexOf(true) + 1];
  return [groups.slice(0, first), groups.slice(first, end), groups.slice(end)];
}

/** Plans a step; `names` are tensors that are to be found afterwards. */
export function planStep(program: Program, lane: Lane, limits: Limits, purpose: Purpose, names: readonly Ref[] = []): StepPlan {
  const { trials, batch, context } = program.dims;
  const lowered = lower(program, cudaTarget(limits), lane, purpose, names);
  const kept = new Set(names.flatMap((name) => lowered.buffers.get(name)?.buffer ?? []));
  const groups = fuse(lowered.instructions, ({ buffer }) => kept.has(buffer));
  const operands = groups.map(placedIn);
  const workspace = placeBuffers(
    operands.map((each) => each.filter((operand) => !isFleeting(operand))),
    kept,
  );
  const fleeting = placeBuffers(
    operands.map((each) => each.filter(isFleeting)),
    new Set(),
  );
  const laneLines = lane.floats / layout.lineFloats;
  const [workspaceFloats, fleetingFloats] = [workspace.lines, fleeting.lines].map((lines) => lines * layout.lineFloats);
  const all: Lanes = { first: 0, count: trials };
  const mostLanes = Math.max(1, Math.floor(limits.logitFloats / Math.max(1, fleetingFloats)));
  const lanesAtOnce = Math.min(trials, limits.lanes, mostLanes);

  const reference = (operand: Operand): number => {
    const { buffer, line } = operand;
    if (buffer.lanePosition !== undefined) return buffer.lanePosition + line;
    const [place, before] = isFleeting(operand) ? [fleeting, laneLines + workspace.lines] : [workspace, laneLines];
    return before + (place.position.get(buffer) as number) + line;
  };
  const runWords = (addresses: Addresses, firstLane: number): Buffer => {
    const run = Buffer.alloc(8 * (pointers.length + 3) + 4 * 6);
    let at = 0;
    for (const name of pointers) at = run.writeBigUInt64LE(addresses[name], at);
    for (const floats of [lane.floats, workspaceFloats, fleetingFloats]) at = run.writeBigInt64LE(BigInt(floats), at);
    for (const word of [laneLines, workspace.lines, batch * context, trials, firstLane, 0]) at = run.writeInt32LE(word, at);
    return run;
  };
  return {
    workspaceFloats,
    fleetingFloats,
    lanesAtOnce,
    placeOf: (name) => {
      const operand = lowered.buffers.get(name);
      const position = operand && workspace.position.get(operand.buffer);
      invariant(operand && position !== undefined, "inspect", `the program does not compute ${name}`);
      return { begin: (position + operand.line) * layout.lineFloats, floats: operand.buffer.lines * layout.lineFloats };
    },
    launches: (setting, addresses) => {
      const launchesOf = (some: readonly Group[], { first, count }: Lanes): readonly KernelLaunch[] => {
        const run = runWords(addresses, first);
        return some.map((group) => {
          const launch = launchOf(group, { ...setting, lanes: count });
          const words = Int32Array.from(launchWords(launch, reference));
          const parameters = Uint8Array.from(Buffer.concat([run, new Uint8Array(words.buffer)])).buffer;
          return { kernel: launch.kernel, grid: [...launch.grid, count], parameters };
        });
      };
      const [before, meanwhile, after] = stretchesOf(groups);
      const step = shares(all, limits.lanes).flatMap((lanes) => [
        ...launchesOf(before, lanes),
        ...shares(lanes, mostLanes).flatMap((few) => launchesOf(meanwhile, few)),
        ...launchesOf(after, lanes),
      ]);
      return [...step, ...launchesOf([[{ kind: "advance", padding: 0 }]], { first: 0, count: 1 })];
    },
  };
}

/** Memory of what is made in a step, besides the state. */
export interface WorkingBytes {
  readonly workspace: number;
  readonly fleeting: number;
}
export const workingBytes = ({ workspaceFloats, fleetingFloats, lanesAtOnce }: StepPlan, lanes: number): WorkingBytes => ({
  workspace: 4 * lanes * workspaceFloats,
  fleeting: 4 * lanesAtOnce * fleetingFloats,
});
/** The steps of a training run, which never run at the same time, and memory that serves both. */
export interface RunPlan {
  readonly train: StepPlan;
  readonly evaluate: StepPlan;
  readonly bytes: WorkingBytes;
}
export function planRun(program: Program, lane: Lane, limits: Limits): RunPlan {
  const [train, evaluate] = (["train", "evaluate"] as const).map((purpose) => planStep(program, lane, limits, purpose));
  const [one, other] = [train, evaluate].map((plan) => workingBytes(plan, program.dims.trials));
  const bytes = { workspace: Math.max(one.workspace, other.workspace), fleeting: Math.max(one.fleeting, other.fleeting) };
  return { train, evaluate, bytes };
}
