export { buildTasks, redrawQuery } from './tasks/build.js';
export type { BuiltTasks } from './tasks/build.js';
export { joinTasks } from './tasks/join.js';
export { taskGroups } from './tasks/key.js';
export type { TaskGroups, TaskKey } from './tasks/key.js';
export { nestedSupport } from './tasks/nested.js';
export type { NestedOptions } from './tasks/nested.js';
export type {
  PartitionSplit,
  QuerySize,
  Selector,
  SplitOptions,
  TaskOptions,
  TaskSplit,
  TimeSplit,
  UserSplit,
} from './tasks/options.js';
export { splitTasks } from './tasks/split.js';
export type { Split } from './tasks/split.js';
export { subsetTasks, summary } from './tasks/subset.js';
export type { Spread, TaskSummary } from './tasks/subset.js';
