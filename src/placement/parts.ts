/**
 * What is timed of a training step that takes long: a part of it, and what share of the step
 * that part is. How much there is time for is timing.ts's business.
 */
import type { ModelConfig } from "../model/config.ts";
import { flopsPerStep, muonFlops, parameterCount } from "../model/counts.ts";
import type { Training } from "../training/train.ts";

type Shapes = Pick<Training, "model" | "train" | "lanes">;

/**
 * AdamW's update of a parameter takes about as long as so many FLOPs of matrix products: with native, 120 on one
 * core and 200 on two. It is no less for fewer tokens, so that a step of few is more than its share of the FLOPs.
 */
const updateFlops = 150;
/** A part has no more parameters than would leave it about so many FLOPs for each, or products would be of too few tokens. */
const flopsPerParameter = 1000;
/** Smaller vocabularies take no shorter. */
const leastVocabulary = 256;

/** What a step takes, in FLOPs of matrix products: those, and the updates. */
export function workOf({ model, train, lanes }: Shapes): number {
  const updates = updateFlops * parameterCount(model) + (train.muonMomentum === undefined ? 0 : muonFlops(model));
  return lanes.length * (flopsPerStep(model, train.batch) + updates);
}

/** The training with less in it until a step takes at most `most` (see workOf), and what share of the whole step that is. */
export function timedPart(training: Training, most: number): { readonly training: Training; readonly share: number } {
  let part = training;
  while (workOf(part) > most) {
    const hasManyParameters = flopsPerParameter * part.lanes.length * parameterCount(part.model) > most;
    const less = (hasManyParameters ? smaller(part) : undefined) ?? shorter(part) ?? smaller(part) ?? fewer(part);
    if (less === undefined) break;
    part = less;
  }
  return { training: part, share: workOf(part) / workOf(training) };
}

const halfOf = (count: number): number => Math.ceil(count / 2);

/** The same models on half of the sequences, or on sequences half as long. */
function shorter({ model, train, ...rest }: Training): Training | undefined {
  if (train.batch > 1) return { ...rest, model, train: { ...train, batch: halfOf(train.batch) } };
  return model.context > 1 ? { ...rest, train, model: { ...model, context: halfOf(model.context) } } : undefined;
}

/** Models of half of the blocks or of the vocabulary, whichever has more parameters, or of half the width. */
function smaller(training: Training): Training | undefined {
  const { model, scaling } = training;
  const { layers, width, vocabSize, mlpRatio, headDim, queriesPerKv = 1 } = model;
  const withModel = (less: Partial<ModelConfig>): Training => ({ ...training, model: { ...model, ...less } });
  const blocks = layers > 1 ? parameterCount(model) - parameterCount({ ...model, layers: 1 }) : 0;
  const tables = vocabSize > leastVocabulary ? 2 * width * vocabSize : 0;
  if (blocks > 0 || tables > 0)
    return withModel(blocks > tables ? { layers: halfOf(layers) } : { vocabSize: Math.max(leastVocabulary, halfOf(vocabSize)) });
  const half = width / 2;
  if (half % (headDim * queriesPerKv) !== 0 || !Number.isInteger(mlpRatio * half)) return undefined;
  return { ...withModel({ width: half }), scaling: { ...scaling, width: half } };
}

function fewer(training: Training): Training | undefined {
  const { lanes } = training;
  return lanes.length > 1 ? { ...training, lanes: lanes.slice(0, halfOf(lanes.length)) } : undefined;
}
