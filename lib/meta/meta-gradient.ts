import { runNative } from '../foundation/addon.js';
import { checkHasLoss, checkModel, packQuery } from '../batch/batch.js';
import type { TaskBatch } from '../batch/batch.js';
import { checkObject, checkOneOf, checkSignal } from '../foundation/check.js';
import type { InnerLoop, LabelledRows, Parameters } from '../foundation/contract.js';
import { noAdaptation, prepare } from './inner-loop.js';
import type { CallOptions } from './inner-loop.js';
import { checkTensors } from '../model/model.js';
import type { Model } from '../model/model.js';

export interface MetaGradientOptions extends CallOptions {
  /** `meta-gradient` (default), or `reptile`: the mean over tasks of θ_0 − θ_K. */
  direction?: 'meta-gradient' | 'reptile';
}

export interface MetaGradient {
  /** Mean over tasks of the query loss after adaptation. */
  loss: number;
  /** Query loss of each adapted task. */
  taskLosses: Float64Array;
  /** ∂loss/∂parameter for every parameter of the model. */
  gradient: Parameters;
  /** ∂loss/∂α in the shape of the rates, where the learning rate was given as tensors. */
  learningRateGradient?: Parameters;
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
  params: Parameters,
  batch: TaskBatch,
  innerLoop: InnerLoop,
  options: MetaGradientOptions = {},
): Promise<MetaGradient> {
  const call = prepare(model, params, batch, innerLoop, options);
  const { direction = 'meta-gradient' } = options;
  checkOneOf(direction, 'options.direction', ['meta-gradient', 'reptile']);
  const way = direction === 'reptile' ? 'reptile' : 'metaGradient';
  const result = await runNative(options.signal, (token) => model.ops.metaGradient({ ...call, token, direction: way }));
  const { loss, taskLosses } = result;
  const gradient = model.named(result.gradient);
  if (result.rateGradient === undefined) return { loss, taskLosses, gradient };

  const learningRateGradient: Parameters = {};
  model.tensors.forEach(({ name, shape }, t) => {
    if (call.inner.fast[t] === 0) return;
    const data = result.rateGradient![t];
    learningRateGradient[name] = {
      shape: call.inner.rateKind === 'perTensorStep' ? [call.inner.steps] : [...shape],
      data,
    };
  });
  return { loss, taskLosses, gradient, learningRateGradient };
}

export interface HessianVectorProduct {
  /** Mean loss over the rows. */
  loss: number;
  gradient: Parameters;
  /** H v, in the shapes of the parameters. */
  product: Parameters;
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
  params: Parameters,
  rows: LabelledRows,
  vector: Parameters,
  options: CallOptions = {},
): Promise<HessianVectorProduct> {
  checkModel(model);
  checkHasLoss(model);
  checkObject(options, 'options', ['signal']);
  checkSignal(options.signal, 'options.signal');
  checkTensors(vector, 'vector', model.tensors);
  const batch = packQuery(model, rows, 'rows').native;
  const call = {
    store: model.store(params),
    vector: model.store(vector, 'vector'),
    batch,
    inner: noAdaptation(model),
    threads: 1,
  };
  const { loss, gradient, product } = await runNative(options.signal, (token) =>
    model.ops.hessianVectorProduct({ ...call, token }),
  );
  return { loss, gradient: model.named(gradient), product: model.named(product) };
}
