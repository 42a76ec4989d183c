/** What every learner is compared with. */
export { alsFoldIn } from './als-fold-in.js';
export { contentRidge } from './content-ridge.js';
export { ease } from './ease.js';
export { fitBaselines } from './fit.js';
export { globalMean } from './global-mean.js';
export { itemKnn } from './item-knn.js';
export { itemMean } from './item-mean.js';
export { popularity } from './popularity.js';
export { userItemBias } from './user-item-bias.js';
export type { Baseline } from './baseline.js';
export type * from './option-types.js';
