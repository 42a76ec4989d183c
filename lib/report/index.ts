/** Runs as a page. */
export { writeReport } from './write.js';
export type { ReportFiles, ReportOptions } from './write.js';
