import { runNative } from '../foundation/addon.js';
import type { NativeGraph } from '../foundation/addon.js';
import { checkBatch, checkModel } from '../batch/batch.js';
import type { TaskBatch } from '../batch/batch.js';
import { invalid } from '../foundation/check.js';
import type { Parameters, Tensor } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { EPISODE_OPTIONS } from './call-options.js';
import type { EpisodeOptions } from './call-option-types.js';
import { compile } from './graphs/extension.js';
import { attention, classLikelihood, EPSILON, prototypes } from './graphs/metric.js';
import { TaskGraph } from './graphs/graph.js';
import { noAdaptation } from './inner-loop.js';
import type { Model } from '../model/model.js';
import type { ResidentParameters } from '../model/resident.js';

export type { EpisodeOptions };

/** Loss and gradient of a batch of episodes. */
export interface EpisodeGradient {
  /** Mean over tasks of the query loss. */
  loss: number;
  /** −log p of the query rows' classes, the mean of each task. */
  taskLosses: Float64Array;
  /** Probabilities of the classes, for each task [query rows, classes]. */
  probabilities: Tensor[];
  /** ∂loss/∂parameter for every parameter of the model. */
  gradient: Parameters;
}

/**
 * Class probabilities of the query rows from the labelled support rows of their task, under an embedding e, and the gradient
 * of their mean negative log-likelihood. The model's head is `{ loss: 'episode', classes: width of e }`; labels are classes
 * 0 … C − 1, C being `model.episode.classes`.
 *
 *     prototypical   p(c | q) = softmax_c(−‖e_q − c_c‖²), c_c the mean of e over the support rows of class c (Snell et al. 2017)
 *     matching       p(c | q) = Σ_{s of class c} softmax_s(cos(e_q, e_s)), the loss −log(p + 1e-12)     (Vinyals et al. 2016)
 *
 * A class without support rows gets the probability 0 (1e-12 in the loss); without any support rows all are alike.
 *
 * ```ts
 * const { loss, gradient } = await episodeGradient(model, params, packTasks(model, tasks), { method: 'prototypical' });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION (another head, a label that is no class), UNKNOWN_OPTION; DIVERGED naming the task; ABORTED
 */
export async function episodeGradient(
  model: Model,
  params: Parameters | ResidentParameters,
  batch: TaskBatch,
  options: EpisodeOptions,
): Promise<EpisodeGradient> {
  checkModel(model);
  checkBatch(model, batch);
  const { method, signal } = resolveOptions(options, 'options', EPISODE_OPTIONS);
  const { head, episode } = model.spec;
  if (head.loss !== 'episode')
    throw invalid('model.head.loss', 'has no embedding for its outputs', head.loss, 'episode');
  const classes = Math.max(2, episode?.classes ?? batch.classes);
  if (batch.classes > classes)
    throw invalid(
      'tasks',
      `have a label ${batch.classes - 1}`,
      batch.classes - 1,
      `classes from 0 to ${classes - 1}, as model.episode says`,
    );

  const inner = { ...noAdaptation(model), graph: graphOf(model, method, classes) };
  const call = { store: model.store(params), batch: batch.native, inner, threads: model.threads };
  const [{ loss, taskLosses, gradient }, { after }] = await Promise.all([
    runNative(signal, (token) => model.ops.metaGradient({ ...call, token, direction: 'metaGradient' })),
    runNative(signal, (token) => model.ops.predict({ ...call, token, before: false, after: true })),
  ]);
  let row = 0;
  const probabilities = Array.from(batch.queryRows, (rows): Tensor => {
    const logits = after!.subarray(row * classes, (row += rows) * classes);
    return { shape: [rows, classes], data: model.floats(softmaxRows(logits, classes)) };
  });
  return { loss, taskLosses, probabilities, gradient: model.named(gradient) };
}

const graphs = new WeakMap<Model, Map<string, NativeGraph>>();

function graphOf(model: Model, method: EpisodeOptions['method'], classes: number): NativeGraph {
  const own = graphs.get(model) ?? new Map<string, NativeGraph>();
  graphs.set(model, own);
  const key = `${method} ${classes}`;
  const known = own.get(key);
  if (known !== undefined) return known;
  const graph = new TaskGraph(model, true);
  const [support, query] = [graph.outputs('support'), graph.outputs('query')];
  const labels = graph.oneHot('support', classes);
  if (method === 'matching') {
    graph.output(graph.log(classLikelihood(graph, attention(graph, query, support), labels), EPSILON), classes);
  } else {
    const { centres, absence } = prototypes(graph, support, labels);
    graph.output(graph.add(graph.distance(query, centres), absence), classes);
  }
  const made = compile(model, graph, (name) => model.tensors.findIndex((tensor) => tensor.name === name));
  own.set(key, made);
  return made;
}

function softmaxRows(logits: ArrayLike<number>, width: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let from = 0; from < result.length; from += width) {
    let top = -Infinity;
    let total = 0;
    for (let c = from; c < from + width; c++) top = Math.max(top, logits[c]);
    for (let c = from; c < from + width; c++) total += result[c] = Math.exp(logits[c] - top);
    for (let c = from; c < from + width; c++) result[c] /= total;
  }
  return result;
}
