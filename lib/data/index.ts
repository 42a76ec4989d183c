/** Reads interactions and features from files, SQL or columns in memory into a dataset. */
export { datasetFromColumns } from './columnar.js';
export type { ColumnSource } from './columnar.js';
export { describeDataset } from './describe.js';
export type { DatasetDescription, DescribedFeature } from './describe.js';
export { openDataset } from './open.js';
export type { OpenOptions } from './open.js';
export { rowWeights } from './weights.js';
export type { CountConfidence, PopularityPropensity, RowWeightOptions } from './weights.js';
export { withHistory } from './history.js';
export type { HistoryOptions } from './history.js';
export type {
  DataSource,
  EntitySource,
  FeatureSpec,
  FileFormat,
  FileOptions,
  IdSource,
  LabelSource,
  TableSource,
  ValueOptions,
} from './source.js';
export { DEFAULT_NULLS } from './table-source.js';
export { addItemStatistics, ITEM_STATISTICS } from './item-statistics.js';
