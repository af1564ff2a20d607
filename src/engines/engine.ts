/**
 * The contract every engine fulfils, on one screen. An engine compiles a Program
 * and receives numbers only: it knows no hyperparameter, width rule or file.
 * Arrays are row-major, in the program's shapes, trial axis N first.
 */
import { cpus, totalmem } from "node:os";
import type { Ref } from "../program/ops.ts";
import type { PartsOf, Program } from "../program/program.ts";

/** What executes programs on one device. */
export interface Engine {
  readonly name: EngineName;
  /** Package and version that does the arithmetic. */
  readonly version: string;
  readonly device: Device;
  /** Builds the executable form of a step. */
  compile(program: Program, options: CompileOptions): Promise<Executable>;
}

/** Where an engine computes. */
export interface Device {
  readonly kind: "cpu" | "gpu";
  readonly name: string;
  readonly memoryBytes: number;
  /** Largest single tensor, where there is a limit besides the memory. */
  readonly tensorBytes?: number;
  /** What the engine rounds the operands of matrix products to when `mixed` is asked for; absent when it makes no difference. */
  readonly mixedProducts?: string;
  /** What to know before relying on the engine here, such as why it is slower than it could be; a sentence that goes on after its name. */
  readonly remark?: string;
}

/** The machine's own processors. */
export const cpuDevice = (): Device => ({ kind: "cpu", name: cpus()[0]?.model.trim() ?? "unknown", memoryBytes: totalmem() });

/** Memory that a step takes. */
export interface Footprint {
  readonly bytes: number;
  readonly largestTensorBytes: number;
}

/** `mixed`: matrix products of rounded operands with float32 sums, where the engine has them; all else is float32. */
export const precisions = ["float32", "mixed"] as const;
/** What a spec asks for of the arithmetic of matrix products. */
export type Precision = (typeof precisions)[number];

/** How a program is to be executed. */
export interface CompileOptions {
  /** How many cores one call may use. */
  readonly threads: number;
  readonly precision: Precision;
}

/** A program that can be run, with a state of its own. */
export interface Executable {
  /** Replaces the whole state. */
  load(state: State): void;
  /** Copies the state out, as it is after the last step; of the parameters only those named, where some are. */
  read(parameters?: readonly Ref[]): Promise<State>;
  /** Runs the steps of `chunk` in order, updating the state; returns losses [K, N] in nats, each before its update. */
  train(chunk: TrainChunk): Promise<Float32Array>;
  /** Losses [K, N] in nats of K batches under the present weights. */
  evaluate(batches: Batches): Promise<Float32Array>;
  /** Runs one forward and backward pass without an update and returns the named tensors. */
  inspect(batch: Batches, names: readonly Ref[]): Promise<ReadonlyMap<Ref, Float32Array>>;
  dispose(): Promise<void>;
}

/** What engines need to know of the process they run in. */
export interface Host {
  /** Folder for what is made once and kept, such as compiled libraries. */
  readonly cache: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Tells the user what takes long. */
  readonly say?: (line: string) => void;
}

/** K batches of token ids, each [K, B, T]; `targets` are the tokens that follow. */
export interface Batches {
  readonly count: number;
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

/** K batches to train on, with what their steps need to know. */
export interface TrainChunk extends Batches {
  /** Schedule factor of each step, (K,). */
  readonly factors: Float32Array;
}

/** Everything that training changes, and the program's scalars. */
export interface State {
  /** Updates made so far: the next one is step + 1. */
  readonly step: number;
  /** (N,) values of the program's scalars. */
  readonly scalars: ReadonlyMap<Ref, Float32Array>;
  readonly parameters: ReadonlyMap<Ref, ParameterState>;
}

/** One parameter of all trials, [N, …] each: its weight and, by the names of `slots`, what its update keeps. */
export type ParameterState = PartsOf<Float32Array>;

/** In the order in which they are considered: GPUs first, from the fastest on. */
export const engineNames = ["cuda", "tfjs", "webgpu", "native", "onnxruntime"] as const;
/** An engine by the name that specs, records and options have for it. */
export type EngineName = (typeof engineNames)[number];

/** Thrown by an engine that cannot run here: says which piece is missing. */
export class EngineUnavailable extends Error {}
