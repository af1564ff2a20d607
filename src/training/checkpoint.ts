/**
 * Where a stack is in the middle of its training, as a file: weights and moments of
 * all lanes, the step, and each lane's record. Batches and initial weights are
 * functions of the seed and the step, so the step is the data cursor and the state of
 * all randomness as well. What is left of a run from here is bit for bit the same.
 */
import { z } from "zod";
import { decodeSealed, encodeSealed, type NamedTensor } from "../data/safetensors.ts";
import type { ParameterState } from "../engines/engine.ts";
import { hashOf } from "../hash.ts";
import { parametersOf } from "../model/config.ts";
import type { Ref } from "../program/ops.ts";
import { sizeOf } from "../program/program.ts";
import type { LaneSnapshot } from "./outcome.ts";
import { programOf, type Checkpoint, type StackJob } from "./train.ts";

const format = "mutransfer checkpoint 1";
const parts = ["weight", "firstMoment", "secondMoment"] as const satisfies readonly (keyof ParameterState)[];

const loss = z.number().nullable();
const lanesSchema = z.array(
  z.strictObject({
    curve: z.array(z.strictObject({ step: z.int(), validationLoss: loss, trainingLoss: loss })),
    lossSum: z.number(),
    lossCount: z.int(),
    divergedAt: z.int().nullable(),
  }),
) satisfies z.ZodType<readonly LaneSnapshot[]>;

/** What decides a stack's outcome: a checkpoint of anything else is of no use to it. `arithmetic` names engine and device. */
export function jobIdentity({ model, scaling, train, lanes, dataSeed, data }: StackJob, arithmetic: string): string {
  const counts = [data.train.count, data.validation.count];
  return hashOf({ model, scaling, train, lanes, dataSeed, counts, arithmetic });
}

/** Bytes of a checkpoint's arrays. */
export function checkpointBytes({ model, lanes }: Pick<StackJob, "model" | "lanes">): number {
  return parametersOf(model).reduce((sum, { shape }) => sum + 4 * parts.length * lanes.length * sizeOf(shape), 0);
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
  const scalars = [...state.scalars].map(([ref, data]): NamedTensor => ({ name: `scalar/${ref}`, shape: shapeOf(ref), data }));
  return encodeSealed([...scalars, ...tensors], { format, identity, step: String(state.step), lanes: JSON.stringify(lanes), ...labels });
}

/** A checkpoint of this job, or why the file is none. */
export function decodeCheckpoint(bytes: Buffer, identity: string, job: StackJob): Checkpoint | string {
  const content = decodeSealed(bytes);
  if (typeof content === "string") return content;
  const { metadata, tensors } = content;
  if (metadata["format"] !== format) return "it is no checkpoint of this version";
  if (metadata["identity"] !== identity) return "it is of another run, or of another engine";
  const step = Number(metadata["step"]);
  const lanes = lanesOf(metadata["lanes"] ?? "");
  if (!Number.isInteger(step) || step < 0 || step > job.train.steps || lanes?.length !== job.lanes.length) return incomplete;
  const { shapes, scalars } = programOf(job);
  const arrays = new Map(tensors.map(({ name, data }) => [name, data]));
  let isComplete = true;
  const array = (name: string, ref: Ref): Float32Array => {
    const data = arrays.get(name) ?? new Float32Array();
    if (data.length !== sizeOf(shapes.get(ref) ?? [])) isComplete = false;
    return data;
  };
  const parameters = parametersOf(job.model).map(({ name }) => {
    const [weight, firstMoment, secondMoment] = parts.map((part) => array(`${part}/${name}`, name));
    return [name, { weight, firstMoment, secondMoment }] as const;
  });
  const state = { step, scalars: new Map(scalars.map((ref) => [ref, array(`scalar/${ref}`, ref)])), parameters: new Map(parameters) };
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
