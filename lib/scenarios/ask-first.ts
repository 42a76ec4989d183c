import { checkArray } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { pairedDifference } from '../evaluation/intervals.js';
import type { Learner } from '../learner/learner.js';
import { random } from '../foundation/random.js';
import { TaskSetBuilder } from '../tasks/task-set-builder.js';
import { checkTaskSet } from '../tasks/check.js';
import type { EvidenceCandidate } from './evidence.js';
import { betterOf, checkLearner, measure, metricsOf, seriesOf, tableOf } from './scenario.js';
import type { Metrics, Scenario } from './scenario.js';
import { resolveOptions } from '../foundation/options.js';
import { ASK_FIRST_OPTIONS } from './options.js';
import type { AskFirstOptions } from './option-types.js';

/**
 * Measures whether the questions of {@link evidenceCandidates} help new users more than other questions. Every user is asked about
 * the first items of an order. A log has answers only for items that the user met, so the answers are those among the support rows
 * of the user's task; they become the support. The orders compared are by score, by popularity alone, by norm alone, and at random,
 * drawn for each user.
 *
 * @param candidates all items that may be asked about, as `evidenceCandidates` gives them
 * @param tasks that were not trained on
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, DIVERGED, ABORTED
 */
export async function askFirst(
  learner: Learner,
  candidates: readonly EvidenceCandidate[],
  tasks: TaskSet,
  options: AskFirstOptions = {},
): Promise<Scenario> {
  const field = 'askFirst';
  const { questions, seed, signal } = resolveOptions(options, field, ASK_FIRST_OPTIONS);
  checkLearner(learner);
  checkTaskSet(tasks, 'tasks');
  const given: unknown = candidates;
  checkArray(given, 'candidates', 'evidence candidates');
  const metrics = metricsOf(learner, options.metrics, `${field}.metrics`);
  const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } = tasks;
  if (candidates.length === 0) {
    throw new InnerloopError('EMPTY_DATA', 'no candidates', {
      field: 'candidates',
      expected: 'what evidenceCandidates returned',
    });
  }
  const items = Int32Array.from(candidates, ({ item }) => dataset.items.keys.idOf(item));
  /** The position of each item in an order of the candidates; for other items, a position beyond all questions. */
  const positions = (order: Int32Array): Int32Array => {
    const position = new Int32Array(dataset.items.rows).fill(candidates.length);
    order.forEach((candidate, at) => (position[items[candidate]] = at));
    return position;
  };
  const all = Int32Array.from(candidates.keys());
  const by = (value: (candidate: EvidenceCandidate) => number) => {
    const position = positions(all.slice().sort((a, b) => value(candidates[b]) - value(candidates[a]) || a - b));
    return () => position;
  };
  const orders: [name: string, positionsOf: (task: number) => Int32Array][] = [
    ['popularity × norm', by(({ score }) => score)],
    ['popularity', by(({ popularity }) => popularity)],
    ['norm', by(({ norm }) => norm)],
    ['random', (t) => positions(random(seed, 'scenario.askFirst', t).shuffle(all.slice()))],
  ];
  const notes: string[] = [];
  const measured: Metrics[][] = [];
  for (const [name, positionsOf] of orders) {
    const sets = questions.map(() => new TaskSetBuilder());
    for (let t = 0; t < tasks.size; t++) {
      const position = positionsOf(t);
      const support = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
      const query = queryRows.subarray(queryOffsets[t], queryOffsets[t + 1]);
      questions.forEach((count, k) =>
        sets[k].add(
          tasks.keys[t],
          tasks.users[t],
          support.filter((row) => position[dataset.item[row]] < count),
          query,
        ),
      );
    }
    const built = sets.map((set) => set.build(dataset));
    notes.push(
      `${name}: ${built.map(({ supportRows: { length }, size }, k) => `${(length / size).toFixed(1)} answers to ${questions[k]}`).join(', ')}`,
    );
    const results: Metrics[] = [];
    for (const set of built) results.push(await measure(learner, set, metrics, { when: 'after' }, signal));
    measured.push(results);
  }
  const scenario: Scenario = { name: 'ask-first', tables: [], charts: [], notes };
  for (const metric of metrics) {
    const title = `${metric} by questions asked`;
    const columns = questions.map((count) => ({ metric: `${metric}, ${count} asked`, better: betterOf(metric) }));
    scenario.tables.push(
      tableOf(
        title,
        columns,
        orders.map(([name], o) => [name, measured[o].map((result) => result[metric])]),
      ),
    );
    const series = orders.map(([name], o) =>
      seriesOf(
        name,
        measured[o].map((result, k) => [questions[k], result[metric]]),
      ),
    );
    scenario.charts.push({ title, x: 'questions asked', y: metric, series });
    questions.forEach((count, k) => {
      const { mean, low, high } = pairedDifference(measured[0][k][metric], measured[3][k][metric]);
      notes.push(
        `${count} asked, popularity × norm − random: ${metric} ${mean.toFixed(4)} (95 % interval ${low.toFixed(4)} to ${high.toFixed(4)})`,
      );
    });
  }
  return scenario;
}
