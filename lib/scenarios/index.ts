/** Scenarios: each returns tables, series to plot and notes, as plain JSON. */
export { gradientAlignment } from './alignment.js';
export type { Alignment, AlignmentOptions } from './alignment.js';
export { askFirst } from './ask-first.js';
export type { AskFirstOptions } from './ask-first.js';
export { crossDomain } from './cross-domain.js';
export type { CrossDomainOptions } from './cross-domain.js';
export { evidenceCandidates } from './evidence.js';
export type { EvidenceCandidate, EvidenceOptions } from './evidence.js';
export { fewShot } from './few-shot.js';
export type { FewShotOptions } from './few-shot.js';
export { interestDrift } from './interest-drift.js';
export type { DriftOptions } from './interest-drift.js';
export { fitShrinkage, negativeTransfer } from './negative-transfer.js';
export type { NegativeTransferOptions, Shrinkage } from './negative-transfer.js';
export { coldStart } from './partitions.js';
export type { PartitionOptions } from './partitions.js';
export { withRecency } from './recency.js';
export type { Chart, Scenario, Series } from './scenario.js';
