import { META_GRADIENT, REPTILE, runNative } from './addon.js';
import type { NativeBatch, NativeCall, NativeInnerLoop, NativeOptimizer, NativeStep, NativeStore } from './addon.js';
import { innerLoopOf } from './algorithm.js';
import type { Algorithm } from './algorithm.js';
import { checkModel } from './batch.js';
import { checkNumber, checkObject, checkSeed, checkSignal, invalid } from './check.js';
import type { Dataset, FloatArray, Parameters, TaskSet } from './contract.js';
import { bindDataset } from './features.js';
import type { BoundDataset } from './features.js';
import type { Model } from './model.js';
import { adam, nativeOptimizer, scheduledRate, SmallAdam } from './outer-update.js';
import type { Optimizer } from './outer-update.js';
import { PersonalModel, packSupport } from './personal-model.js';
import type { Support } from './personal-model.js';
import { packTaskSet } from './task-batch.js';

export interface LearnerOptions {
  model: Model;
  algorithm: Algorithm;
  /** Outer optimizer. Default `adam()`. */
  optimizer?: Optimizer;
  /** Seed of the initial parameters and of everything random in training. Default 0. */
  seed?: number;
  /** Start from these instead of fresh parameters. */
  parameters?: Parameters;
}

/** Tasks per native call when evaluating: enough to fill the threads, few enough to stay small in memory. */
const EVALUATION_CHUNK = 256;

/**
 * A model with parameters, an algorithm and an outer optimizer: what `train` changes, `evaluate` measures and
 * `saveLearner` saves. Made by {@link createLearner}.
 */
export class Learner {
  readonly model: Model;
  readonly algorithm: Algorithm;
  readonly optimizer: Optimizer;
  readonly seed: number;
  /** Added to the model's outputs: the mean label of the training tasks under `mse`, else 0. Set by `train`. */
  labelOffset = 0;
  /** Items and users that can be recommended and described by id; set by `train`, saved with the learner. */
  catalog: Dataset | undefined;
  /** @internal */
  store: NativeStore;
  /** @internal Rates per parameter, in the parameters' layout. */
  rateStore: NativeStore | undefined;
  /** @internal Rates per tensor and step, concatenated by adapted tensor. */
  stepRates: FloatArray | undefined;
  /** @internal */
  stepRateAdam: SmallAdam | undefined;
  readonly #inner: NativeInnerLoop;
  readonly #optimizer: NativeOptimizer;
  /** Of the rates per parameter: plain Adam, clipped as the parameters are. */
  readonly #rateOptimizer: NativeOptimizer | undefined;
  readonly #bound = new WeakMap<Dataset, BoundDataset>();

