export { buildTasks, redrawQuery } from './tasks/build.js';
export type { BuiltTasks } from './tasks/build.js';
export type { PartitionSplit, Selector, SplitOptions, TaskOptions, UserSplit } from './tasks/options.js';
export { splitTasks } from './tasks/split.js';
export type { Split } from './tasks/split.js';
export { subsetTasks, summary } from './tasks/subset.js';
export type { Spread, TaskSummary } from './tasks/subset.js';
