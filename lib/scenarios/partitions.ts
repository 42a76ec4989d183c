import type { TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { MethodEvaluation } from '../evaluation/evaluate.js';
import type { Interval } from '../evaluation/intervals.js';
import type { Learner } from '../learner/learner.js';
import { checkTaskSet } from '../tasks/check.js';
import { betterOf, checkLearner, entriesOf, metricsOf, seriesOf, tableOf } from './scenario.js';
import { PARTITION_OPTIONS } from './options.js';
import type { PartitionOptions } from './option-types.js';
import type { Scenario } from './scenario.js';

/**
 * Measures a learner on the cold-start partitions (MeLU, Lee et al. 2019). There is one table for each metric, methods by sets.
 *
 * ```ts
 * const { sets } = splitTasks(dataset, { protocol: 'partitions', … });
 * const { warm, userCold, itemCold, bothCold } = sets;
 * await coldStart(learner, { warm, userCold, itemCold, bothCold }, { baselines });
 * ```
 *
 * @param sets sets of tasks by name, none of which was trained on
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, DIVERGED, ABORTED
 */
export async function coldStart(
  learner: Learner,
  sets: Record<string, TaskSet>,
  options: PartitionOptions = {},
): Promise<Scenario> {
  const field = 'coldStart';
  const { baselines, signal } = resolveOptions(options, field, PARTITION_OPTIONS);
  checkLearner(learner);
  const metrics = metricsOf(learner, options.metrics, `${field}.metrics`);
  const names = entriesOf(sets, 'sets', 'task sets').map(([name, tasks]) => {
    checkTaskSet(tasks, `sets.${name}`);
    return name;
  });
  const measured: MethodEvaluation[][] = [];
  for (const name of names)
    measured.push((await evaluate(learner, sets[name], { metrics: [...metrics], baselines, signal })).methods);
  const methods = measured[0].map(({ method }) => method);
  const result = (method: string, k: number, metric: string): Interval | undefined =>
    measured[k].find((each) => each.method === method)?.metrics[metric];
  const scenario: Scenario = {
    name: 'cold-start',
    tables: [],
    charts: [],
    notes: names.map((name) => `${name}: ${sets[name].size} tasks`),
  };
  for (const metric of metrics) {
    const columns = names.map((name) => ({ metric: `${metric}, ${name}`, better: betterOf(metric) }));
    const known = methods.filter((method) => names.some((_, k) => result(method, k, metric) !== undefined));
    scenario.tables.push(
      tableOf(
        metric,
        columns,
        known.map((method) => [method, names.map((_, k) => result(method, k, metric))]),
      ),
    );
    const points = (method: string) =>
      names.flatMap((_, k): [number, Interval][] => {
        const at = result(method, k, metric);
        return at === undefined ? [] : [[k, at]];
      });
    scenario.charts.push({
      title: `${metric} by partition`,
      names: [...names],
      x: 'set',
      y: metric,
      series: known.map((method) => seriesOf(method, points(method))),
    });
  }
  return scenario;
}
