import type { NativeOptimizer } from '../foundation/addon.js';
import { checkNumber, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { FloatArray } from '../foundation/contract.js';
import { selectTensors } from './inner-loop.js';
import type { Model } from '../model/model.js';

export interface OptimizerOptions {
  /** Default 0.001 (Adam), 0.01 (SGD). */
  learningRate?: number;
  /** `constant`, or falling to 0 over the epochs: `linear`, `cosine`. Default `constant`. */
  schedule?: 'constant' | 'linear' | 'cosine';
  /**
   * Decoupled weight decay: each step takes rate × decay × parameter away; embedding rows decay when they are touched.
   * One number, or numbers by parameter name with `*` at the end matching any rest (the last match counts). Default 0.
   */
  weightDecay?: number | Record<string, number>;
  /**
   * Adds l2 / 2 · ‖parameters‖² to the loss of every step, in the same form; an embedding row that was not touched for some
   * steps gets their share with its next one, so that rare items are held to 0 as a fixed prior would hold them. Default 0.
   */
  l2?: number | Record<string, number>;
  /**
   * Longest row (Euclidean norm) of an embedding table: rows that a step makes longer are scaled back. One number for all
   * tables, or numbers by parameter name as above. Default: no limit.
   */
  maxNorm?: number | Record<string, number>;
  /** The gradient is scaled down to this norm where it is longer. Default: no clipping. */
  clipNorm?: number;
}
export interface AdamOptions extends OptimizerOptions {
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
}
export interface SgdOptions extends OptimizerOptions {
  /** Default 0. */
  momentum?: number;
}

/** The outer optimizer: plain data, made by `adam` or `sgd`. */
export interface Optimizer {
  readonly name: 'adam' | 'sgd';
  readonly learningRate: number;
  readonly schedule: 'constant' | 'linear' | 'cosine';
  readonly weightDecay: number | Readonly<Record<string, number>>;
  readonly l2: number | Readonly<Record<string, number>>;
  /** 0 is no limit. */
  readonly maxNorm: number | Readonly<Record<string, number>>;
  readonly clipNorm: number | undefined;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly momentum: number;
}

/** Kingma & Ba 2015. */
const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

const COMMON = ['learningRate', 'schedule', 'weightDecay', 'l2', 'maxNorm', 'clipNorm'];

/** Adam (Kingma & Ba 2015) with decoupled weight decay; embedding rows are updated when a batch touches them. */
export function adam(options: AdamOptions = {}): Optimizer {
  checkObject(options, 'adam', [...COMMON, 'beta1', 'beta2', 'epsilon']);
  const { learningRate = 1e-3, beta1 = ADAM.beta1, beta2 = ADAM.beta2, epsilon = ADAM.epsilon } = options;
  checkDecay(beta1, 'adam.beta1');
  checkDecay(beta2, 'adam.beta2');
  checkNumber(epsilon, 'adam.epsilon', 0, undefined, true);
  return { name: 'adam', ...common('adam', options, learningRate), beta1, beta2, epsilon, momentum: 0 };
}

/** Stochastic gradient descent with momentum. */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkObject(options, 'sgd', [...COMMON, 'momentum']);
  const { learningRate = 1e-2, momentum = 0 } = options;
  checkDecay(momentum, 'sgd.momentum');
  return { name: 'sgd', ...common('sgd', options, learningRate), beta1: 0, beta2: 0, epsilon: 0, momentum };
}

export const OPTIMIZERS = { adam, sgd } as const;

function checkDecay(value: number, field: string): void {
  checkNumber(value, field, 0);
  if (value >= 1) throw invalid(field, 'not below 1', value, 'a number ≥ 0 and < 1');
}

