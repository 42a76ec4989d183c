import type {
  NativeBatch,
  NativeCall,
  NativeInnerLoop,
  NativeOptimizer,
  NativePreparedLoop,
  NativeStep,
  NativeStore,
} from '../foundation/addon.js';
import { innerLoopOfEpoch } from '../meta/algorithm.js';
import type { Algorithm } from '../meta/algorithm.js';
import { checkOneOf, invalid } from '../foundation/check.js';
import { checkAnyTaskSet } from '../tasks/check.js';
import type { Dataset, FeatureTable, FloatArray, Parameters, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { atOnce } from '../foundation/steps.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import { BoundTables } from './bound-tables.js';
import { modelOn, placed } from './device.js';
import type { Placed } from './device.js';
import type { CreatingOptions, LearnerOptions } from './option-types.js';
import { CREATING_OPTIONS, LEARNER_OPTIONS } from './options.js';
import type { BoundDataset } from '../batch/features.js';
import type { Model } from '../model/model.js';
import { adam, nativeOptimizer, scheduledRate, SmallAdam, standardOptimizer } from '../meta/outer-update.js';
import type { Optimizer } from '../meta/outer-update.js';
import { rowContext, rowRules, translateRows } from '../batch/row-rules.js';
import type { RowContext, RowOptions, RowRules, RowState } from '../batch/row-rules.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import type { StepBatch } from './step-part.js';
import { outerStep, outputsOfTasks } from './steps.js';
import { freshStore, startingStore, stepKey } from './starting.js';
import type { Start } from './starting.js';
import type { StoredSplit } from '../tasks/stored-split.js';
import { checkKnowsUncertainty, NoiseSum, withNoise } from './uncertainty.js';
import type { Uncertain } from './uncertainty.js';

/** What changes a learner, a call at a time, and what is said to another one. */
const WORKS = {
  training: {
    what: 'is being trained by another call',
    expected:
      'one training of a learner at a time: wait for the other, or leave its loop (break), or make a second learner',
  },
  adding: {
    what: 'is being given items or users by another call',
    expected: 'the promise of addItemsAsync or addUsersAsync awaited first',
  },
} as const;
type Work = keyof typeof WORKS;

/**
 * A model with parameters, an algorithm and an outer optimizer: what `train` changes, `evaluate` measures and
 * `saveLearner` saves. Made by {@link createLearner}.
 */
export class Learner extends Uncloneable {
  #model: Model;
  /** How the learner adapts to a task. */
  readonly algorithm: Algorithm;
  /** The outer optimizer. */
  readonly optimizer: Optimizer;
  /** Seed of the initial parameters and of everything random in training. */
  readonly seed: number;
  /** How labels are centred and negatives drawn. */
  readonly rowRules: RowRules;
  /** @internal What training fixed of rows, by item row of the catalog; set by `train`. */
  rowState: RowState = { mean: 0, itemBias: undefined, seen: undefined };
  /** Variance σ² of the ratings' noise, where the algorithm is `ridge`; set by {@link estimateNoise}, which `train` ends with. */
  noiseVariance: number | undefined;
  /** How the data was divided that it was trained on, where `splitTasks` did it; see `splitAsTrained`. */
  split: StoredSplit | undefined;
  /** Epochs of training done. */
  epochs = 0;
  /** @internal Training interactions of each item row of the catalog; set by `train`. */
  itemCounts: Int32Array | undefined;
  /** Items and users that can be recommended and described by id; set by `train`, saved with the learner. */
  catalog: Dataset | undefined;
  /** @internal The processes that share the work of training and measuring, where there are several. */
  group: ProcessGroup | undefined;
  /** @internal */
  store: NativeStore;
  /** @internal Rates per parameter, in the parameters' layout. */
  rateStore: NativeStore | undefined;
  /** @internal Rates per tensor and step, concatenated by adapted tensor. */
  stepRates: FloatArray | undefined;
  /** @internal */
  stepRateAdam: SmallAdam | undefined;
  #inner: NativeInnerLoop;
  /** The inner loop as the native core has read it, unless its rates change from step to step. */
  #prepared: NativePreparedLoop | undefined;
  #optimizer: NativeOptimizer;
  /** The optimizer of the rates per parameter: plain Adam, clipped as that of the parameters. */
  #rateOptimizer: NativeOptimizer | undefined;
  /** @internal Data sets in the ids of the model. */
  bound: BoundTables;
  #version = 0;
  #work: Work | undefined;
  readonly #contexts = new WeakMap<FeatureTable, { state: RowState; context: RowContext }>();

  /** @internal */
  constructor(
    { model, inner }: Placed,
    algorithm: Algorithm,
    optimizer: Optimizer,
    seed: number,
    store: NativeStore,
    rows: RowOptions | undefined,
  ) {
    super('learner', 'saveLearner(learner, path) here, and loadLearner(path) in the other thread');
    this.#model = model;
    this.bound = new BoundTables(model);
    this.algorithm = algorithm;
    this.optimizer = optimizer;
    this.seed = seed;
    this.rowRules = rowRules(rows, model.spec.head.loss, 'learner.rows');
    this.store = store;
    this.#inner = inner;
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

  /** The model, with the parameters that the algorithm adds to it. */
  get model(): Model {
    return this.#model;
  }

  /** @internal Takes over the model and the parameters of another learner: itself with longer tables. */
  become(other: Learner): void {
    this.#model = other.#model;
    this.#inner = other.#inner;
    this.#prepared = undefined;
    this.#optimizer = other.#optimizer;
    this.#rateOptimizer = other.#rateOptimizer;
    this.store = other.store;
    this.rateStore = other.rateStore;
    this.stepRates = other.stepRates;
    this.stepRateAdam = other.stepRateAdam;
    this.bound = other.bound;
    this.changed();
  }

  /**
   * How often the parameters, or what is added to their outputs, have changed. A personal model holds what one user's adaptation
   * changed and reads the rest here, so it serves only the version that it was adapted from.
   */
  get version(): number {
    return this.#version;
  }

  /** @internal Whatever was adapted before is of an older version from now on. */
  changed(): void {
    this.#version++;
  }

  /** @internal @throws {InnerloopError} DISPOSED if the learner has changed since `version` */
  checkVersion(version: number, field: string): void {
    if (version === this.#version) return;
    throw new InnerloopError('DISPOSED', 'was adapted before the learner was trained further', {
      field,
      value: `version ${version} of the learner, which is at ${this.#version}`,
      expected: 'a personal model of the learner as it is now: adapt again',
    });
  }

  /** @internal Takes the learner for one call that changes it. @returns gives it back @throws {InnerloopError} INVALID_OPTION if it is taken */
  begin(work: Work): () => void {
    this.checkIdle();
    this.#work = work;
    return () => {
      this.#work = undefined;
    };
  }

  /** @internal */
  checkIdle(): void {
    if (this.#work === undefined) return;
    const { what, expected } = WORKS[this.#work];
    throw invalid('learner', what, this.algorithm.name, expected);
  }

  /** A copy of the shared parameters. */
  parameters(): Parameters {
    return this.model.read(this.store);
  }

  /** @internal The algorithm's inner loop with its current rates. */
  innerLoop(): NativeInnerLoop {
    if (this.rateStore !== undefined) return { ...this.#inner, rateKind: 'perParameter', rates: this.rateStore };
    if (this.stepRates === undefined) return this.#inner;
    const { steps } = this.algorithm;
    let next = 0;
    const rates = Array.from(this.#inner.fast, (fast) =>
      fast === 0 ? undefined : this.stepRates!.subarray(next, (next += steps)),
    );
    return { ...this.#inner, rateKind: 'perTensorStep', rates };
  }

  /** @internal */
  bind(dataset: Dataset): BoundDataset {
    return this.bound.find(dataset, this.catalog) ?? atOnce(this.bound.make(dataset, this.catalog));
  }

  /** Added to the model's outputs: the mean label of the training tasks under `mse`, else 0. */
  get labelOffset(): number {
    return this.rowState.mean;
  }
  set labelOffset(mean: number) {
    this.rowState = { ...this.rowState, mean };
    this.changed();
  }

  /** @internal How the rows of a dataset go into batches. */
  rows(dataset: Dataset): RowContext {
    const known = this.#contexts.get(dataset.items);
    if (known?.state === this.rowState) return known.context;
    const state = this.catalog === undefined ? this.rowState : translateRows(this.rowState, this.catalog, dataset);
    const context = rowContext(this.rowRules, state, this.seed);
    this.#contexts.set(dataset.items, { state: this.rowState, context });
    return context;
  }

  /**
   * @internal One outer step.
   * @param progress share of the training done
   * @param epoch from 1, for what changes with it
   * @param start epochs of earlier trainings: this one draws other masks than they did
   */
  async step(
    { native, shared }: StepBatch,
    progress: number,
    signal: AbortSignal | undefined,
    nameTask: (task: number) => string,
    epoch = Infinity,
    start = 0,
  ): Promise<NativeStep> {
    const learningRate = scheduledRate(this.optimizer, progress);
    // Rates move in proportion to where they started, as the parameters move in proportion to the outer rate.
    const rateStep = learningRate * this.algorithm.learningRate;
    const call = {
      ...this.call(native),
      inner: {
        ...this.innerLoop(),
        ...innerLoopOfEpoch(this.algorithm, this.model, epoch),
        dropout: stepKey(this.seed, start, progress),
        ...(this.algorithm.direction === 'joint' && { steps: 0 }),
      },
      direction: this.algorithm.direction === 'reptile' ? 'reptile' : 'metaGradient',
      optimizer: { ...this.#optimizer, learningRate },
      rateOptimizer: this.#rateOptimizer && { ...this.#rateOptimizer, learningRate: rateStep },
    } as const;
    // Before and after: what is adapted while the step runs may be of either version.
    this.changed();
    const result = await outerStep(this.model.ops, call, shared, signal, nameTask).finally(() => this.changed());
    if (this.stepRates !== undefined) {
      const gradient = result.rateGradient!.flatMap((g, t) => (this.#inner.fast[t] === 1 ? [...g] : []));
      this.stepRateAdam!.update(this.stepRates, gradient, rateStep);
    }
    return result;
  }

  /** @internal @param over a batch, or rows that are of this call alone */
  call(over: NativeBatch | Required<Pick<NativeCall, 'frame' | 'rows'>>): NativeCall {
    const { store, model, stepRates } = this;
    const inner =
      stepRates === undefined
        ? (this.#prepared ??= model.ops.createInnerLoop(model.native, this.innerLoop()))
        : this.innerLoop();
    const rows = 'frame' in over ? over : { batch: over };
    return { store, ...rows, inner, threads: model.threads };
  }

  /**
   * Model outputs for every query row of a task set, `mainOutputs` numbers a row, in task order, with the label offset added:
   * ratings under `mse`, logits under `bce` and `softmax`.
   *
   * @param when before or after adaptation to each task's support rows
   * @param inner in place of the algorithm's inner loop
   * @param variances takes aᵀ M⁻¹ a of every row, of a last layer in closed form after adaptation
   */
  async outputs(
    tasks: TaskSet,
    when: 'before' | 'after',
    signal?: AbortSignal,
    inner?: NativeInnerLoop,
    variances?: Float64Array,
  ): Promise<Float64Array> {
    checkAnyTaskSet(tasks, 'tasks');
    checkOneOf(when, 'when', ['before', 'after']);
    return outputsOfTasks(this, tasks, when, signal, inner, variances);
  }

  /** @internal Whether predictions are MacKay's (`laplace` with `probit`). */
  get isModerated(): boolean {
    return this.algorithm.options['probit'] === true;
  }

  /**
   * Predictions after adaptation and their variances for every query row of a task set, in task order, where the algorithm
   * solves for the last layer (`ridge`, `laplace`).
   *
   * @throws {InnerloopError} UNSUPPORTED for other algorithms and for `ridge` before its noise is known; DIVERGED; ABORTED
   */
  async uncertainty(tasks: TaskSet, signal?: AbortSignal): Promise<Uncertain> {
    this.checkUncertainty();
    const variance = new Float64Array(tasks.queryRows.length);
    const mean = await this.outputs(tasks, 'after', signal, undefined, variance);
    if (this.noiseVariance !== undefined) withNoise(variance, this.noiseVariance);
    return { mean, variance };
  }

  /**
   * Estimates σ² of `ridge` from the query rows of tasks: the mean of r² / (1 + aᵀ M⁻¹ a), r the residuals after adaptation, which
   * is the likeliest σ² under r ~ N(0, σ² (1 + aᵀ M⁻¹ a)). `train` does so at its end with the validation tasks, or without any with
   * the training tasks, whose residuals are smaller than those of users to come: intervals from them are too narrow.
   *
   * @returns σ², kept in {@link noiseVariance}
   */
  async estimateNoise(tasks: TaskSet, signal?: AbortSignal): Promise<number> {
    checkAnyTaskSet(tasks, 'tasks');
    if (this.algorithm.solver !== 'ridge')
      throw new InnerloopError('UNSUPPORTED', 'has no noise to estimate', {
        field: 'learner.algorithm',
        value: this.algorithm.name,
        expected: 'ridge',
      });
    const variance = new Float64Array(tasks.queryRows.length);
    const outputs = await this.outputs(tasks, 'after', signal, undefined, variance);
    const noise = new NoiseSum();
    noise.add(tasks, outputs, variance);
    return (this.noiseVariance = noise.mean);
  }

  /** @internal */
  checkUncertainty(): void {
    checkKnowsUncertainty(this.algorithm, this.noiseVariance);
  }

  /** @internal The catalog, which serving needs. */
  servedCatalog(): Dataset {
    if (this.catalog === undefined)
      throw invalid('learner', 'has no catalog', undefined, 'a learner that was trained or loaded');
    return this.catalog;
  }
}

/**
 * Makes a learner; it runs on `device`, or where its model does.
 * ```ts
 * const learner = createLearner({ model, algorithm: maml({ steps: 5 }), optimizer: adam({ learningRate: 1e-3 }), seed: 1 });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION (a parameter name of `adapt` or `weightDecay` too)
 */
export function createLearner(options: LearnerOptions): Learner {
  const { at, start, make } = resolved(options);
  return make(startingStore(at, start));
}

/**
 * The same learner as `createLearner` makes, with its tables drawn off the event loop: worth it from some hundred thousand rows on.
 * ```ts
 * const learner = await createLearnerAsync({ model, algorithm: ridge() }, { signal, onProgress: (share) => console.log(share) });
 * ```
 *
 * @throws {InnerloopError} as `createLearner`; ABORTED
 */
export async function createLearnerAsync(options: LearnerOptions, creating: CreatingOptions = {}): Promise<Learner> {
  const drawing = resolveOptions(creating, 'options', CREATING_OPTIONS);
  const { at, start, make } = resolved(options);
  return make(await freshStore(at, start, drawing));
}

function resolved(options: LearnerOptions): { at: Placed; start: Start; make: (store: NativeStore) => Learner } {
  const { model, algorithm, optimizer, seed, parameters, rows, device } = resolveOptions(
    options,
    'learner',
    LEARNER_OPTIONS,
  );
  const at = placed(modelOn(model, device), algorithm);
  const make = (store: NativeStore) =>
    new Learner(at, algorithm, optimizer ?? standardOptimizer(algorithm), seed, store, rows);
  return { at, start: { parameters, seed }, make };
}
