import { checkSignal, invalid } from '../foundation/check.js';
import type { ScoreKind, TaskSet } from '../foundation/contract.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { compareGroups, groupsOf } from './groups.js';
import type { GroupComparison } from './groups.js';
import { resolveOptions } from '../foundation/options.js';
import { defaultCandidates } from './candidates.js';
import type { EvaluateOptions } from './option-types.js';
import { EVALUATE_OPTIONS } from './options.js';
import { parseListMetric } from './list-metrics.js';
import type { Scorer } from './lists.js';
import { fitMedianDecoder } from './median-decode.js';
import type { MedianDecoder } from './median-decode.js';
import { missedMinimum } from './inner-minimum.js';
import { historyNotes } from './history-notes.js';
import { measureMethod, notesOf } from './measure.js';
import { evaluateScores, parseMetric, queryLabels } from './metrics.js';
import type { MetricResult } from './metrics.js';
import type { CustomMetric } from './metric.js';
import { isListMetric } from './names.js';
import { reliability } from './probability.js';
import type { Reliability } from './probability.js';
import { resultTable } from './result-table.js';
import type { ResultTable } from './result-table.js';
import { isPredictor, membersOf, nameOf } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import { Learner } from '../learner/learner.js';
import { trainedNotes } from '../learner/split.js';
import { lossOf } from '../model/losses.js';
import { scoresAs, scoresOf } from '../model/scores.js';
import { checkTaskSet } from '../tasks/check.js';
import { checkTasks, isTaskSource } from '../tasks/task-source.js';
import { evaluateSource } from './evaluate-source.js';
import { checkMetric, metricScores } from './scores.js';
import { checkVaried, standardFor } from './standard.js';

export type { EvaluateOptions };

/** Results of one method. */
export interface MethodEvaluation {
  /** The method's name. */
  method: string;
  /** Predicted rating, probability or ranking score of every query row, in task order; of a source none are kept. */
  scores: Float64Array;
  /** Its metrics by name, task by task and in the mean. */
  metrics: Record<string, MetricResult>;
  /** Differences between groups by metric, with the option `groups`. */
  groups?: Record<string, GroupComparison>;
  /** The calibration of a learner's probabilities (loss `bce`). */
  reliability?: Reliability;
}

/** What `evaluate` returns. */
export interface Evaluation {
  /** The learner before and after adaptation, then the baselines. */
  methods: MethodEvaluation[];
  /** The means with their intervals, to print or to render. */
  table: ResultTable;
}

/** Name of the MAE of median-decoded ratings in the results. */
const DECODED = 'mae';

/**
 * Measures a learner or an ensemble on the query rows of tasks, before and after adaptation to the support rows, and baselines.
 * Metrics are computed for each task and averaged, with 95 % intervals.
 *
 * ```ts
 * const { table } = await evaluate(learner, tasks, { metrics: ['mae', 'ndcg@5', 'coverage@10'], baselines, groups: 'gender' });
 * console.log(renderText(table));
 * ```
 *
 * Of a source, such as `openShards` returns, no more than a thousand tasks are held at a time; with what cannot be measured so
 * (lists, baselines, drawn candidates, `best`, calibration) it is refused. Results have the values of tasks, but not scores of rows.
 *
 * @param tasks in memory, or a source that they are read from
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION (a metric too), MISSING_COLUMN, DIVERGED naming the task, ABORTED; UNSUPPORTED for what
 * cannot be measured on a source
 */
