export { joinProcesses } from './mpi.js';
export type { JoinedProcesses, JoinOptions } from './mpi.js';
export type { ProcessGroup } from '../foundation/process-group.js';
