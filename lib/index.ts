/** The public API, in pipeline order. */
export type * from './contract.js';
export { InnerloopError } from './errors.js';
export type { ErrorCode, ErrorDetails } from './errors.js';

// interactions -> tasks
export { datasetFromColumns, openDataset } from './interactions.js';
export type { ColumnSource, DataSource, FeatureSpec, OpenOptions, TableSource } from './interactions.js';
export { buildTasks, redrawQuery, splitTasks, subsetTasks, summary } from './tasks.js';
export type { Selector, Split, SplitOptions, TaskOptions, TaskSummary } from './tasks.js';

// models and batches
export { defineModel, Model } from './model.js';
export type { ModelOptions, TensorSpec } from './model.js';
export { describeInputs } from './features.js';
export type { InputChoice } from './features.js';
export { packTasks, TaskBatch } from './batch.js';

// inner loop -> meta-gradient -> outer update
export { adapt, predict } from './inner-loop.js';
export type { CallOptions } from './inner-loop.js';
export { hessianVectorProduct, metaGradient } from './meta-gradient.js';
export type { HessianVectorProduct, MetaGradient, MetaGradientOptions } from './meta-gradient.js';
export { anil, fomaml, maml, reptile, ridge } from './algorithms/index.js';
export type { MamlOptions } from './algorithms/index.js';
export type { Algorithm, GradientOptions, RateKind } from './algorithm.js';
export { adam, sgd } from './outer-update.js';
export type { AdamOptions, Optimizer, SgdOptions } from './outer-update.js';
export { createLearner, Learner } from './learner.js';
export type { LearnerOptions } from './learner.js';
export { train } from './train.js';
export type { EpochReport, TrainOptions } from './train.js';
export type { HideIds } from './task-batch.js';

// evaluation
export { evaluate, fitDecoder } from './evaluation.js';
export type { EvaluateOptions, Evaluation, MethodEvaluation } from './evaluation.js';
export { evaluateScores, metricOf } from './evaluation/metrics.js';
export type { EvaluationOptions, MetricResult } from './evaluation/metrics.js';
export { meanInterval, pairedDifference } from './evaluation/intervals.js';
export type { Interval } from './evaluation/intervals.js';
export { fitMedianDecoder, medianDecoder } from './evaluation/median-decode.js';
export type { MedianDecoder } from './evaluation/median-decode.js';
export { renderMarkdown, renderText, resultTable } from './evaluation/table.js';
export type { ResultTable } from './evaluation/table.js';
export {
  alsFoldIn, contentRidge, fitBaselines, globalMean, itemMean, popularity, userItemBias,
} from './baselines/index.js';
export type { Baseline } from './baselines/index.js';

// serving
export { PersonalModel } from './personal-model.js';
export type { Recommendation, RecommendOptions, Support } from './personal-model.js';
export { loadLearner, saveLearner } from './persist.js';

import { addon } from './addon.js';

/** What the native core runs on: the instruction set in use, those available, and the hardware threads. */
export function runtime(): { isa: string; isas: string[]; threads: number } {
  const { isa, isas, hardwareThreads } = addon();
  return { isa, isas: [...isas], threads: hardwareThreads };
}
