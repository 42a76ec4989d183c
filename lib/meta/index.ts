/** Inner loop, meta-gradient and outer update. */
export { adapt, predict } from './inner-loop.js';
export type { CallOptions, TableOptions } from './inner-loop.js';
export { hessianVectorProduct, metaGradient } from './meta-gradient.js';
export type { HessianVectorProduct, MetaGradient, MetaGradientOptions } from './meta-gradient.js';
export { residentParameters } from './resident.js';
export { episodeGradient } from './episode-gradient.js';
export type { EpisodeGradient, EpisodeOptions } from './episode-gradient.js';
export type { Algorithm, Annealing, RateKind } from './algorithm.js';
export type { GradientOptions } from './algorithm-option-types.js';
export { defineAlgorithm } from './define-algorithm.js';
export type { AlgorithmSpec } from './define-algorithm.js';
export type { TaskGraph } from './graphs/graph.js';
export { adam, sgd } from './outer-update.js';
export type { Optimizer } from './outer-update.js';
export type { AdamOptions, SgdOptions } from './optimizer-option-types.js';
