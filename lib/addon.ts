/** The native addon, typed. Everything here is internal: handles are opaque, meaning has been validated before. */
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FloatArray, Precision } from './contract.js';
import { InnerloopError } from './errors.js';

declare const brand: unique symbol;
type Handle<Name extends string> = { readonly [brand]: Name };
export type NativeModel = Handle<'model'>;
export type NativeStore = Handle<'store'>;
export type NativeFrame = Handle<'frame'>;
export type NativeBatch = Handle<'batch'>;
export type NativeAdapted = Handle<'adapted'>;
export type NativeToken = Handle<'token'>;

export interface NativeModelSpec {
  inputs: { name: string; kind: number; width: number; cardinality: number; pooling: number }[];
  hidden: number[];
  activation: number;
  loss: number;
  outputs: number;
  prior: 0 | 1;
}
export interface NativeColumn {
  side: number;
  dense?: FloatArray;
  ids?: Int32Array;
  offsets?: Int32Array;
}
export interface NativeRows {
  /** 2 × tasks + 1 row numbers: support of task t is [begin[2t], begin[2t + 1]), its query goes up to begin[2t + 2]. */
  begin: Int32Array;
  /** For each side of the frame, its row of every batch row. */
  sides: Int32Array[];
  labels?: FloatArray;
  /** Of the tasks in the meta-loss, summing to 1. Default: equal. */
  weights?: Float64Array;
}
export interface NativeInnerLoop {
  steps: number;
  order: 1 | 2;
  /** 0: gradient steps; 1: ridge regression of the last layer. */
  solver: 0 | 1;
  fast: Uint8Array;
  /** Rows added to the support count in the inner loss: L_S = Σ / (n + shrinkage). */
  shrinkage: number;
  /** 0: `rate`; 1: `rates[tensor]` by step; 2: `rates` is a store in the parameters' layout. */
  rateKind: 0 | 1 | 2;
  rate?: number;
  rates?: (FloatArray | undefined)[] | NativeStore;
}
export interface NativeOptimizer {
  /** 0: SGD; 1: Adam. */
  kind: 0 | 1;
  learningRate: number;
  momentum: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  clipNorm: number;
  weightDecay: Float64Array;
  l2: Float64Array;
}
export interface NativeCall {
  store: NativeStore;
  batch: NativeBatch;
  inner: NativeInnerLoop;
  threads: number;
  token?: NativeToken;
}
export interface NativeState {
  values: FloatArray;
  firstMoment: FloatArray;
  secondMoment: FloatArray;
  touched: Float64Array;
  step: number;
}
/** Query loss of every task, their mean, and gradients by tensor. */
export interface NativeGradient {
  loss: number;
  taskLosses: Float64Array;
  gradient: FloatArray[];
  rateGradient?: FloatArray[];
}
export interface NativeStep {
  loss: number;
  gradientNorm: number;
  taskLosses: Float64Array;
  /** Per-tensor-per-step rates: their gradient, for the caller to apply. */
  rateGradient?: FloatArray[];
}
export const META_GRADIENT = 0;
export const REPTILE = 1;

export interface NativeOperations {
  createModel(spec: NativeModelSpec): NativeModel;
  describeModel(model: NativeModel): { name: string; shape: number[]; embedding: boolean }[];
  createStore(model: NativeModel): NativeStore;
  writeTensor(store: NativeStore, tensor: number, data: FloatArray): void;
  readTensor(store: NativeStore, tensor: number): FloatArray;
  readState(store: NativeStore): NativeState;
  writeState(store: NativeStore, state: NativeState): void;
  createFrame(model: NativeModel, frame: { sides: number[]; columns: NativeColumn[] }): NativeFrame;
  createBatch(model: NativeModel, frame: NativeFrame, rows: NativeRows): NativeBatch;
  metaGradient(options: NativeCall & { direction: 0 | 1 }): Promise<NativeGradient>;
  trainStep(
    options: NativeCall & { direction: 0 | 1; optimizer: NativeOptimizer; rateOptimizer?: NativeOptimizer },
  ): Promise<NativeStep>;
  adapt(options: NativeCall): Promise<NativeAdapted[]>;
  readAdapted(adapted: NativeAdapted, store: NativeStore): (FloatArray | undefined)[];
  predict(
    options: NativeCall & { adapted?: NativeAdapted; before: boolean; after: boolean },
  ): Promise<{ before?: FloatArray; after?: FloatArray }>;
  hessianVectorProduct(
    options: NativeCall & { vector: NativeStore },
  ): Promise<{ loss: number; gradient: FloatArray[]; product: FloatArray[] }>;
  applyActivation(activation: number, x: FloatArray): FloatArray;
  /** Operations a second of one thread's fused multiply-adds; a multiply-add is two. */
  measurePeak(): Promise<number>;
}

