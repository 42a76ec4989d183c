/** Scenarios: each returns tables, series to plot and notes, as plain JSON. */
export { gradientAlignment } from './alignment.js';
export type { Alignment } from './alignment.js';
export { askFirst } from './ask-first.js';
export { crossDomain } from './cross-domain.js';
export { evidenceCandidates } from './evidence.js';
export type { EvidenceCandidate } from './evidence.js';
export { fewShot } from './few-shot.js';
export { interestDrift } from './interest-drift.js';
export { fitShrinkage, negativeTransfer } from './negative-transfer.js';
export type { Shrinkage } from './negative-transfer.js';
export { coldStart } from './partitions.js';
export { withRecency } from './recency.js';
export type { Chart, Scenario, Series } from './scenario.js';
export type {
  AlignmentOptions,
  AskFirstOptions,
  CrossDomainOptions,
  DriftOptions,
  EvidenceOptions,
  FewShotOptions,
  NegativeTransferOptions,
  PartitionOptions,
  ShrinkageOptions,
} from './option-types.js';
