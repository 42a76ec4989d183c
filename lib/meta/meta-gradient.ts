import { runNative } from '../foundation/addon.js';
import { checkHasLoss, checkModel, packQuery } from '../batch/batch.js';
import type { TaskBatch } from '../batch/batch.js';
import type { InnerLoop, LabelledRows, Parameters, SparseParameters } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { META_GRADIENT_OPTIONS, TENSOR_OPTIONS } from './call-options.js';
import type { CallOptions, MetaGradientOptions, TableOptions } from './call-option-types.js';
import { noAdaptation, prepare } from './inner-loop.js';
import type { Model } from '../model/model.js';
import type { ResidentParameters } from '../model/resident.js';

export type { MetaGradientOptions };

/** What `metaGradient` returns. */
export interface MetaGradient<G = Parameters> {
  /** Mean over tasks of the query loss after adaptation. */
  loss: number;
  /** Query loss of each adapted task. */
  taskLosses: Float64Array;
  /** ∂loss/∂parameter for every parameter of the model. */
  gradient: G;
  /** ∂loss/∂α in the shape of the rates, where the learning rate was given as tensors. */
  learningRateGradient?: G;
}

/**
 * Gradient of the mean query loss after adaptation with respect to the parameters before it (MAML, Finn et al. 2017).
 *
 * With `order: 2` it is exact: the inner loop is differentiated by Hessian-vector products. With `order: 1` the inner
 * gradients are held constant (FOMAML).
 *
 * ```ts
 * const { loss, gradient } = await metaGradient(model, params, packTasks(model, tasks),
 *   { steps: 5, learningRate: 0.01, adapt: 'all', order: 2 });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; DIVERGED naming the task; ABORTED
 */
export async function metaGradient(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options: MetaGradientOptions & { tables: 'sparse' },
): Promise<MetaGradient<SparseParameters>>;
export async function metaGradient(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options?: MetaGradientOptions & { tables?: 'dense' },
): Promise<MetaGradient>;
export async function metaGradient(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options: MetaGradientOptions = {},
): Promise<MetaGradient<SparseParameters>> {
  const { direction, signal, tables } = resolveOptions(options, 'options', META_GRADIENT_OPTIONS);
  const call = prepare(model, params, batch, innerLoop);
  const way = direction === 'reptile' ? 'reptile' : 'metaGradient';
  const result = await runNative(signal, (token) =>
    model.ops.metaGradient({ ...call, token, direction: way, sparse: tables === 'sparse' }),
  );
  const { loss, taskLosses } = result;
  const gradient = model.named(result.gradient);
  if (result.rateGradient === undefined) return { loss, taskLosses, gradient };

  const adapted = result.rateGradient.map((rates, t) => (call.inner.fast[t] === 0 ? undefined : rates));
  const learningRateGradient = model.named(adapted);
  if (call.inner.rateKind === 'perTensorStep')
    for (const rates of Object.values(learningRateGradient)) rates.shape = [call.inner.steps];
  return { loss, taskLosses, gradient, learningRateGradient };
}

/** What `hessianVectorProduct` returns. */
export interface HessianVectorProduct<G = Parameters> {
  /** Mean loss over the rows. */
  loss: number;
  /** ∂loss/∂parameter for every parameter of the model. */
  gradient: G;
  /** H v, in the shapes of the parameters. */
  product: G;
}

/**
 * Loss of labelled rows, its gradient, and its Hessian times a vector, in the space of all parameters, by
 * forward-over-reverse differentiation (Pearlmutter 1994): no Hessian is formed.
 *
 * @param vector tensors in the shapes of the parameters
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, ABORTED
 */
export async function hessianVectorProduct(
  model: Model,
  params: Parameters | ResidentParameters,
  rows: LabelledRows,
  vector: Parameters | ResidentParameters,
  options: CallOptions & { tables: 'sparse' },
): Promise<HessianVectorProduct<SparseParameters>>;
export async function hessianVectorProduct(
  model: Model,
  params: Parameters | ResidentParameters,
  rows: LabelledRows,
  vector: Parameters | ResidentParameters,
  options?: CallOptions & { tables?: 'dense' },
): Promise<HessianVectorProduct>;
export async function hessianVectorProduct(
  model: Model,
  params: Parameters | ResidentParameters,
  rows: LabelledRows,
  vector: Parameters | ResidentParameters,
  options: CallOptions & TableOptions = {},
): Promise<HessianVectorProduct<SparseParameters>> {
  checkModel(model);
  checkHasLoss(model);
  const { signal, tables } = resolveOptions(options, 'options', TENSOR_OPTIONS);
  const batch = packQuery(model, rows, 'rows').native;
  const call = {
    store: model.store(params),
    vector: model.store(vector, 'vector'),
    batch,
    inner: noAdaptation(model),
    threads: model.threads,
  };
  const { loss, gradient, product } = await runNative(signal, (token) =>
    model.ops.hessianVectorProduct({ ...call, token, sparse: tables === 'sparse' }),
  );
  return { loss, gradient: model.named(gradient), product: model.named(product) };
}
