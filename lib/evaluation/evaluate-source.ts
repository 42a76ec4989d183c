/** `evaluate` of tasks that are read as they are needed, and the metric of validation on such: to the numbers of the same tasks in memory. */
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Resolved } from '../foundation/options.js';
import type { TaskSource, TaskStatistics } from '../foundation/task-source-types.js';
import { membersOf, nameOf } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import { Learner } from '../learner/learner.js';
import { trainedNotes } from '../learner/split.js';
import { lossOf } from '../model/losses.js';
import { scoresOf } from '../model/scores.js';
import { splitOf } from '../tasks/stored-split.js';
import { statisticsOf } from '../tasks/task-source.js';
import { valuesOfBlocks } from './blocks.js';
import { defaultCandidates } from './candidates.js';
import { byGroup } from './evaluate.js';
import type { Evaluation, MethodEvaluation } from './evaluate.js';
import { groupsOf } from './groups.js';
import { historyNotes } from './history-notes.js';
import { furtherOutputs, minimumNotes } from './inner-minimum.js';
import { meanInterval } from './intervals.js';
import { measureMethod, notesOf } from './measure.js';
import type { Measured } from './measure.js';
import type { CustomMetric } from './metric.js';
import { metricsFor, parseMetric } from './metrics.js';
import type { MetricResult } from './metrics.js';
import { isListMetric } from './names.js';
import type { EVALUATE_OPTIONS } from './options.js';
import { resultTable } from './result-table.js';
import { checkMetric, metricScores } from './scores.js';
import { checkVaried, standardFor } from './standard.js';

/** What is known of tasks that are not in memory, in the form that defaults and checks read of those that are. */
export type TasksInShort = Pick<TaskSet, 'dataset' | 'size' | 'users'>;

/** Whether a source can be measured so; what cannot is measured on a sample in memory. */
export function isReadable(settings: Parameters<typeof checkReadable>[0], statistics: TaskStatistics): boolean {
  try {
    checkReadable(settings, statistics, 'evaluate');
    return true;
  } catch (error) {
    if (error instanceof InnerloopError && error.code === 'UNSUPPORTED') return false;
    throw error;
  }
}

/** @param users by task, where they are known; else every task has one */
export function inShort(
  { tables, size }: TaskSource,
  { labels }: TaskStatistics,
  users = Int32Array.of(1),
): TasksInShort {
  return { dataset: { ...tables, size: 2, label: Float32Array.of(labels.min, labels.max) }, size, users };
}

/** Labels in which the default gain of nDCG is the same whatever rows are measured together. */
const RATINGS = { low: 0, high: 30 };

/**
 * What needs all tasks at once, or the place of a row in a table, is refused by name.
 *
 * @throws {InnerloopError} UNSUPPORTED
 */
export function checkReadable(
  { metrics, candidates, best, gain }: Pick<Measured, 'metrics' | 'candidates' | 'best' | 'gain'>,
  { labels }: TaskStatistics,
  field: string,
): void {
  const refused = (name: string, value: unknown, expected: string) =>
    new InnerloopError('UNSUPPORTED', 'needs all tasks in memory', { field: `${field}.${name}`, value, expected });
  const list = metrics.find(isListMetric);
  if (list !== undefined) throw refused('metrics', list, 'metrics of rows, or tasks from sampleTasks');
  if (typeof candidates === 'object')
    throw refused('candidates', candidates, "'query', 'catalog', or tasks from sampleTasks");
  if (best !== undefined) throw refused('best', best, 'threshold, or tasks from sampleTasks');
  const gains =
    candidates === 'catalog'
      ? undefined
      : metrics.find((m): m is string => typeof m === 'string' && m.startsWith('ndcg'));
  if (gains !== undefined && gain === undefined && (labels.min < RATINGS.low || labels.max > RATINGS.high))
    throw refused('gain', gain, `'linear' or 'exponential': for ${gains} it would follow from all labels`);
}

/** The values of one method on a block, metric by metric. */
async function measured(
  learner: Learner | Ensemble,
  tasks: TaskSet,
  when: 'before' | 'after',
  outputs: Float64Array,
  settings: Measured,
): Promise<Float64Array[]> {
  const { head } = learner.model.spec;
  const kind = lossOf(head).score(head);
  const wanted = metricsFor(kind, settings.metrics);
  const scored = wanted.find((name) => parseMetric(name).score !== 'order') ?? wanted[0];
  const rank = async (rows: TaskSet) => scoresOf(head, await learner.outputs(rows, when, settings.signal), 0);
  const results = await measureMethod(tasks, kind, metricScores(learner, outputs, scored), rank, settings);
  return wanted.map((metric) => results[parseMetric(metric).name].perTask);
}

/** The result of a metric from the values of all tasks. */
function resultOf(metric: string | CustomMetric, perTask: Float64Array): MetricResult {
  return { ...meanInterval(perTask), perTask, ...(typeof metric !== 'string' && { better: metric.better }) };
}

/** One metric of a learner after adaptation, on all tasks of a source. */
export async function measureSource(
  learner: Learner,
  source: TaskSource,
  settings: Measured & { metrics: readonly [string | CustomMetric] },
  field: string,
): Promise<MetricResult> {
  const whole = await wholeSettings(source, settings, field);
  const one = async (tasks: TaskSet) => {
    const outputs = await learner.outputs(tasks, 'after', settings.signal);
    return measured(learner, tasks, 'after', outputs, whole);
  };
  const [perTask] = await valuesOfBlocks(learner, source, 1, one, field, settings.signal);
  return resultOf(settings.metrics[0], perTask);
}

