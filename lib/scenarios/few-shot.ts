import type { TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import type { Interval } from '../evaluation/intervals.js';
import { evaluateScores, metricsFor } from '../evaluation/metrics.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import { nestedSupport } from '../tasks/index.js';
import { checkTaskSet } from '../tasks/check.js';
import { takesSteps } from './outputs.js';
import { betterOf, checkLearner, entriesOf, measure, metricsOf, seriesOf, tableOf } from './scenario.js';
import { FEW_SHOT_OPTIONS } from './options.js';
import type { FewShotOptions } from './option-types.js';
import type { Scenario } from './scenario.js';

/**
 * Measures how good learners are after few interactions: a curve over the number of support rows, and one over the inner steps. All
 * points have the same query rows and nested support sets ({@link nestedSupport}), so that a point differs from the next only by the
 * rows added.
 *
 * ```ts
 * const { tables, charts } = await fewShot({ maml, ridge }, test, { shots: [1, 3, 5, 10, 20] });
 * ```
 *
 * @param learners by the name to show
 * @param tasks with at least as many support rows as the largest number of shots; others are left out
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA (no task has so many rows), DIVERGED, ABORTED
 */
export async function fewShot(
  learners: Record<string, Learner>,
  tasks: TaskSet,
  options: FewShotOptions = {},
): Promise<Scenario> {
  const field = 'fewShot';
  const { shots, steps, baselines = [], order, seed, signal } = resolveOptions(options, field, FEW_SHOT_OPTIONS);
  checkTaskSet(tasks, 'tasks');
  const named = entriesOf(learners, 'learners', 'learners');
  for (const [name, learner] of named) checkLearner(learner, `learners.${name}`);
  const metrics = metricsOf(named[0][1], options.metrics, `${field}.metrics`);
  for (const [, learner] of named) metricsOf(learner, metrics, `${field}.metrics`);
  const sets = nestedSupport(tasks, shots, { order, seed });
  const [first] = sets;

  const curves: { name: string; points: [shots: number, results: Record<string, Interval>][] }[] = [];
  for (const [name, learner] of named) {
    const points: (typeof curves)[number]['points'] = [
      [0, await measure(learner, first, metrics, { when: 'before' }, signal)],
    ];
    for (const [k, set] of sets.entries())
      points.push([shots[k], await measure(learner, set, metrics, { when: 'after' }, signal)]);
    curves.push({ name, points: shots[0] === 0 ? points.slice(1) : points });
  }
  // The threshold of relevance is the one that `evaluate` uses for the learners.
  const { threshold } = lossOf(named[0][1].model.spec.head);
  for (const baseline of baselines) {
    const fits = metricsFor(baseline.scores, metrics);
    if (fits.length === 0) continue;
    const options = { metrics: fits, threshold };
    const at = (set: TaskSet) => evaluateScores(set, baseline.predict(set), options);
    const points = sets.map((set, k): [number, Record<string, Interval>] => [shots[k], at(set)]);
    if (shots[0] > 0) points.unshift([0, at(withoutSupport(first))]);
    curves.push({ name: baseline.name, points });
  }
  const xs = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const note = `${first.size} of ${tasks.size} tasks have ${shots[shots.length - 1]} support rows or more; ${first.queryRows.length} query rows`;
  const scenario: Scenario = { name: 'few-shot', tables: [], charts: [], notes: [note] };
  for (const metric of metrics) {
    const known = curves.filter(({ points }) => points.some(([, results]) => metric in results));
    const columns = xs.map((x) => ({
      metric: `${metric}, ${x} ${x === 1 ? 'shot' : 'shots'}`,
      better: betterOf(metric),
    }));
    const title = `${metric} by support rows`;
    const at = (points: (typeof known)[number]['points'], x: number) =>
      points.find(([each]) => each === x)?.[1][metric];
    scenario.tables.push(
      tableOf(
        title,
        columns,
        known.map(({ name, points }) => [name, xs.map((x) => at(points, x))]),
      ),
    );
    const series = known.map(({ name, points }) =>
      seriesOf(
        name,
        points.map(([x, results]) => [x, results[metric]]),
      ),
    );
    scenario.charts.push({ title, x: 'support rows', y: metric, series });
  }

  const stepping = named.filter(([, learner]) => takesSteps(learner));
  if (stepping.length === 0 || steps.length === 0) return scenario;
  const largest = sets[sets.length - 1];
  const rows: { name: string; results: Record<string, Interval>[] }[] = [];
  for (const [name, learner] of stepping) {
    const results: Record<string, Interval>[] = [];
    for (const count of steps)
      results.push(
        await measure(
          learner,
          largest,
          metrics,
          count === 0 ? { when: 'before' } : { when: 'after', steps: count },
          signal,
        ),
      );
    rows.push({ name, results });
  }
  for (const metric of metrics) {
    const title = `${metric} by inner steps, ${shots[shots.length - 1]} support rows`;
    const columns = steps.map((count) => ({
      metric: `${metric}, ${count} ${count === 1 ? 'step' : 'steps'}`,
      better: betterOf(metric),
    }));
    scenario.tables.push(
      tableOf(
        title,
        columns,
        rows.map(({ name, results }) => [name, results.map((result) => result[metric])]),
      ),
    );
    const series = rows.map(({ name, results }) =>
      seriesOf(
        name,
        results.map((result, k) => [steps[k], result[metric]]),
      ),
    );
    scenario.charts.push({ title, x: 'inner steps', y: metric, series });
  }
  return scenario;
}

/** The tasks with the same query rows and without support and user, as for unknown users. */
function withoutSupport(tasks: TaskSet): TaskSet {
  return { ...tasks, supportOffsets: new Int32Array(tasks.size + 1), supportRows: new Int32Array(0) };
}
