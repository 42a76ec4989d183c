import type { NativeOptimizer } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import type { FloatArray } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { Algorithm } from './algorithm.js';
import { decay, ADAM } from './algorithm-options.js';
import { selectTensors } from './inner-loop.js';
import type { Model } from '../model/model.js';
import type { AdamOptions, SgdOptions } from './optimizer-option-types.js';

/** One number for all parameters, or numbers by name. */
const byName = <const D extends string>(doc: D, defaultDoc: string) =>
  ({
    kind: 'any',
    of: [
      { kind: 'number', min: 0 },
      { kind: 'record', of: { kind: 'number', min: 0 }, what: 'numbers by parameter name' },
    ],
    what: 'a number, or numbers by parameter name',
    default: 0,
    defaultDoc,
    doc,
  }) as const;

const COMMON = {
  schedule: {
    kind: 'choice',
    of: ['constant', 'linear', 'cosine'],
    default: 'constant',
    doc: 'How the outer rate goes on over the epochs: linear and cosine fall to 0.',
  },
  weightDecay: byName(
    'Decoupled weight decay: each step takes rate × decay × parameter away; embedding rows decay when they are touched. One number, or numbers by parameter name with * at the end matching any rest (the last match counts).',
    '0',
  ),
  l2: {
    ...byName(
      'Adds l2 / 2 · ‖parameters‖² to the loss of every step, in the same form; an embedding row that was not touched for some steps gets their share with its next one, so that rare items are held to 0 as a fixed prior would hold them.',
      '0',
    ),
    search: { log: [1e-4, 1e-2] },
  },
  maxNorm: byName(
    'Longest row (Euclidean norm) of an embedding table: rows that a step makes longer are scaled back. One number for all tables, or numbers by parameter name in the same form; 0 is no limit.',
    'no limit',
  ),
  clipNorm: {
    kind: 'number',
    above: 0,
    defaultDoc: 'no clipping',
    doc: 'The meta-gradient is scaled down to this norm where it is longer.',
  },
} as const satisfies OptionTable;

const outerRate = <const D extends number>(standard: D, low: number, high: number) =>
  ({ kind: 'number', above: 0, default: standard, search: { log: [low, high] }, doc: 'Outer rate.' }) as const;

/** Options of the outer optimizers by name. @internal */
export const OPTIMIZER_OPTIONS = {
  adam: { learningRate: outerRate(1e-3, 0.002, 0.03), ...COMMON, ...ADAM },
  sgd: { learningRate: outerRate(1e-2, 0.05, 1), ...COMMON, momentum: decay(0) },
} as const satisfies Record<string, OptionTable>;
/** Options that both optimizers have. */
export type OptimizerOptions = Pick<AdamOptions, keyof AdamOptions & keyof SgdOptions>;

/** The outer optimizer: plain data, made by `adam` or `sgd`. */
export interface Optimizer {
  /** Which optimizer it is. */
  readonly name: 'adam' | 'sgd';
  /** Outer learning rate, before the schedule. */
  readonly learningRate: number;
  /** How the learning rate changes over the steps of a training. */
  readonly schedule: 'constant' | 'linear' | 'cosine';
  /** Decoupled weight decay, for all parameters or by name. */
  readonly weightDecay: number | Readonly<Record<string, number>>;
  /** Weight of an L2 penalty in the loss, for all parameters or by name. */
  readonly l2: number | Readonly<Record<string, number>>;
  /** 0 is no limit. */
  readonly maxNorm: number | Readonly<Record<string, number>>;
  /** The norm that a gradient is cut to; undefined: no limit. */
  readonly clipNorm: number | undefined;
  /** Decay of Adam's first moment. */
  readonly beta1: number;
  /** Decay of Adam's second moment. */
  readonly beta2: number;
  /** What Adam adds to the root of the second moment. */
  readonly epsilon: number;
  /** Momentum of SGD. */
  readonly momentum: number;
}

/** Adam (Kingma & Ba 2015) with decoupled weight decay; embedding rows are updated when a batch touches them. */
export function adam(options: AdamOptions = {}): Optimizer {
  const resolved = resolveOptions(options, 'adam', OPTIMIZER_OPTIONS.adam);
  return { name: 'adam', ...resolved, momentum: 0 };
}

/** Stochastic gradient descent with momentum. */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum, ...resolved } = resolveOptions(options, 'sgd', OPTIMIZER_OPTIONS.sgd);
  return { name: 'sgd', ...resolved, beta1: 0, beta2: 0, epsilon: 0, momentum };
}

export const OPTIMIZERS = { adam, sgd } as const;

/**
 * The outer optimizer where none is given: Adam; for Reptile that of its paper, θ ← θ + ε mean(θ_K − θ_0) with an ε that falls from 1
 * to 0.
 * @internal
 */
export const standardOptimizer = ({ direction }: Pick<Algorithm, 'direction'>): Optimizer =>
  direction === 'reptile' ? sgd({ learningRate: 1, schedule: 'linear' }) : adam();

type ByName = number | Readonly<Record<string, number>>;

/** One value a tensor; of several matching names the last counts. */
function byTensor(values: ByName, model: Model, field: string): Float64Array {
  const result = new Float64Array(model.tensors.length);
  if (typeof values === 'number') return result.fill(values);
  for (const [pattern, value] of Object.entries(values)) {
    selectTensors(model, [pattern], field).forEach((selected, t) => selected === 1 && (result[t] = value));
  }
  return result;
}

/** Only tables have a largest norm: a number means all of them, and a name must be that of one. */
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

const STANDARD = adam();

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
    const { beta1, beta2, epsilon } = STANDARD;
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
