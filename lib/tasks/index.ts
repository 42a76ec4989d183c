export { buildTasks } from './build.js';
export type { BuiltTasks } from './build.js';
export { joinTasks } from './join.js';
export { taskGroups } from './key.js';
export type { TaskGroups, TaskKey } from './key.js';
export { nestedSupport } from './nested.js';
export type {
  NestedOptions,
  OpenShardsOptions,
  PartitionSplit,
  PartSplit,
  QuerySize,
  SampleOptions,
  Selector,
  ShardOptions,
  SplitOptions,
  SupportSize,
  TaskOptions,
  TaskSplit,
  TimeSplit,
  UserSplit,
} from './option-types.js';
export { redrawQuery } from './redraw.js';
export { sampleTasks } from './sample.js';
export { openShards } from './shards/open.js';
export type { ShardedTasks, Shards } from './shards/open.js';
export { writeShards } from './shards/write.js';
export type { ShardSummary } from './shards/write.js';
export { splitTasks } from './split.js';
export type { GrownSplit, RestoredSplit, StoredSplit } from './stored-split.js';
export type { SetsOf, Split } from './split.js';
export { subsetTasks, summary } from './subset.js';
export { taskSource } from './task-source.js';
export type { Spread, TaskSummary } from './subset.js';
