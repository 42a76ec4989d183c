/** Personal models: adapt, predict, recommend, explain, save and load. */
import './adapt.js';
import './ensemble.js';
export { PersonalEnsemble } from './ensemble.js';
export type { PersonalEnsembleJson } from './ensemble.js';
export { loadEnsemble, saveEnsemble } from './ensemble-file.js';
export type { LoadEnsembleOptions } from './ensemble-file.js';
export { PersonalModel } from './personal-model.js';
export type { Recommendation } from './ranking.js';
export { MIN_SUPPORT } from './options.js';
export type { RecommendOptions } from './options.js';
export type { ItemBoost, ItemFilter, ItemRecord, NumberCondition, TextCondition } from './item-terms.js';
export type { SimilarItem } from './item-vectors.js';
export type { Served } from './many.js';
export type { PersonalModelJson } from './person-json.js';
export type { GivenContext, Support, UnknownIds } from './support.js';
export type { ExplainOptions, Explanation } from './explain.js';
export { loadLearner, saveLearner } from './persist.js';
export type { LoadOptions } from './persist.js';
