/** The public API, in pipeline order. */
export type * from './foundation/contract.js';
export { InnerloopError } from './foundation/errors.js';
export type { ErrorCode, ErrorDetails } from './foundation/errors.js';

// interactions -> tasks
export { datasetFromColumns, openDataset, rowWeights } from './data/open.js';
export { readNpy } from './files/npy.js';
export type { NpyArray } from './files/npy.js';
export { withHistory } from './data/history.js';
export type { HistoryOptions } from './data/history.js';
export type {
  ColumnSource,
  DataSource,
  EntitySource,
  IdSource,
  FeatureSpec,
  OpenOptions,
  PopularityPropensity,
  RowWeightOptions,
  TableSource,
} from './data/open.js';
export {
  buildTasks,
  joinTasks,
  nestedSupport,
  redrawQuery,
  splitTasks,
  subsetTasks,
  summary,
  taskGroups,
} from './tasks/index.js';
export type {
  NestedOptions,
  QuerySize,
  Selector,
  Split,
  SplitOptions,
  TaskGroups,
  TaskKey,
  TaskOptions,
  TaskSplit,
  TaskSummary,
  TimeSplit,
} from './tasks/index.js';

// models and batches
export { defineModel, Model } from './model/model.js';
export type { ModelOptions, TensorSpec } from './model/model.js';
export { describeInputs } from './batch/features.js';
export type { InputChoice } from './batch/features.js';
export { packTasks, TaskBatch } from './batch/batch.js';

// inner loop -> meta-gradient -> outer update
export { adapt, predict } from './meta/inner-loop.js';
export type { CallOptions } from './meta/inner-loop.js';
export { hessianVectorProduct, metaGradient } from './meta/meta-gradient.js';
export type { HessianVectorProduct, MetaGradient, MetaGradientOptions } from './meta/meta-gradient.js';
export { episodeGradient } from './meta/episode-gradient.js';
export type { EpisodeGradient, EpisodeOptions } from './meta/episode-gradient.js';
export * from './algorithms/registry.js';
export type { Algorithm, Annealing, GradientOptions, RateKind } from './meta/algorithm.js';
export { adam, sgd } from './meta/outer-update.js';
export type { AdamOptions, Optimizer, SgdOptions } from './meta/outer-update.js';
export { createLearner, Learner } from './learner/learner.js';
export type { LearnerOptions } from './learner/learner.js';
export type { Uncertain } from './learner/uncertainty.js';
export { train } from './training/train.js';
export type { EpochReport, TrainOptions } from './training/train.js';
export { trainStep } from './training/train-step.js';
export type { TrainStepOptions, TrainStepReport } from './training/train-step.js';
export type { HideIds } from './batch/task-batch.js';
export type { TaskSampling } from './training/task-sampling.js';
export type { RowOptions } from './batch/rows.js';

// evaluation
export { evaluate, fitDecoder } from './evaluation/evaluate.js';
export type { EvaluateOptions, Evaluation, MethodEvaluation } from './evaluation/evaluate.js';
export { evaluateScores, metricOf } from './evaluation/metrics.js';
export type { EvaluationOptions, MetricResult } from './evaluation/metrics.js';
export { rankCatalog } from './evaluation/lists.js';
export type { RankedLists, RankOptions, Scorer } from './evaluation/lists.js';
export { evaluateLists } from './evaluation/list-metrics.js';
export type { ListOptions } from './evaluation/list-metrics.js';
export { reliability } from './evaluation/probability.js';
export type { Reliability, ReliabilityBin, ReliabilityOptions } from './evaluation/probability.js';
export { compareGroups } from './evaluation/groups.js';
export type { Gap, GroupComparison, GroupInterval, GroupOptions } from './evaluation/groups.js';
export { compareMethods, holm, pairedBootstrap, randomizationTest, wilcoxon } from './evaluation/significance.js';
export type {
  BootstrapTest,
  CompareOptions,
  Comparison,
  ComparedMethod,
  RandomizationTest,
  TestValues,
  WilcoxonTest,
} from './evaluation/significance.js';
export type { ResampleOptions } from './evaluation/bootstrap.js';
export { counterfactual, policyValue, popularityPropensity } from './evaluation/counterfactual.js';
export type {
  CounterfactualEstimate,
  CounterfactualOptions,
  LoggedRows,
  PolicyOptions,
  PropensityOptions,
} from './evaluation/counterfactual.js';
export { meanInterval, pairedDifference } from './evaluation/intervals.js';
export type { Interval } from './evaluation/intervals.js';
export { fitMedianDecoder, medianDecoder } from './evaluation/median-decode.js';
export type { MedianDecoder } from './evaluation/median-decode.js';
export { renderMarkdown, renderText, resultTable } from './evaluation/table.js';
export type { ResultTable } from './evaluation/table.js';
export {
  alsFoldIn,
  contentRidge,
  fitBaselines,
  globalMean,
  itemMean,
  popularity,
  userItemBias,
} from './baselines/fit.js';
export type { Baseline } from './baselines/fit.js';
export { compareRuns } from './compare/runs.js';
export type { MethodRun, RunTable, RunTableCell, RunTableRow } from './compare/runs.js';
export { bootstrapIntervals } from './compare/bootstrap.js';
export { renderComparison, renderComparisonMarkdown } from './compare/table.js';

// scenarios
export {
  askFirst,
  coldStart,
  crossDomain,
  evidenceCandidates,
  fewShot,
  fitShrinkage,
  gradientAlignment,
  interestDrift,
  negativeTransfer,
  withRecency,
} from './scenarios/index.js';
export type {
  Alignment,
  AlignmentOptions,
  AskFirstOptions,
  Chart,
  CrossDomainOptions,
  DriftOptions,
  EvidenceCandidate,
  EvidenceOptions,
  FewShotOptions,
  NegativeTransferOptions,
  PartitionOptions,
  Scenario,
  Series,
  Shrinkage,
} from './scenarios/index.js';

export { writeReport } from './report/write.js';
export type { ReportFiles, ReportOptions } from './report/write.js';

// serving
export { PersonalModel } from './serving/personal-model.js';
export type { Recommendation, RecommendOptions, Support } from './serving/personal-model.js';
export type { ExplainOptions, Explanation } from './serving/explain.js';
export { loadLearner, saveLearner } from './serving/persist.js';

// reliability
export { fingerprintData, runManifest } from './learner/manifest.js';
export type { DataFingerprint, RunManifest } from './learner/manifest.js';
export { availableMemory, describeEstimate, estimateTraining } from './learner/memory-estimate.js';
export type { MemoryEstimate } from './learner/memory-estimate.js';

import { addon } from './foundation/addon.js';

/** What the native core runs on: the instruction set in use, those available, and the hardware threads. */
export function runtime(): { isa: string; isas: string[]; threads: number } {
  const { isa, isas, hardwareThreads } = addon();
  return { isa, isas: [...isas], threads: hardwareThreads };
}
