/** The tasks that are trained on: where they come from, and what has to be known of all their rows before the first step. */
import { fitRows, rowsOfStatistics } from '../batch/row-rules.js';
import type { RowState } from '../batch/row-rules.js';
import { invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import type { TaskShards, TaskSource } from '../foundation/task-source-types.js';
import { catalogCounts, rowCounts } from '../learner/catalog.js';
import type { Learner } from '../learner/learner.js';
import type { ReadTasks } from '../learner/manifest.js';
import { keepSplit } from '../learner/split.js';
import { splitOf } from '../tasks/stored-split.js';
import { isTaskSource, statisticsOf, taskSource } from '../tasks/task-source.js';
import { checkLabels, checkLabelsOf, checkWeights, checkWeightsOf } from './check-labels.js';
import { DataGuard } from './data-guard.js';
import type { TaskSampling } from './option-types.js';
import { orderOf, ShardOrder, TaskSampler } from './task-sampling.js';
import type { EpochOrder } from './task-sampling.js';

export interface TrainingData {
  source: TaskSource;
  tables: Dataset;
  /** What tells a run on these tasks from one on others. */
  identity: TaskSet | ReadTasks;
  /** Interactions by user or item row of the tables. */
  counts: (side: 'user' | 'item') => Int32Array;
  fitRows(learner: Learner): RowState;
  /** @throws {InnerloopError} INVALID_DATA for labels or weights that nothing can be learned from */
  check(learner: Learner): void;
  /** @throws {InnerloopError} INVALID_DATA for arrays that were changed since */
  checkUnchanged(): void;
  keepSplit(learner: Learner): void;
  sampler(losses: Float64Array | undefined): Sampler;
}

export interface Sampler {
  /** Tasks of an epoch whose order a checkpoint keeps; undefined where the seed and the epoch say which they are. */
  readonly kept: number | undefined;
  /** What an interrupted training has to know of it. */
  readonly losses: Float64Array | undefined;
  /** The order that a checkpoint keeps. */
  draw(epoch: number): Int32Array | undefined;
  order(drawn: Int32Array | undefined, epoch: number): EpochOrder;
  update(tasks: Int32Array, losses: ArrayLike<number>): void;
}

export async function trainingData(
  tasks: TaskSet | TaskSource,
  validation: TaskSet | TaskSource | undefined,
  seed: number,
  sampling: TaskSampling,
  signal: AbortSignal | undefined,
): Promise<TrainingData> {
  if (isTaskSource(tasks)) return dataOfSource(tasks, validation, seed, sampling, signal);
  const guard = new DataGuard([tasks, ...inMemory(validation)]);
  const { dataset } = tasks;
  return {
    source: taskSource(tasks),
    tables: dataset,
    identity: tasks,
    counts: (side) => rowCounts(tasks, side),
    fitRows: ({ rowRules, model }) => fitRows(rowRules, model.spec.head.loss, tasks),
    check(learner) {
      checkLabels(learner, tasks);
      checkWeights(tasks);
    },
    checkUnchanged: () => guard.check(),
    keepSplit: (learner) => keepSplit(learner, tasks),
    sampler: (losses) => drawnBy(new TaskSampler(tasks, sampling, seed, 'train.sampling', losses), tasks.size),
  };
}

/** Arrays that could change: what is read is held against its digest. */
const inMemory = (tasks: TaskSet | TaskSource | undefined): TaskSet[] =>
  tasks === undefined || isTaskSource(tasks) ? [] : [tasks];

async function dataOfSource(
  source: TaskSource,
  validation: TaskSet | TaskSource | undefined,
  seed: number,
  sampling: TaskSampling,
  signal: AbortSignal | undefined,
): Promise<TrainingData> {
  const { tables, shards } = source;
  if (shards !== undefined && sampling !== 'uniform')
    throw invalid('train.sampling', 'draws tasks from all shards at once', sampling, "'uniform', or tasks in memory");
  const guard = new DataGuard(inMemory(validation));
  const statistics = await statisticsOf(source, 'tasks', signal);
  return {
    source,
    tables,
    identity: { tables, statistics, shards },
    counts: (side) => (side === 'user' ? statistics.userRows : statistics.itemRows),
    fitRows: ({ rowRules, model }) => rowsOfStatistics(rowRules, model.spec.head.loss, statistics),
    check(learner) {
      checkLabelsOf(learner, statistics);
      checkWeightsOf(statistics);
    },
    checkUnchanged: () => guard.check(),
    keepSplit(learner) {
      const { keys } = learner.catalog!.items;
      if (learner.split === undefined && keys === tables.items.keys) learner.split = splitOf(source);
    },
    sampler: (losses) =>
      shards === undefined
        ? drawnBy(new TaskSampler(source, sampling, seed, 'train.sampling', losses), source.size)
        : byShards(shards, seed),
  };
}

function byShards(shards: TaskShards, seed: number): Sampler {
  return {
    kept: undefined,
    losses: undefined,
    draw: () => undefined,
    order: (_, epoch) => new ShardOrder(shards, seed, epoch),
    update: () => undefined,
  };
}

function drawnBy(sampler: TaskSampler, kept: number): Sampler {
  return {
    kept,
    losses: sampler.losses,
    draw: (epoch) => sampler.draw(epoch),
    order: (drawn) => orderOf(drawn!),
    update: (tasks, losses) => sampler.update(tasks, losses),
  };
}

/** Interactions of the training tasks by item row of the learner's catalog. */
export const itemCounts = ({ counts, tables }: TrainingData, catalog: Dataset): Int32Array =>
  catalogCounts(counts('item'), tables, catalog);
