/** Text tables with lines or blanks in them that are none of the table: comments, and runs of blanks between fields. */
import type { DuckSession } from './duckdb.js';
import type { FoundFile } from './files.js';
import { linesOf, writeText } from './formats/lines.js';
import { BLANKS } from './table-source.js';
import type { FileOptions } from './table-source.js';

/** The file itself where no option asks for more; else a copy without comments, with tabs in place of runs of blanks. */
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
      // A line inside quotes is text, whatever it begins with.
      if (!quoted && comment !== undefined && line.trimStart().startsWith(comment)) continue;
      if (quote !== '' && line.split(quote).length % 2 === 0) quoted = !quoted;
      yield `${isBlank && !quoted ? line.trim().replace(/[ \t]+/g, '\t') : line}\n`;
    }
  }
  return writeText(session, lines(), 'txt');
}
