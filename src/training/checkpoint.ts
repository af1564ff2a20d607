/**
 * Where a stack is in the middle of its training, as a file: weights and moments of
 * all lanes, the step, and each lane's record. Scalars follow from the training; batches and
 * initial weights are functions of the seed and the step, so the step is the data cursor
 * and the state of all randomness as well. What is left of a run from here is bit for bit the same.
 */
import { z } from "zod";
import { decodeSealed, encodeSealed, type NamedTensor } from "../data/safetensors.ts";
import type { ParameterState, State } from "../engines/engine.ts";
import { hashOf } from "../hash.ts";
import { stateFloats } from "../model/step.ts";
import type { Ref } from "../program/ops.ts";
import { mapParts, partsOf, shapeOf, sizeOf } from "../program/program.ts";
import { initialScalars } from "./initialize.ts";
import { isLoss, type CurvePoint, type LaneSnapshot } from "./outcome.ts";
import { programOf, type Checkpoint, type Training } from "./train.ts";

const format = "mutransfer checkpoint 1";

const loss = z.number().refine(isLoss).nullable();
const step = z.int().nonnegative();
const isAscending = (curve: readonly CurvePoint[]): boolean =>
  curve.every((point, index) => index === 0 || point.step > curve[index - 1].step);
const lanesSchema = z.array(
  z.strictObject({
    curve: z.array(z.strictObject({ step, validationLoss: loss, trainingLoss: loss })).refine(isAscending),
    lossSum: z.number(),
    lossCount: step,
    divergedAt: step.nullable(),
  }),
) satisfies z.ZodType<readonly LaneSnapshot[]>;

/** What decides a stack's outcome: a checkpoint of anything else is of no use to it. `arithmetic` names engine and device. */
export function trainingIdentity({ model, scaling, train, lanes, dataSeed, data }: Training, arithmetic: string): string {
  const counts = [data.train.count, data.validation.count];
  // Checkpoints of older versions are found by these names.
  const named = lanes.map(({ seed, hyperparameters }) => ({ seed, hps: hyperparameters }));
  return hashOf({ model, scaling, train, lanes: named, dataSeed, counts, arithmetic });
}

/** Bytes of a checkpoint's arrays. */
export function checkpointBytes({ model, train, lanes }: Pick<Training, "model" | "train" | "lanes">): number {
  return 4 * lanes.length * stateFloats(model, train);
}

/** The file's pieces; `labels` go into its metadata. */
export function encodeCheckpoint(
  { state, lanes }: Checkpoint,
  identity: string,
  labels: Readonly<Record<string, string>>,
  shapeOfTensor: (ref: Ref) => readonly number[],
): readonly Uint8Array[] {
  const tensors = [...state.parameters].flatMap(([ref, arrays]) =>
    Object.entries(arrays).map(([part, data]): NamedTensor => ({ name: `${part}/${ref}`, shape: shapeOfTensor(ref), data })),
  );
  return encodeSealed(tensors, { format, identity, step: String(state.step), lanes: JSON.stringify(lanes), ...labels });
}

/** A checkpoint of this training, or why the file is none. */
export function decodeCheckpoint(bytes: Buffer, identity: string, training: Training): Checkpoint | string {
  const content = decodeSealed(bytes);
  if (typeof content === "string") return content;
  const { metadata, tensors } = content;
  if (metadata["format"] !== format) return "it is no checkpoint of this version";
  if (metadata["identity"] !== identity) return "it is of another run, or of another engine";
  const step = Number(metadata["step"]);
  const lanes = lanesOf(metadata["lanes"] ?? "");
  if (!Number.isInteger(step) || step < 0 || step > training.train.steps || lanes?.length !== training.lanes.length) return incomplete;
  if (lanes.some((lane) => Math.max(lane.curve.at(-1)?.step ?? 0, lane.divergedAt ?? 0) > step)) return incomplete;
  const program = programOf(training);
  const arrays = new Map(tensors.map(({ name, data }) => [name, data]));
  let isComplete = true;
  const array = (name: string, ref: Ref): Float32Array => {
    const data = arrays.get(name) ?? new Float32Array();
    if (data.length !== sizeOf(shapeOf(program, ref))) isComplete = false;
    return data;
  };
  const parameters = program.parameters.map((ref) => [ref, partsOf(program, ref, (part) => array(`${part}/${ref}`, ref))] as const);
  const state = { step, scalars: scalarsFor(training), parameters: new Map(parameters) };
  return isComplete ? { state, lanes } : incomplete;
}

const incomplete = "it does not hold what a checkpoint of this run holds";

function lanesOf(text: string): readonly LaneSnapshot[] | undefined {
  try {
    return lanesSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const scalarsFor = (training: Training): State["scalars"] =>
  initialScalars(training.model, training.scaling, training.lanes, programOf(training).scalars);

/** Each lane's part of a stack's checkpoint, as if it had trained alone. */
export function partCheckpoint({ state, lanes }: Checkpoint, training: Training): readonly Checkpoint[] {
  return lanes.map((snapshot, lane) => {
    const part = (array: Float32Array): Float32Array =>
      array.subarray((array.length / lanes.length) * lane, (array.length / lanes.length) * (lane + 1));
    return {
      state: {
        step: state.step,
        scalars: scalarsFor({ ...training, lanes: [training.lanes[lane]] }),
        parameters: mapParameters(state, part),
      },
      lanes: [snapshot],
    };
  });
}

/** Checkpoints of single lanes as one of a stack; undefined when there are none or their steps differ. */
export function joinCheckpoints(parts: readonly Checkpoint[], training: Training): Checkpoint | undefined {
  const [first] = parts;
  if (first === undefined || parts.some(({ state }) => state.step !== first.state.step)) return undefined;
  const joined = (ref: Ref, name: string): Float32Array => {
    const arrays = parts.map(({ state }) => (state.parameters.get(ref) as ParameterState)[name]);
    const all = new Float32Array(arrays[0].length * arrays.length);
    arrays.forEach((array, lane) => all.set(array, lane * array.length));
    return all;
  };
  return {
    state: {
      step: first.state.step,
      scalars: scalarsFor(training),
      parameters: mapParameters(first.state, (_, ref, name) => joined(ref, name)),
    },
    lanes: parts.flatMap(({ lanes }) => lanes),
  };
}

function mapParameters({ parameters }: State, map: (array: Float32Array, ref: Ref, name: string) => Float32Array): State["parameters"] {
  return new Map([...parameters].map(([ref, arrays]) => [ref, mapParts(arrays, (array, name) => map(array, ref, name))]));
}
