/**
 * Where a stack is in the middle of its training, as a file: weights and moments of
 * all lanes, the step, and each lane's record. Scalars follow from the job; batches and
 * initial weights are functions of the seed and the step, so the step is the data cursor
 * and the state of all randomness as well. What is left of a run from here is bit for bit the same.
 */
import { decodeSealed, encodeSealed, type NamedTensor } from "../data/safetensors.ts";
import type { ParameterState, State } from "../engines/engine.ts";
import { hashOf } from "../hash.ts";
import { parametersOf } from "../model/config.ts";
import type { Ref } from "../program/ops.ts";
import type { LaneSnapshot } from "./outcome.ts";
import { initialScalars } from "./initialize.ts";
import { programOf, type Checkpoint, type StackJob } from "./train.ts";

const format = "mutransfer checkpoint 1";
const parts = ["weight", "firstMoment", "secondMoment"] as const satisfies readonly (keyof ParameterState)[];

/** What decides a stack's outcome: a checkpoint of anything else is of no use to it. `arithmetic` names engine and device. */
export function jobIdentity({ model, scaling, train, lanes, dataSeed, data }: StackJob, arithmetic: string): string {
  const counts = [data.train.count, data.validation.count];
  return hashOf({ model, scaling, train, lanes, dataSeed, counts, arithmetic });
}

/** Bytes of a checkpoint's arrays. */
export function checkpointBytes(job: StackJob): number {
  const { shapes, parameters } = programOf(job);
  return parameters.reduce((sum, ref) => sum + 4 * parts.length * (shapes.get(ref) ?? []).reduce((a, b) => a * b, 1), 0);
}

/** The file's pieces; `labels` go into its metadata. */
export function encodeCheckpoint(
  { state, lanes }: Checkpoint,
  identity: string,
  labels: Readonly<Record<string, string>>,
  shapeOf: (ref: Ref) => readonly number[],
): readonly Uint8Array[] {
  const tensors = [...state.parameters].flatMap(([ref, arrays]) =>
    parts.map((part): NamedTensor => ({ name: `${part}/${ref}`, shape: shapeOf(ref), data: arrays[part] })),
  );
  return encodeSealed(tensors, { format, identity, step: String(state.step), lanes: JSON.stringify(lanes), ...labels });
}

/** A checkpoint of this job, or why the file is none. */
export function decodeCheckpoint(bytes: Buffer, identity: string, job: StackJob): Checkpoint | string {
  const content = decodeSealed(bytes);
  if (typeof content === "string") return content;
  const { metadata, tensors } = content;
  if (metadata["format"] !== format) return "it is no checkpoint of this version";
  if (metadata["identity"] !== identity) return "it is of another run, or of another engine";
  // The seal holds from here on: what follows was written by encodeCheckpoint for this very job.
  const arrays = new Map(tensors.map(({ name, data }) => [name, data]));
  const array = (name: string): Float32Array => arrays.get(name) ?? new Float32Array();
  const parameters = parametersOf(job.model).map(
    ({ name }) =>
      [
        name,
        { weight: array(`weight/${name}`), firstMoment: array(`firstMoment/${name}`), secondMoment: array(`secondMoment/${name}`) },
      ] as const,
  );
  return {
    state: {
      step: Number(metadata["step"]),
      scalars: scalarsOfJob(job),
      parameters: new Map(parameters),
    },
    lanes: JSON.parse(metadata["lanes"] ?? "[]") as readonly LaneSnapshot[],
  };
}

const scalarsOfJob = (job: StackJob): State["scalars"] => initialScalars(job.model, job.scaling, job.lanes, programOf(job).scalars);

/** Each lane's part of a stack's checkpoint, as if it had trained alone. */
export function partCheckpoint({ state, lanes }: Checkpoint, job: StackJob): readonly Checkpoint[] {
  return lanes.map((snapshot, lane) => {
    const part = (array: Float32Array): Float32Array =>
      array.subarray((array.length / lanes.length) * lane, (array.length / lanes.length) * (lane + 1));
    return {
      state: {
        step: state.step,
        scalars: scalarsOfJob({ ...job, lanes: [job.lanes[lane]] }),
        parameters: mapParameters(state, (arrays) => (name) => part(arrays[name])),
      },
      lanes: [snapshot],
    };
  });
}

/** Checkpoints of single lanes as one of a stack; undefined when there are none or their steps differ. */
export function joinCheckpoints(parts: readonly Checkpoint[], job: StackJob): Checkpoint | undefined {
  const [first] = parts;
  if (first === undefined || parts.some(({ state }) => state.step !== first.state.step)) return undefined;
  const joined = (ref: Ref, name: keyof ParameterState): Float32Array => {
    const arrays = parts.map(({ state }) => (state.parameters.get(ref) as ParameterState)[name]);
    const all = new Float32Array(arrays[0].length * arrays.length);
    arrays.forEach((array, lane) => all.set(array, lane * array.length));
    return all;
  };
  return {
    state: {
      step: first.state.step,
      scalars: scalarsOfJob(job),
      parameters: mapParameters(first.state, (_, ref) => (name) => joined(ref, name)),
    },
    lanes: parts.flatMap(({ lanes }) => lanes),
  };
}

function mapParameters(
  { parameters }: State,
  map: (arrays: ParameterState, ref: Ref) => (name: keyof ParameterState) => Float32Array,
): State["parameters"] {
  return new Map(
    [...parameters].map(([ref, arrays]) => {
      const of = map(arrays, ref);
      return [ref, { weight: of("weight"), firstMoment: of("firstMoment"), secondMoment: of("secondMoment") }];
    }),
  );
}
