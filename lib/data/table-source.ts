import { checkString, invalid } from '../foundation/check.js';

/**
 * Where a table comes from.
 *
 * - `from`: a path or glob (`*`, `?`, `[…]`, `**`) of `.csv`, `.tsv`, `.parquet`, `.json`, `.ndjson` or `.jsonl` files,
 *   the text ones also as `.gz`. CSV and TSV files have a header line. The files of a glob are read in path order.
 * - `sql`: a SELECT that DuckDB can run, on one thread, so that its row order is the same in every run.
 */
export type TableSource = { from: string; sql?: undefined } | { sql: string; from?: undefined };

/** Checks that a table source has exactly one of `from` and `sql`. */
export function checkFrom(table: Record<string, unknown>, field: string): void {
  if ((table['from'] === undefined) === (table['sql'] === undefined)) {
    throw invalid(field, 'needs exactly one of from and sql', table, '{ from: path } or { sql: SELECT }');
  }
  checkString(table['from'] ?? table['sql'], table['from'] === undefined ? `${field}.sql` : `${field}.from`);
}
