import type { Baseline } from './baselines/index.js';
import { checkArray, checkObject, checkSignal, invalid } from './check.js';
import type { TaskSet } from './contract.js';
import { evaluateScores, metricsFor, parseMetric } from './evaluation/metrics.js';
import type { MetricOptions, MetricResult } from './evaluation/metrics.js';
import { fitMedianDecoder } from './evaluation/median-decode.js';
import type { MedianDecoder } from './evaluation/median-decode.js';
import { queryLabels } from './evaluation/metrics.js';
import { resultTable } from './evaluation/table.js';
import type { ResultTable } from './evaluation/table.js';
import { Learner } from './learner.js';
import { checkTaskSet, metricScores } from './train.js';

export interface EvaluateOptions extends MetricOptions {
  /** Default `['mae', 'rmse', 'ndcg@5']` for ratings, `['logloss', 'auc']` for clicks. */
  metrics?: string[];
  /** Methods to stand beside, from `fitBaselines`. */
  baselines?: readonly Baseline[];
  /**
   * Tasks that neither trained nor are reported on: on them each method's rating decoder is fitted, and the MAE of the
   * decoded ratings is reported as well, for the learner and the baselines alike. See `fitMedianDecoder`.
   */
  calibration?: TaskSet;
  signal?: AbortSignal;
}

export interface MethodEvaluation {
  method: string;
  /** Predicted rating, probability or ranking score of every query row, in task order. */
  scores: Float64Array;
  metrics: Record<string, MetricResult>;
}

export interface Evaluation {
  /** The learner before and after adaptation, then the baselines. */
  methods: MethodEvaluation[];
  table: ResultTable;
}

/** Name of the MAE of median-decoded ratings in the results. */
const DECODED = 'mae';

/**
 * Measures a learner on the query rows of tasks, per task and then averaged with 95 % intervals, before and after
 * adaptation to the support rows, beside baselines.
 *
 * ```ts
 * const { table } = await evaluate(learner, tasks, { metrics: ['mae', 'ndcg@5'], baselines });
 * console.log(renderText(table));
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION (a metric too), DIVERGED naming the task, ABORTED
 */
export async function evaluate(learner: Learner, tasks: TaskSet, options: EvaluateOptions = {}): Promise<Evaluation> {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
  checkObject(options as unknown, 'evaluate', ['metrics', 'baselines', 'calibration', 'signal', 'threshold', 'gain']);
  checkTaskSet(tasks, 'tasks');
  const isClick = learner.model.spec.head.loss === 'bce';
  const { baselines = [], calibration, signal, threshold = isClick ? 0.5 : undefined, gain } = options;
  const metrics = options.metrics ?? (isClick ? ['logloss', 'auc'] : ['mae', 'rmse', 'ndcg@5']);
  checkArray(metrics, 'evaluate.metrics', 'metric names');
  checkSignal(signal, 'evaluate.signal');
  if (calibration !== undefined) checkTaskSet(calibration, 'evaluate.calibration');
  for (const name of metrics) parseMetric(name);

  const methods: MethodEvaluation[] = [];
  const measure = (method: string, scores: Float64Array, names: string[], calibrationScores?: Float64Array) => {
    methods.push({ method, scores, metrics: evaluateScores(tasks, scores, { metrics: names, threshold, gain }) });
    if (calibrationScores === undefined) return;
    methods.push(decodedMethod({ method, scores }, fitMedianDecoder(calibrationScores, queryLabels(calibration!)), tasks));
  };
  for (const when of ['before', 'after'] as const) {
    const outputs = await learner.outputs(tasks, when, signal);
    const others = calibration && (await learner.outputs(calibration, when, signal));
    const metric = metrics.find((name) => parseMetric(name).score !== 'order') ?? metrics[0]!;
    const name = when === 'before' ? `${learner.algorithm.name}, not adapted` : learner.algorithm.name;
    measure(name, metricScores(learner, outputs, metric), metrics, others && metricScores(learner, others, metric));
  }
  for (const baseline of baselines) {
    const isRating = baseline.scores === 'label';
    const others = isRating && calibration !== undefined ? baseline.predict(calibration) : undefined;
    measure(baseline.name, baseline.predict(tasks), metricsFor(baseline.scores, metrics), others);
  }
  return { methods, table: resultTable(methods) };
}

/** A method's ratings after decoding, and the one metric that decoding is for. @internal */
export function decodedMethod({ method, scores }: Pick<MethodEvaluation, 'method' | 'scores'>, decoder: MedianDecoder, tasks: TaskSet): MethodEvaluation {
  const decoded = decoder.decode(scores);
  return { method: `${method}, median`, scores: decoded, metrics: evaluateScores(tasks, decoded, { metrics: [DECODED] }) };
}

/** The learner's rating decoder for MAE, fitted on tasks that it was not trained on. */
export async function fitDecoder(learner: Learner, tasks: TaskSet, signal?: AbortSignal): Promise<MedianDecoder> {
  const outputs = await learner.outputs(tasks, 'after', signal);
  return fitMedianDecoder(metricScores(learner, outputs, 'mae'), queryLabels(tasks));
}
