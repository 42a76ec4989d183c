/** Searches for options by their metric on validation tasks. */
export { searchSpaceOf } from '../foundation/options.js';
export type { SearchRange, SearchSpace } from '../foundation/options.js';
export { bestSetting, rankedSettings } from './best.js';
export type { Found } from './best.js';
export type { TuneOptions } from './option-types.js';
export type { TuneRun } from './options.js';
export type { Setting } from './space.js';
export { tune } from './tune.js';
export type { Trial } from './tune.js';