  /** @internal */
  constructor(model: Model, algorithm: Algorithm, optimizer: Optimizer, seed: number, parameters: Parameters) {
    this.model = model;
    this.algorithm = algorithm;
    this.optimizer = optimizer;
    this.seed = seed;
    this.store = model.store(parameters, 'parameters');
    this.#inner = innerLoopOf(algorithm, model);
    this.#optimizer = nativeOptimizer(optimizer, model);
    if (algorithm.rates === 'perParameter') {
      this.rateStore = model.ops.createStore(model.native);
      this.#rateOptimizer = { ...nativeOptimizer(adam(), model), clipNorm: this.#optimizer.clipNorm };
      model.tensors.forEach(({ shape }, t) => {
        if (this.#inner.fast[t] === 0) return;
        model.ops.writeTensor(this.rateStore!, t, model.zeros(shape).data.fill(algorithm.learningRate));
      });
    } else if (algorithm.rates === 'perStep') {
      const adapted = this.#inner.fast.reduce((a, b) => a + b, 0);
      this.stepRates = model.floats(adapted * algorithm.steps).fill(algorithm.learningRate);
      this.stepRateAdam = new SmallAdam(this.stepRates.length);
    }
  }

  /** A copy of the shared parameters. */
  parameters(): Parameters {
    return this.model.read(this.store);
  }

  /** @internal The algorithm's inner loop with its current rates. */
  innerLoop(): NativeInnerLoop {
    if (this.rateStore !== undefined) return { ...this.#inner, rateKind: 2, rates: this.rateStore };
    if (this.stepRates === undefined) return this.#inner;
    const { steps } = this.algorithm;
    let next = 0;
    const rates = Array.from(this.#inner.fast, (fast) => (fast === 0 ? undefined : this.stepRates!.subarray(next, (next += steps))));
    return { ...this.#inner, rateKind: 1, rates };
  }

  /** @internal */
  bind(dataset: Dataset): BoundDataset {
    let bound = this.#bound.get(dataset);
    if (bound === undefined) this.#bound.set(dataset, (bound = bindDataset(this.model, dataset)));
    return bound;
  }

  /** @internal One outer step. @param progress share of the training done */
  async step(batch: NativeBatch, progress: number, signal: AbortSignal | undefined, nameTask: (task: number) => string): Promise<NativeStep> {
    const learningRate = scheduledRate(this.optimizer, progress);
    // Rates move in proportion to where they started, as the parameters move in proportion to the outer rate.
    const rateStep = learningRate * this.algorithm.learningRate;
    const call = {
      ...this.call(batch),
      direction: this.algorithm.direction === 'reptile' ? REPTILE : META_GRADIENT,
      optimizer: { ...this.#optimizer, learningRate },
      rateOptimizer: this.#rateOptimizer && { ...this.#rateOptimizer, learningRate: rateStep },
    } as const;
    const result = await runNative(signal, (token) => this.model.ops.trainStep({ ...call, token }), nameTask);
    if (this.stepRates !== undefined) {
      const gradient = result.rateGradient!.flatMap((g, t) => (this.#inner.fast[t] === 1 ? [...g] : []));
      this.stepRateAdam!.update(this.stepRates, gradient, rateStep);
    }
    return result;
  }

  /** @internal */
  call(batch: NativeBatch): NativeCall {
    return { store: this.store, batch, inner: this.innerLoop(), threads: this.model.threads };
  }

  /**
   * Model outputs for every query row of a task set, `outputs` numbers a row, in task order, with the label offset added:
   * ratings under `mse`, logits under `bce` and `softmax`.
   *
   * @param when before or after adaptation to each task's support rows
   */
  async outputs(tasks: TaskSet, when: 'before' | 'after', signal?: AbortSignal): Promise<Float64Array> {
    const bound = this.bind(tasks.dataset);
    const { outputs } = this.model;
    const result = new Float64Array(tasks.queryRows.length * outputs);
    const order = Int32Array.from({ length: tasks.size }, (_, t) => t);
    for (let from = 0; from < tasks.size; from += EVALUATION_CHUNK) {
      const to = Math.min(tasks.size, from + EVALUATION_CHUNK);
      const batch = packTaskSet(this.model, bound, tasks, order, from, to, { offset: this.labelOffset });
      const call = { ...this.call(batch), before: when === 'before', after: when === 'after' };
      const chunk = await runNative(
        signal,
        (token) => this.model.ops.predict({ ...call, token }),
        (task) => `task ${tasks.keys[from + task]!}`,
      );
      result.set((when === 'before' ? chunk.before : chunk.after)!, tasks.queryOffsets[from]! * outputs);
    }
    if (this.labelOffset !== 0) for (let i = 0; i < result.length; i++) result[i]! += this.labelOffset;
    return result;
  }

  /**
   * Adapts to one user from a few labelled items.
   *
   * ```ts
   * const me = await learner.adapt({ items: ['1', '50', '260'], labels: [5, 4, 1] });
   * const films = await me.recommend({ count: 10 });
   * ```
   *
   * @param support items by id and their labels; features of the user where the model uses any
   * @throws {InnerloopError} INVALID_OPTION (an item that the catalog lacks, a label that is not finite …), DIVERGED, ABORTED
   */
  async adapt(support: Support, options: { signal?: AbortSignal } = {}): Promise<PersonalModel> {
    checkObject(options as unknown, 'options', ['signal']);
    checkSignal(options.signal, 'options.signal');
    if (this.catalog === undefined) throw invalid('learner', 'has no catalog', undefined, 'a learner that was trained or loaded');
    const packed = packSupport(this, this.catalog, support);
    const [adapted] = await runNative(options.signal, (token) => this.model.ops.adapt({ ...this.call(packed.batch), token }));
    return new PersonalModel(this, this.catalog, packed, adapted!);
  }
}

/**
 * Makes a learner.
 *
 * ```ts
 * const learner = createLearner({ model, algorithm: maml({ steps: 5 }), optimizer: adam({ learningRate: 1e-3 }), seed: 1 });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION (a parameter name of `adapt` or `weightDecay` too)
 */
export function createLearner(options: LearnerOptions): Learner {
  checkObject(options as unknown, 'learner', ['model', 'algorithm', 'optimizer', 'seed', 'parameters']);
  const { model, algorithm, optimizer = adam(), seed = 0, parameters } = options;
  checkModel(model);
  checkSeed(seed, 'learner.seed');
  if (typeof algorithm !== 'object' || algorithm === null || typeof algorithm.name !== 'string') {
    throw invalid('learner.algorithm', 'not an algorithm', algorithm, 'what maml, fomaml, anil or reptile returned');
  }
  checkNumber(optimizer?.learningRate, 'learner.optimizer.learningRate', 0, undefined, true);
  return new Learner(model, algorithm, optimizer, seed, parameters ?? model.initialize(seed));
}
