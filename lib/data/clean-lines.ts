/**
 * Prepares text tables that DuckDB cannot read as they are: with lines before the table, with comment lines, or with runs of blanks
 * between fields.
 */
import type { DuckSession } from './duckdb.js';
import type { FoundFile } from './files.js';
import { linesOf, writeText } from './formats/lines.js';
import { BLANKS } from './table-source.js';
import type { FileOptions } from './table-source.js';

/**
 * The file itself; or, if options ask for it, a copy without the first lines, without comment lines, and with tabs in place of runs
 * of blanks.
 */
export async function cleaned(
  session: DuckSession,
  file: FoundFile,
  { comment, delimiter, quote = '"', skip = 0 }: FileOptions,
  field: string,
): Promise<FoundFile> {
  const isBlank = delimiter === BLANKS;
  if (comment === undefined && !isBlank && skip === 0) return file;
  async function* lines() {
    let quoted = false;
    for await (const [line, number] of linesOf(file, field)) {
      if (number <= skip) continue;
      // A line that begins inside a quoted field belongs to that field, even if it starts like a comment.
      if (!quoted && comment !== undefined && line.trimStart().startsWith(comment)) continue;
      if (quote !== '' && line.split(quote).length % 2 === 0) quoted = !quoted;
      yield `${isBlank && !quoted ? line.trim().replace(/[ \t]+/g, '\t') : line}\n`;
    }
  }
  return writeText(session, lines(), 'txt');
}
