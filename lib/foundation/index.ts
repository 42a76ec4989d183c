/** What everything else stands on: the contract, errors, checks, random numbers, the native core. */
export type * from './contract.js';
export type * from './task-source-types.js';
export { InnerloopError } from './errors.js';
export type { ErrorCode, ErrorDetails } from './errors.js';
