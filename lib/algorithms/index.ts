/** Every learner, one file each. */
export * from './registry.js';
