/** Prepares text tables that DuckDB cannot read as they are: with comment lines, or with runs of blanks between fields. */
import type { DuckSession } from './duckdb.js';
import type { FoundFile } from './files.js';
import { linesOf, writeText } from './formats/lines.js';
import { BLANKS } from './table-source.js';
import type { FileOptions } from './table-source.js';

/** The file itself, or a copy of it without comment lines and with tabs in place of runs of blanks, if options ask for that. */
export async function cleaned(
  session: DuckSession,
  file: FoundFile,
  { comment, delimiter, quote = '"' }: FileOptions,
  field: string,
): Promise<FoundFile> {
  const isBlank = delimiter === BLANKS;
  if (comment === undefined && !isBlank) return file;
  async function* lines() {
    let quoted = false;
    for await (const [line] of linesOf(file, field)) {
      // A line that begins inside a quoted field belongs to that field, even if it starts like a comment.
      if (!quoted && comment !== undefined && line.trimStart().startsWith(comment)) continue;
      if (quote !== '' && line.split(quote).length % 2 === 0) quoted = !quoted;
      yield `${isBlank && !quoted ? line.trim().replace(/[ \t]+/g, '\t') : line}\n`;
    }
  }
  return writeText(session, lines(), 'txt');
}