export async function evaluate(
  learner: Learner | Ensemble,
  tasks: TaskSet | TaskSource,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkPredicts(learner);
  checkTasks(tasks, 'tasks');
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  const given = resolveOptions(options, 'evaluate', EVALUATE_OPTIONS);
  if (isTaskSource(tasks)) return evaluateSource(learner, tasks, given);
  const { baselines = [], calibration, trainRows, features, signal, threshold = loss.threshold, gain, best } = given;
  const { candidates = defaultCandidates(tasks) } = given;
  const names: readonly (string | CustomMetric)[] = given.metrics ?? standardFor(head, tasks, candidates).metrics;
  if (calibration !== undefined) {
    checkTaskSet(calibration, 'evaluate.calibration');
    if (loss.score(head) === 'order')
      throw invalid(
        'evaluate.calibration',
        `decodes ratings, which loss ${head.loss} does not give`,
        calibration,
        'none',
      );
  }
  const metrics = names.filter((name) => !isListMetric(name));
  for (const name of names.filter(isListMetric)) parseListMetric(name);
  for (const metric of metrics) {
    checkMetric(head, metric, 'evaluate.metrics');
    checkVaried(metric, tasks, 'evaluate.metrics');
  }
  const measured = { metrics: names, candidates, threshold, gain, best, trainRows, features, signal };
  const groups = given.groups === undefined ? undefined : groupsOf(tasks, given.groups, 'evaluate.groups');

  const methods: MethodEvaluation[] = [];
  const measure = async (
    method: string,
    kind: ScoreKind,
    scores: Float64Array,
    rank: Scorer,
    decoding?: Float64Array,
  ) => {
    methods.push({ method, scores, metrics: await measureMethod(tasks, kind, scores, rank, measured) });
    if (decoding !== undefined)
      methods.push(decodedMethod({ method, scores }, fitMedianDecoder(decoding, queryLabels(calibration!)), tasks));
  };
  const minimum: string[] = [];
  let unadapted: Float64Array = new Float64Array(0);
  for (const when of ['before', 'after'] as const) {
    const outputs = await learner.outputs(tasks, when, signal);
    if (when === 'before') unadapted = outputs;
    else if (learner instanceof Learner)
      minimum.push(...(await missedMinimum(learner, tasks, unadapted, outputs, signal)));
    const others = calibration && (await learner.outputs(calibration, when, signal));
    const metric = metrics.find((name) => parseMetric(name).score !== 'order') ?? metrics[0] ?? 'auc';
    const name = when === 'before' ? `${nameOf(learner)}, not adapted` : nameOf(learner);
    const rank: Scorer = async (candidates) => scoresOf(head, await learner.outputs(candidates, when, signal), 0);
    await measure(
      name,
      loss.score(head),
      metricScores(learner, outputs, metric),
      rank,
      others && metricScores(learner, others, metric),
    );
    const labels = queryLabels(tasks);
    if (loss.link === 'logistic' && labels.every((y) => y === 0 || y === 1)) {
      methods[methods.length - 1].reliability = reliability(labels, scoresAs('probability', head, outputs));
    }
  }
  for (const baseline of baselines) {
    const isRating = baseline.scores === 'label';
    const others = isRating && calibration !== undefined ? baseline.predict(calibration) : undefined;
    await measure(baseline.name, baseline.scores, baseline.predict(tasks), (rows) => baseline.predict(rows), others);
  }
  if (groups !== undefined) for (const one of methods) one.groups = byGroup(one.metrics, groups);
  const ranked = notesOf(
    tasks,
    measured,
    methods.map((one) => one.metrics),
  );
  const notes = [
    ...ranked,
    ...minimum,
    ...new Set(
      membersOf(learner).flatMap((member) => [...trainedNotes(member, tasks), ...historyNotes(member, tasks)]),
    ),
  ];
  return { methods, table: { ...resultTable(methods), ...(notes.length > 0 && { notes }) } };
}

function checkPredicts(learner: unknown): void {
  if (!isPredictor(learner))
    throw invalid('learner', 'not a learner', learner, 'what createLearner or createEnsemble returned');
}

/** Metrics that have a value for each task, by group. @internal */
export function byGroup(
  metrics: Record<string, MetricResult>,
  groups: readonly string[],
): Record<string, GroupComparison> {
  const perTask = Object.entries(metrics).filter(([, { perTask }]) => perTask.some((value) => !Number.isNaN(value)));
  return Object.fromEntries(
    perTask.map(([name, result]) => [name, compareGroups(result, groups, { resamples: GROUP_RESAMPLES })]),
  );
}
/** Resamples for each method, metric and group: enough for two digits of an interval. */
const GROUP_RESAMPLES = 1000;

/** The results of a method after its ratings were decoded, with the MAE only, which decoding is for. @internal */
export function decodedMethod(
  { method, scores }: Pick<MethodEvaluation, 'method' | 'scores'>,
  decoder: MedianDecoder,
  tasks: TaskSet,
): MethodEvaluation {
  const decoded = decoder.decode(scores);
  return {
    method: `${method}, median`,
    scores: decoded,
    metrics: evaluateScores(tasks, decoded, { metrics: [DECODED] }),
  };
}

/** The learner's rating decoder for MAE, fitted on tasks that it was not trained on. */
export async function fitDecoder(
  learner: Learner | Ensemble,
  tasks: TaskSet,
  signal?: AbortSignal,
): Promise<MedianDecoder> {
  checkPredicts(learner);
  checkTaskSet(tasks, 'tasks');
  checkSignal(signal, 'signal');
  checkMetric(learner.model.spec.head, DECODED, 'learner.model.head.loss');
  const outputs = await learner.outputs(tasks, 'after', signal);
  return fitMedianDecoder(metricScores(learner, outputs, 'mae'), queryLabels(tasks));
}
