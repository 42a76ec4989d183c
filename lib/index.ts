/** The public API, in the order of the pipeline: what each folder's `index.ts` exports. */
export * from './foundation/index.js';
export * from './files/index.js';
export * from './data/index.js';
export * from './tasks/index.js';
export * from './model/index.js';
export * from './batch/index.js';
export * from './meta/index.js';
export * from './algorithms/index.js';
export * from './baselines/index.js';
export * from './learner/index.js';
export * from './evaluation/index.js';
export * from './training/index.js';
export * from './serving/index.js';
export * from './scenarios/index.js';
export * from './tune/index.js';
export * from './compare/index.js';
export * from './report/index.js';
export * from './distributed/index.js';

import { addon } from './foundation/addon.js';

/** What the native core runs on: the instruction set in use, those available, and the hardware threads. */
export function runtime(): { isa: string; isas: string[]; threads: number } {
  const { isa, isas, hardwareThreads } = addon();
  return { isa, isas: [...isas], threads: hardwareThreads };
}
