import { runNative } from '../foundation/addon.js';
import type { NativeInnerLoop, NativePreparedLoop, NativeStore } from '../foundation/addon.js';
import { checkBatch, checkHasLoss, checkModel, packRows } from '../batch/batch.js';
import type { TaskBatch } from '../batch/batch.js';
import {
  checkArray,
  checkInteger,
  checkNumber,
  checkObject,
  checkSeed,
  checkString,
  invalid,
} from '../foundation/check.js';
import type { InnerLoop, Parameters, Rows, SparseParameters, Tensor } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { IMPLICIT_OPTIONS } from './algorithm-options.js';
import { resolveRule } from './inner-rule.js';
import { checkTensors } from '../model/check-tensors.js';
import { ResidentParameters } from '../model/resident.js';
import type { Model } from '../model/model.js';
import { CALL_OPTIONS, TENSOR_OPTIONS } from './call-options.js';
import type { CallOptions, TableOptions } from './call-option-types.js';

export type { CallOptions, TableOptions };

/** An inner loop that adapts nothing: for calls that only predict. @internal */
export function noAdaptation(model: Model): NativeInnerLoop {
  return {
    steps: 0,
    order: 1,
    solver: 'gradient',
    fast: new Uint8Array(model.tensors.length),
    shrinkage: 0,
    rateKind: 'scalar',
    rate: 0,
  };
}

const prepared = new WeakMap<Model, NativePreparedLoop>();

/** The same inner loop, which the native core reads once for a model. @internal */
export function preparedNoAdaptation(model: Model): NativePreparedLoop {
  let loop = prepared.get(model);
  if (loop === undefined) prepared.set(model, (loop = model.ops.createInnerLoop(model.native, noAdaptation(model))));
  return loop;
}

/** Which tensors the names select: `all`, or names with a trailing `*` matching any rest. @internal */
export function selectTensors(model: Model, names: unknown, field: string): Uint8Array {
  const fast = new Uint8Array(model.tensors.length);
  if (names === 'all') return fast.fill(1);
  checkArray(names, field, 'parameter names');
  const known = model.tensors.map(({ name }) => name);
  names.forEach((name, i) => {
    checkString(name, `${field}[${i}]`);
    const matches = known.map((k) => (name.endsWith('*') ? k.startsWith(name.slice(0, -1)) : k === name));
    if (!matches.includes(true)) {
      throw new InnerloopError('UNKNOWN_OPTION', suggesting('no such parameter', name, known), {
        field: `${field}[${i}]`,
        value: name,
        expected: `one of ${known.join(', ')}, or a prefix of them and *`,
      });
    }
    matches.forEach((match, t) => match && (fast[t] = 1));
  });
  return fast;
}

/** Checks an inner loop against the model and gives its native form. @internal */
export function resolveInnerLoop(model: Model, innerLoop: unknown): NativeInnerLoop {
  const field = 'innerLoop';
  checkObject(innerLoop, field, [
    'steps',
    'learningRate',
    'adapt',
    'order',
    'shrinkage',
    'inner',
    'proximal',
    'lossWeights',
    'implicit',
    'dropout',
  ]);
  const {
    steps,
    learningRate,
    adapt,
    order,
    shrinkage = 0,
    inner,
    proximal = 0,
    lossWeights,
    implicit,
    dropout = 0,
  } = innerLoop;
  checkInteger(steps, `${field}.steps`, 0, 10000);
  if (order !== 1 && order !== 2)
    throw invalid(`${field}.order`, 'not an order', order, '1 (first-order) or 2 (exact)');
  checkNumber(shrinkage, `${field}.shrinkage`, 0);
  const fast = selectTensors(model, adapt, `${field}.adapt`);
  checkNumber(proximal, `${field}.proximal`, 0);
  checkSeed(dropout, `${field}.dropout`);
  const common: NativeInnerLoop = {
    ...{
      steps,
      order,
      solver: 'gradient',
      fast,
      shrinkage,
      dropout,
      rateKind: 'scalar',
      update: resolveRule(inner, `${field}.inner`),
      proximal,
    },
    ...(lossWeights !== undefined && {
      lossWeights: model.floats(checkLossWeights(lossWeights, steps, `${field}.lossWeights`)),
    }),
    ...(implicit !== undefined && {
      solver: 'implicit',
      ...resolveOptions(implicit, `${field}.implicit`, IMPLICIT_OPTIONS),
    }),
  };
  if (implicit !== undefined) {
    if (proximal === 0)
      throw invalid(`${field}.proximal`, 'has no minimum to differentiate', proximal, 'a number > 0 with implicit');
    if (order !== 2) throw invalid(`${field}.order`, 'not an implicit gradient', order, '2 with implicit');
    if (lossWeights !== undefined)
      throw invalid(
        `${field}.lossWeights`,
        'are of steps, which implicit does not differentiate',
        lossWeights,
        'no weights',
      );
    if (typeof learningRate !== 'number')
      throw invalid(`${field}.learningRate`, 'has no implicit gradient', learningRate, 'a number with implicit');
  }
  if (typeof learningRate === 'number') {
    checkNumber(learningRate, `${field}.learningRate`);
    return { ...common, rateKind: 'scalar', rate: learningRate };
  }
  return { ...common, ...resolveRates(model, learningRate, fast, steps, `${field}.learningRate`) };
}

