/** Models: bodies of layers, losses, and the scores that their outputs mean. */
export { defineModel, Model } from './model.js';
export type { ModelOptions, TensorSpec } from './model.js';
export { ResidentParameters } from './resident.js';
