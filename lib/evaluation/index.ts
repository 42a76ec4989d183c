/** Metrics after adaptation, their intervals and tables. */
export { evaluate, fitDecoder } from './evaluate.js';
export type { EvaluateOptions, Evaluation, MethodEvaluation } from './evaluate.js';
export { evaluateScores, metricOf } from './metrics.js';
export type { EvaluationOptions, MetricResult } from './metrics.js';
export type { CustomMetric } from './metric.js';
export type { Candidates } from './candidates.js';
export { rankCatalog } from './lists.js';
export type { RankedLists, RankOptions, Scorer } from './lists.js';
export { evaluateLists } from './list-metrics.js';
export type { ListOptions } from './list-metrics.js';
export { reliability } from './probability.js';
export type { Reliability, ReliabilityBin, ReliabilityOptions } from './probability.js';
export { compareGroups } from './groups.js';
export type { Gap, GroupComparison, GroupInterval, GroupOptions } from './groups.js';
export { compareMethods, holm, pairedBootstrap, randomizationTest, wilcoxon } from './significance.js';
export type {
  BootstrapTest,
  CompareOptions,
  Comparison,
  ComparedMethod,
  RandomizationTest,
  TestValues,
  WilcoxonTest,
} from './significance.js';
export type { ResampleOptions } from './bootstrap.js';
export { counterfactual, policyValue, popularityPropensity } from './counterfactual.js';
export type {
  CounterfactualEstimate,
  CounterfactualOptions,
  LoggedRows,
  PolicyEstimate,
  PolicyOptions,
  PropensityOptions,
} from './counterfactual.js';
export { meanInterval, pairedDifference } from './intervals.js';
export type { Interval } from './intervals.js';
export { fitMedianDecoder, medianDecoder } from './median-decode.js';
export type { MedianDecoder } from './median-decode.js';
export { renderMarkdown, renderText, resultTable } from './result-table.js';
export type { ResultTable } from './result-table.js';