function common(name: string, options: OptimizerOptions, learningRate: number) {
  const { schedule = 'constant', weightDecay = 0, l2 = 0, maxNorm = 0, clipNorm } = options;
  checkNumber(learningRate, `${name}.learningRate`, 0, undefined, true);
  checkOneOf(schedule, `${name}.schedule`, ['constant', 'linear', 'cosine']);
  if (clipNorm !== undefined) checkNumber(clipNorm, `${name}.clipNorm`, 0, undefined, true);
  checkByName(weightDecay, `${name}.weightDecay`);
  checkByName(l2, `${name}.l2`);
  checkByName(maxNorm, `${name}.maxNorm`);
  return { learningRate, schedule, weightDecay, l2, maxNorm, clipNorm };
}

type ByName = number | Readonly<Record<string, number>>;

function checkByName(values: ByName, field: string): void {
  if (typeof values === 'number') return checkNumber(values, field, 0);
  if (typeof values !== 'object' || values === null)
    throw invalid(field, 'not a strength', values, 'a number, or numbers by parameter name');
  for (const [key, value] of Object.entries(values)) checkNumber(value, `${field}.${key}`, 0);
}

/** One value a tensor; of several matching names the last counts. */
function byTensor(values: ByName, model: Model, field: string): Float64Array {
  const result = new Float64Array(model.tensors.length);
  if (typeof values === 'number') return result.fill(values);
  for (const [pattern, value] of Object.entries(values)) {
    selectTensors(model, [pattern], field).forEach((selected, t) => selected === 1 && (result[t] = value));
  }
  return result;
}

/** Of tables alone: a number means all of them, a name must be one. */
function maxNormOf({ maxNorm }: Optimizer, model: Model): Float64Array {
  const field = 'optimizer.maxNorm';
  const limits = byTensor(maxNorm, model, field);
  model.tensors.forEach(({ name, embedding }, t) => {
    if (embedding || limits[t] === 0) return;
    if (typeof maxNorm !== 'number')
      throw invalid(field, `${name} is not an embedding table`, maxNorm, 'names of embedding tables');
    limits[t] = 0;
  });
  return limits;
}

/** The outer rate when a share of the training is done. @param progress 0 ≤ progress < 1 @internal */
export function scheduledRate({ learningRate, schedule }: Optimizer, progress: number): number {
  const factor =
    schedule === 'linear' ? 1 - progress : schedule === 'cosine' ? 0.5 * (1 + Math.cos(Math.PI * progress)) : 1;
  return learningRate * factor;
}

/** The native optimizer before any schedule; checks the parameter names that it mentions. @internal */
export function nativeOptimizer(optimizer: Optimizer, model: Model): NativeOptimizer {
  return {
    kind: optimizer.name,
    learningRate: optimizer.learningRate,
    momentum: optimizer.momentum,
    beta1: optimizer.beta1,
    beta2: optimizer.beta2,
    epsilon: optimizer.epsilon,
    clipNorm: optimizer.clipNorm ?? 0,
    weightDecay: byTensor(optimizer.weightDecay, model, 'optimizer.weightDecay'),
    l2: byTensor(optimizer.l2, model, 'optimizer.l2'),
    maxNorm: maxNormOf(optimizer, model),
  };
}

/** Adam on a handful of numbers, for the rates per tensor and step. @internal */
export class SmallAdam {
  readonly first: Float64Array;
  readonly second: Float64Array;
  step = 0;

  constructor(size: number) {
    this.first = new Float64Array(size);
    this.second = new Float64Array(size);
  }

  /** Updates `values` in place along `gradient`. */
  update(values: FloatArray, gradient: ArrayLike<number>, rate: number): void {
    const { beta1, beta2, epsilon } = ADAM;
    this.step++;
    for (let i = 0; i < values.length; i++) {
      const g = gradient[i];
      this.first[i] = beta1 * this.first[i] + (1 - beta1) * g;
      this.second[i] = beta2 * this.second[i] + (1 - beta2) * g * g;
      const m = this.first[i] / (1 - beta1 ** this.step);
      const v = this.second[i] / (1 - beta2 ** this.step);
      values[i] = values[i] - (rate * m) / (Math.sqrt(v) + epsilon);
    }
  }
}
