/** Meta-training. */
export { train } from './train.js';
export type { EpochReport, TrainOptions } from './train.js';
export type { FitOptions } from './option-types.js';
export { fit } from './fit.js';
export type { Fit } from './fit.js';
export { trainStep } from './train-step.js';
export type { TrainStepOptions, TrainStepReport } from './train-step.js';
export type { TaskSampling } from './task-sampling.js';