function checkLossWeights(weights: unknown, steps: number, field: string): number[] {
  checkArray(weights, field, 'numbers');
  if (weights.length !== steps)
    throw invalid(field, `has ${weights.length} weights`, weights, `${steps}, one for each step`);
  return weights.map((weight, k) => {
    checkNumber(weight, `${field}[${k}]`);
    return weight;
  });
}

/** Rates as tensors: all in the parameters' shapes, or all `[steps]`. */
function resolveRates(
  model: Model,
  rates: unknown,
  fast: Uint8Array,
  steps: number,
  field: string,
): Pick<NativeInnerLoop, 'rateKind' | 'rates'> {
  const adapted = model.tensors.filter((_, t) => fast[t] === 1);
  if (typeof rates !== 'object' || rates === null) {
    throw invalid(field, 'not a rate', rates, 'a number, or tensors by adapted parameter');
  }
  const given = rates as Record<string, Tensor | undefined>;
  const perParameter = adapted.every(({ name, shape }) => {
    const own = given[name]?.shape;
    return Array.isArray(own) && own.length === shape.length && own.every((n, i) => n === shape[i]);
  });
  const shapes = perParameter ? adapted : adapted.map(({ name }) => ({ name, shape: [steps] }));
  checkTensors(given, field, shapes);
  if (!perParameter) {
    return {
      rateKind: 'perTensorStep',
      rates: model.tensors.map(({ name }, t) => (fast[t] === 1 ? model.floats(given[name].data) : undefined)),
    };
  }
  const store = model.ops.createStore(model.native);
  model.tensors.forEach(
    ({ name }, t) => fast[t] === 1 && model.ops.writeTensor(store, t, model.floats(given[name].data)),
  );
  return { rateKind: 'perParameter', rates: store };
}

/**
 * Adapts the parameters to each task's support set: θ_{k+1} = θ_k − α ∘ ∇_θ L_S(θ_k, φ), k = 0 … K−1.
 *
 * @param options tables: `sparse` gives of tables the rows that adapted
 * @returns for each task its adapted parameters by name; those that the inner loop does not adapt are left out
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; DIVERGED naming the task; ABORTED
 */
export async function adapt(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options: CallOptions & { tables: 'sparse' },
): Promise<SparseParameters[]>;
export async function adapt(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options?: CallOptions & { tables?: 'dense' },
): Promise<Parameters[]>;
export async function adapt(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options: CallOptions & TableOptions = {},
): Promise<SparseParameters[]> {
  const { signal, tables } = resolveOptions(options, 'options', TENSOR_OPTIONS);
  const call = prepare(model, params, batch, innerLoop);
  const adapted = await runNative(signal, (token) => model.ops.adapt({ ...call, token }));
  return adapted.map((task) => model.named(model.ops.readAdapted(task, call.store, tables === 'sparse')));
}

/** What `adapt` and `metaGradient` check and hand to the native core. @internal */
export function prepare(model: Model, params: Parameters | ResidentParameters, batch: TaskBatch, innerLoop: InnerLoop) {
  checkModel(model);
  checkHasLoss(model);
  checkBatch(model, batch);
  const inner = resolveInnerLoop(model, innerLoop);
  return { store: model.store(params), batch: batch.native, inner, threads: model.threads };
}

/**
 * Outputs of the model: [rows, outputs]. Ratings for `mse`, logits for `bce` and `softmax`.
 *
 * @param adapted parameters that replace the shared ones, such as one entry of what `adapt` returned
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, ABORTED
 */
export async function predict(
  model: Model,
  params: Parameters | ResidentParameters,
  rows: Rows,
  adapted: Parameters = {},
  options: CallOptions = {},
): Promise<Tensor> {
  checkModel(model);
  const { signal } = resolveOptions(options, 'options', CALL_OPTIONS);
  checkTensors(adapted, 'adapted', model.tensors, true);
  const isShared = Object.keys(adapted).length === 0;
  const shared = () => (params instanceof ResidentParameters ? params.read() : params);
  const store: NativeStore = model.store(isShared ? params : { ...shared(), ...adapted });
  const batch = packRows(model, rows, 'rows');
  const call = {
    store,
    batch: batch.native,
    inner: noAdaptation(model),
    threads: model.threads,
    before: true,
    after: false,
  };
  const { before } = await runNative(signal, (token) => model.ops.predict({ ...call, token }));
  return { shape: [before!.length / model.outputs, model.outputs], data: before! };
}
