/** Batches: ragged typed-array views of tasks. */
export { describeInputs } from './features.js';
export type { InputChoice } from './features.js';
export type { FeatureValue, FeatureValues } from './given-features.js';
export { packTasks, TaskBatch } from './batch.js';
export type { HideIds } from './task-batch.js';
export type { RowOptions } from './row-rules.js';
