/** The public API, in pipeline order. */
export type * from './contract.js';
export { InnerloopError } from './errors.js';
export type { ErrorCode, ErrorDetails } from './errors.js';

// interactions -> tasks
export { datasetFromColumns, openDataset, rowWeights } from './interactions.js';
export { readNpy } from './npy.js';
export type { NpyArray } from './npy.js';
export { withHistory } from './history.js';
export type { HistoryOptions } from './history.js';
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
} from './interactions.js';
export {
  buildTasks,
  joinTasks,
  nestedSupport,
  redrawQuery,
  splitTasks,
  subsetTasks,
  summary,
  taskGroups,
} from './tasks.js';
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
} from './tasks.js';

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
export { episodeGradient } from './episode.js';
export type { EpisodeGradient, EpisodeOptions } from './episode.js';
export * from './algorithms/index.js';
export type { Algorithm, Annealing, GradientOptions, RateKind } from './algorithm.js';
export { adam, sgd } from './outer-update.js';
export type { AdamOptions, Optimizer, SgdOptions } from './outer-update.js';
export { createLearner, Learner } from './learner.js';
export type { LearnerOptions } from './learner.js';
export type { Uncertain } from './uncertainty.js';
export { train } from './train.js';
export type { EpochReport, TrainOptions } from './train.js';
export { trainStep } from './train-step.js';
export type { TrainStepOptions, TrainStepReport } from './train-step.js';
export type { HideIds } from './task-batch.js';
export type { TaskSampling } from './task-sampling.js';
export type { RowOptions } from './rows.js';

// evaluation
export { evaluate, fitDecoder } from './evaluation.js';
export type { EvaluateOptions, Evaluation, MethodEvaluation } from './evaluation.js';
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
} from './baselines/index.js';
export type { Baseline } from './baselines/index.js';
export { compareRuns } from './compare.js';
export type { MethodRun, RunTable, RunTableCell, RunTableRow } from './compare.js';
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

export { writeReport } from './report.js';
export type { ReportFiles, ReportOptions } from './report.js';

// serving
export { PersonalModel } from './personal-model.js';
export type { Recommendation, RecommendOptions, Support } from './personal-model.js';
export type { ExplainOptions, Explanation } from './explain.js';
export { loadLearner, saveLearner } from './persist.js';

// reliability
export { fingerprintData, runManifest } from './manifest.js';
export type { DataFingerprint, RunManifest } from './manifest.js';
export { availableMemory, describeEstimate, estimateTraining } from './estimate.js';
export type { MemoryEstimate } from './estimate.js';

import { addon } from './addon.js';

/** What the native core runs on: the instruction set in use, those available, and the hardware threads. */
export function runtime(): { isa: string; isas: string[]; threads: number } {
  const { isa, isas, hardwareThreads } = addon();
  return { isa, isas: [...isas], threads: hardwareThreads };
}
