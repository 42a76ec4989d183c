/** Personal models: adapt, predict, recommend, explain, save and load. */
import './adapt.js';
export { PersonalModel } from './personal-model.js';
export type { Recommendation, RecommendOptions } from './personal-model.js';
export type { GivenContext, Support, UnknownIds } from './support.js';
export type { ExplainOptions, Explanation } from './explain.js';
export { loadLearner, saveLearner } from './persist.js';
export type { LoadOptions } from './persist.js';
