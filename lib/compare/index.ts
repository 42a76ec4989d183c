/** Several learners on the same tasks. */
export { compareRuns } from './runs.js';
export type { MethodRun, RunTable, RunTableCell, RunTableRow } from './runs.js';
export { bootstrapIntervals } from './bootstrap.js';
export { renderComparison, renderComparisonMarkdown } from './comparison-table.js';
