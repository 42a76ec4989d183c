/** Reports of runs as HTML pages. */
export { writeReport } from './write.js';
export type { ReportFiles, ReportOptions } from './write.js';