export interface NativeAddon {
  /** Instruction set in use: the best this machine has, or what INNERLOOP_ISA names. */
  isa: string;
  /** Instruction sets this machine can run, best first. */
  isas: string[];
  hardwareThreads: number;
  createToken(): NativeToken;
  abortToken(token: NativeToken): void;
  float32: NativeOperations;
  float64: NativeOperations;
}

let loaded: NativeAddon | undefined;

/** Loads the addon on first use, so that importing the package never fails. */
export function addon(): NativeAddon {
  return (loaded ??= load());
}

export function operations(precision: Precision): NativeOperations {
  return addon()[precision];
}

function load(): NativeAddon {
  const require = createRequire(import.meta.url);
  const root = packageRoot();
  try {
    const gypBuild = require('node-gyp-build') as (directory: string) => NativeAddon;
    return gypBuild(root);
  } catch (cause) {
    if (isUnsupported(cause)) {
      throw new InnerloopError('UNSUPPORTED', cause.message, { field: 'INNERLOOP_ISA', cause });
    }
    throw new InnerloopError('NATIVE', `no native core for ${process.platform}-${process.arch} could be loaded from ${root}`, {
      expected: 'a prebuilt binary, or one built with: npm i -D cmake-js node-addon-api && npx cmake-js build -d node_modules/innerloop',
      cause,
    });
  }
}

function isUnsupported(error: unknown): error is Error {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'UNSUPPORTED';
}

/** The folder of this package: compiled files lie two levels below it, sources one. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** Runs a native call under an AbortSignal; failures become InnerloopError. @param nameTask names a task by its position */
export async function runNative<R>(
  signal: AbortSignal | undefined,
  start: (token: NativeToken | undefined) => Promise<R>,
  nameTask: (task: number) => string = (task) => `task ${task}`,
): Promise<R> {
  if (signal === undefined) return settle(() => start(undefined), undefined, nameTask);
  if (signal.aborted) throw aborted(signal);
  const token = addon().createToken();
  const release = onAbort(signal, token);
  try {
    return await settle(() => start(token), signal, nameTask);
  } finally {
    release();
  }
}

/** The calls that wait on a signal, and its one listener: Node warns of more than ten. */
const waitingOn = new WeakMap<AbortSignal, { tokens: Set<NativeToken>; abort: () => void }>();

function onAbort(signal: AbortSignal, token: NativeToken): () => void {
  let waiting = waitingOn.get(signal);
  if (waiting === undefined) {
    const tokens = new Set<NativeToken>();
    waiting = { tokens, abort: () => tokens.forEach((each) => addon().abortToken(each)) };
    waitingOn.set(signal, waiting);
  }
  const { tokens, abort } = waiting;
  if (tokens.size === 0) signal.addEventListener('abort', abort, { once: true });
  tokens.add(token);
  return () => {
    tokens.delete(token);
    if (tokens.size === 0) signal.removeEventListener('abort', abort);
  };
}

async function settle<R>(start: () => Promise<R>, signal: AbortSignal | undefined, nameTask: (task: number) => string): Promise<R> {
  try {
    return await start();
  } catch (error) {
    const { code, message, task } = error as { code?: string; message: string; task?: number };
    if (code === 'ABORTED' && signal !== undefined) throw aborted(signal);
    if (code === 'DIVERGED') {
      const where = task === undefined ? undefined : nameTask(task);
      throw new InnerloopError('DIVERGED', message, { field: where, expected: 'finite numbers: try a smaller learning rate or fewer steps', cause: error });
    }
    throw nativeError(error);
  }
}

/** The typed form of an error that the native core threw. */
export function nativeError(error: unknown): unknown {
  if (error instanceof InnerloopError) return error;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'INVALID_OPTION' || code === 'UNSUPPORTED') return new InnerloopError(code, message ?? '', { cause: error });
  return new InnerloopError('NATIVE', message ?? String(error), { cause: error });
}

function aborted(signal: AbortSignal): InnerloopError {
  return new InnerloopError('ABORTED', 'the operation was aborted', { cause: signal.reason });
}