/** What of the settings follows from all labels and not from those of a block. */
async function wholeSettings(source: TaskSource, settings: Measured, field: string): Promise<Measured> {
  const statistics = await statisticsOf(source, field, settings.signal);
  checkReadable(settings, statistics, field);
  return { ...settings, hasOneLabel: statistics.labels.min === statistics.labels.max };
}

type Given = Resolved<typeof EVALUATE_OPTIONS>;

/** @throws {InnerloopError} UNSUPPORTED */
function refuseWhole({ baselines = [], calibration, trainRows, features }: Given): void {
  const asked = { baselines: baselines.length > 0 ? baselines : undefined, calibration, trainRows, features };
  for (const [name, value] of Object.entries(asked))
    if (value !== undefined)
      throw new InnerloopError('UNSUPPORTED', 'needs all tasks in memory', {
        field: `evaluate.${name}`,
        value,
        expected: 'none, or tasks from sampleTasks',
      });
}

/** `evaluate` of a source. */
export async function evaluateSource(
  learner: Learner | Ensemble,
  source: TaskSource,
  given: Given,
): Promise<Evaluation> {
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  const { signal, threshold = loss.threshold, gain, best } = given;
  refuseWhole(given);
  const statistics = await statisticsOf(source, 'tasks', signal);
  const short = inShort(source, statistics);
  const { candidates = defaultCandidates(short) } = given;
  const metrics: readonly (string | CustomMetric)[] =
    given.metrics ?? standardFor(head, short, candidates).metrics.filter((name) => !isListMetric(name));
  const settings = await wholeSettings(source, { metrics, candidates, threshold, gain, best, signal }, 'evaluate');
  for (const metric of metrics) {
    checkMetric(head, metric, 'evaluate.metrics');
    checkVaried(metric, short, 'evaluate.metrics');
  }
  const wanted = metricsFor(loss.score(head), metrics);
  const splits = membersOf(learner).flatMap(({ split }) => split ?? []);
  const isImplicit = learner instanceof Learner && learner.algorithm.solver === 'implicit';
  const history = new Set<string>();
  const measure = async (tasks: TaskSet, from: number) => {
    const before = await learner.outputs(tasks, 'before', signal);
    const after = await learner.outputs(tasks, 'after', signal);
    if (from === 0) for (const member of membersOf(learner)) historyNotes(member, tasks).forEach((n) => history.add(n));
    const moved = isImplicit ? await squares(learner, tasks, before, after, signal) : [];
    return [
      Float64Array.from(tasks.users),
      ...(await measured(learner, tasks, 'before', before, settings)),
      ...(await measured(learner, tasks, 'after', after, settings)),
      ...moved,
    ];
  };
  const columns = 1 + 2 * wanted.length + (isImplicit ? 2 : 0);
  const [users, ...values] = await valuesOfBlocks(learner, source, columns, measure, 'tasks', signal);
  const all = inShort(source, statistics, Int32Array.from(users));
  const groups = given.groups === undefined ? undefined : groupsOf(all, given.groups, 'evaluate.groups');
  const methods = [`${nameOf(learner)}, not adapted`, nameOf(learner)].map((method, k): MethodEvaluation => {
    const own = values.slice(k * wanted.length, (k + 1) * wanted.length);
    const results = wanted.map((metric, m) => [parseMetric(metric).name, resultOf(metric, own[m])] as const);
    return { method, scores: new Float64Array(0), metrics: Object.fromEntries(results) };
  });
  if (groups !== undefined) for (const one of methods) one.groups = byGroup(one.metrics, groups);
  const [further, moved] = values
    .slice(2 * wanted.length)
    .map((column) => Math.sqrt(column.reduce((a, b) => a + b, 0)));
  const notes = [
    ...notesOf(
      all,
      settings,
      methods.map((one) => one.metrics),
    ),
    ...(isImplicit ? minimumNotes(learner, further / moved) : []),
    ...new Set([
      ...(splits.some(({ membership }) => splitOf(source)?.membership === membership)
        ? []
        : membersOf(learner).flatMap((member) => trainedNotes(member, all))),
      ...history,
    ]),
  ];
  return { methods, table: { ...resultTable(methods), ...(notes.length > 0 && { notes }) } };
}

/** By task, how far further steps move the outputs, and how far adaptation did. */
async function squares(
  learner: Learner,
  tasks: TaskSet,
  before: Float64Array,
  after: Float64Array,
  signal: AbortSignal | undefined,
): Promise<[Float64Array, Float64Array]> {
  const further = await furtherOutputs(learner, tasks, signal);
  const { mainOutputs } = learner.model;
  const distances = (a: Float64Array, b: Float64Array) =>
    Float64Array.from({ length: tasks.size }, (_, t) => {
      let sum = 0;
      const end = tasks.queryOffsets[t + 1] * mainOutputs;
      for (let i = tasks.queryOffsets[t] * mainOutputs; i < end; i++) sum += (a[i] - b[i]) ** 2;
      return sum;
    });
  return [distances(further, after), distances(after, before)];
}
