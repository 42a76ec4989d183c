import { checkNumber, invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { meanInterval, pairedDifference } from '../evaluation/intervals.js';
import type { Learner } from '../learner/learner.js';
import { captureState, restoreState } from '../learner/state.js';
import { buildTasks } from '../tasks/index.js';
import { resolveTaskOptions } from '../tasks/resolve-options.js';
import { windowTasks } from '../tasks/split-time.js';
import { train } from '../training/train.js';
import type { TrainOptions } from '../training/train.js';
import { withRecency } from './recency.js';
import { betterOf, checkLearner, measure, metricOf, seriesOf, tableOf } from './scenario.js';
import { DRIFT_OPTIONS } from './options.js';
import type { DriftOptions } from './option-types.js';
import type { Scenario } from './scenario.js';

/**
 * Measures interest drift: interactions are replayed in time order in blocks, and every block is predicted before a method learns
 * from it. The methods compared are
 *
 * - `static`: shared parameters trained on the warm-up, no adaptation;
 * - `adapted`: the same, adapted to each user's interactions before the block;
 * - `adapted, recent`: the same with weights that halve with every half-life of age, see {@link withRecency};
 * - `learning on`, and `learning on, recent`: adapted in the same ways, and after a block was predicted, the shared parameters are
 *   trained on it, with the users' history as support and the block as query.
 *
 * The methods can differ only for users with a history, so only their rows are predicted; notes say how many.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, DIVERGED, ABORTED
 */
export async function interestDrift(dataset: Dataset, options: DriftOptions): Promise<Scenario> {
  const field = 'drift';
  const { warmUp, blocks, updateEpochs, signal, ...given } = resolveOptions(options, field, DRIFT_OPTIONS);
  const { time } = dataset;
  if (time === undefined) throw invalid('dataset.time', 'missing', time, 'interactions.time mapped to a column');
  const tasks = resolveTaskOptions(dataset, { min: 2, ...options.tasks }, `${field}.tasks`);
  const cuts = cutsOf(time, warmUp, blocks);
  const halfLife = given.halfLife ?? (cuts[cuts.length - 1] - cuts[0]) / 10;
  checkNumber(halfLife, `${field}.halfLife`, 0, undefined, true);

  const rows = Int32Array.from({ length: dataset.size }, (_, row) => row).filter((row) => time[row] < cuts[0]);
  const fixed = await options.learner(rows);
  checkLearner(fixed, `${field}.learner()`);
  const metric = metricOf(fixed, options.metric, `${field}.metric`);
  await finish(fixed, buildTasks(dataset, { ...options.tasks, rows }), { ...options.train, signal });
  const [moving, movingRecent] = [
    await twin(fixed, await options.learner(rows)),
    await twin(fixed, await options.learner(rows)),
  ];

  const METHODS = ['static', 'adapted', 'adapted, recent', 'learning on', 'learning on, recent'] as const;
  const perBlock: { x: number; perTask: Float64Array[] }[] = [];
  const notes = [`warm-up: ${rows.length} of ${dataset.size} interactions; half-life ${halfLife}`];
  let predicted = 0;
  for (let b = 0; b < cuts.length; b++) {
    const to = cuts[b + 1] ?? Number.POSITIVE_INFINITY;
    const block = windowTasks(dataset, tasks, cuts[b], to);
    if (block.size === 0) continue;
    predicted += block.queryRows.length;
    const recent = { ...block, dataset: withRecency(dataset, cuts[b], halfLife) };
    const at = async (learner: Learner, set: TaskSet, when: 'before' | 'after') =>
      (await measure(learner, set, [metric], { when }, signal))[metric].perTask;
    perBlock.push({
      x: b + 1,
      perTask: [
        await at(fixed, block, 'before'),
        await at(fixed, block, 'after'),
        await at(fixed, recent, 'after'),
        await at(moving, block, 'after'),
        await at(movingRecent, recent, 'after'),
      ],
    });
    // The block is trained on only after it was predicted. Its rows must remain the query, so tasks are not redrawn.
    await finish(moving, block, { ...updateOptions(options.train), epochs: updateEpochs, redraw: false, signal });
    await finish(movingRecent, recent, {
      ...updateOptions(options.train),
      epochs: updateEpochs,
      redraw: false,
      signal,
    });
  }
  if (perBlock.length === 0) {
    throw new InnerloopError('EMPTY_DATA', 'no block has a user with a history', {
      field: `${field}.tasks.min`,
      value: tasks.min,
      expected: 'users with rows before and in a block',
    });
  }
  const all = METHODS.map((_, m) => Float64Array.from(perBlock.flatMap(({ perTask }) => [...perTask[m]])));
  notes.push(
    `${predicted} interactions of users with a history are predicted; the ${dataset.size - rows.length - predicted} others after the warm-up are not`,
  );
  for (const [a, b] of [
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 3],
  ] as const) {
    const { mean, low, high } = pairedDifference(all[a], all[b]);
    notes.push(
      `${METHODS[a]} − ${METHODS[b]}: ${metric} ${mean.toFixed(4)} (95 % interval ${low.toFixed(4)} to ${high.toFixed(4)})`,
    );
  }
  return {
    name: 'interest-drift',
    tables: [
      tableOf(
        `${metric}, predicted before learned from`,
        [{ metric, better: betterOf(metric) }],
        METHODS.map((method, m) => [method, [meanInterval(all[m])]]),
      ),
    ],
    charts: [
      {
        title: `${metric} by block`,
        x: 'block',
        y: metric,
        series: METHODS.map((method, m) =>
          seriesOf(
            method,
            perBlock.map(({ x, perTask }) => [x, meanInterval(perTask[m])]),
          ),
        ),
      },
    ],
    notes,
  };
}

/** The times at which blocks start: the first after a share `warmUp` of the rows, the others at equal counts of rows. */
function cutsOf(time: Float64Array, warmUp: number, blocks: number): number[] {
  const sorted = time.slice().sort();
  const first = Math.floor(warmUp * sorted.length);
  const cuts = Array.from(
    { length: blocks },
    (_, b) => sorted[first + Math.floor((b * (sorted.length - first)) / blocks)],
  );
  return cuts.filter((cut, b) => b === 0 || cut > cuts[b - 1]);
}

const updateOptions = (options: TrainOptions = {}): TrainOptions => ({
  metaBatch: options.metaBatch,
  weigh: options.weigh,
  hide: options.hide,
});

async function finish(learner: Learner, tasks: TaskSet, options: TrainOptions): Promise<void> {
  for await (const _ of train(learner, tasks, options)) continue;
}

/** Copies the parameters of a trained learner into an untrained one. */
async function twin(trained: Learner, fresh: Learner): Promise<Learner> {
  restoreState(fresh, captureState(trained), 'drift.learner()');
  fresh.rowState = trained.rowState;
  fresh.catalog = trained.catalog;
  return fresh;
}
