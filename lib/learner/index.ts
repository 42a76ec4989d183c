/** A model, an algorithm and an optimizer with state. */
import './additions.js';

export type { AddedEntities } from './additions.js';
export { createEnsemble, Ensemble } from './ensemble.js';
export { createLearner, createLearnerAsync, Learner } from './learner.js';
export { growSplit, splitAsTrained } from './split.js';
export type { AddingOptions, CreatingOptions, EstimateOptions, LearnerOptions } from './option-types.js';
export type { Uncertain } from './uncertainty.js';
export { fingerprintData, runManifest } from './manifest.js';
export type { DataFingerprint, RunManifest } from './manifest.js';
export { availableMemory } from '../foundation/memory.js';
export { describeEstimate, estimateTraining } from './memory-estimate.js';
export type { MemoryEstimate } from './memory-estimate.js';
