/** Converts files in which a line is not one row: blocks of rows under an id (Netflix), histories, and impression logs (MIND). */
import { InnerloopError } from '../../foundation/errors.js';
import type { DuckSession } from '../duckdb.js';
import type { FoundFile } from '../files.js';
import type { FoundFiles } from '../open-files.js';
import { advice, BLANKS } from '../table-source.js';
import type { FileOptions } from '../table-source.js';
import { badLine, linesOf, writeTable } from './lines.js';

/** Converts blocks: a line `id:`, followed by the rows of that id. */
export async function fromBlocks(
  session: DuckSession,
  files: readonly FoundFile[],
  options: FileOptions,
  field: string,
): Promise<FoundFiles> {
  const { delimiter = ',' } = options;
  async function* rows() {
    for (const file of files) {
      let block: string | undefined;
      for await (const [line, number] of linesOf(file, field)) {
        const text = line.trim();
        if (text === '') continue;
        if (/^[^:]+:$/.test(text)) block = text.slice(0, -1).trim();
        else if (block === undefined)
          throw badLine(file, line, number, field, 'a line `id:` before the rows of that id');
        else yield { file, line, number, cells: [block, ...text.split(delimiter).map((cell) => cell.trim())] };
      }
    }
  }
  let width: number | undefined;
  for await (const { cells } of rows()) {
    width = cells.length;
    break;
  }
  if (width === undefined)
    throw new InnerloopError('EMPTY_DATA', 'no block has a row', {
      field: `${field}.from`,
      expected: 'at least one row',
    });
  const names = options.columns ?? Array.from({ length: width - 1 }, (_, k) => String(k + 1));
  if (names.length !== width - 1)
    throw new InnerloopError('INVALID_DATA', `the rows of the blocks have ${width - 1} fields`, {
      field: `${field}.columns`,
      value: names.length,
      expected: `${width - 1} names; the id of the block is the column "block"; ${advice(field, { columns: ['user', 'rating', 'date'].slice(0, width - 1) })}`,
    });
  async function* checked() {
    for await (const { file, line, number, cells } of rows()) {
      if (cells.length !== width) throw badLine(file, line, number, field, `${width! - 1} fields in every row`);
      yield cells;
    }
  }
  return writeTable(session, ['block', ...names], checked());
}

/** Converts lines `user item item …` or `user: item item …` into one row for each item; a user without items gets no row. */
export async function fromHistories(
  session: DuckSession,
  files: readonly FoundFile[],
  { delimiter, header = false }: FileOptions,
  field: string,
): Promise<FoundFiles> {
  const between = delimiter === undefined || delimiter === BLANKS ? /[\s,;]+/ : delimiter;
  async function* rows() {
    for (const file of files)
      for await (const [line, number] of linesOf(file, field)) {
        if (line.trim() === '' || (header && number === 1)) continue;
        const [user, ...items] = line
          .trim()
          .split(between)
          .map((cell) => cell.trim());
        const bare = user.replace(/:$/, '');
        if (bare === '' || items.includes('')) throw badLine(file, line, number, field, 'a user, then items');
        for (const item of items) yield [bare, item];
      }
  }
  return writeTable(session, ['user', 'item'], rows());
}

const IMPRESSION =
  'five fields between tabs, the last one of entries such as N123-0; a part without -0 and -1, as the test set of MIND is, has no labels: read a training or validation part';

/** Converts MIND's behaviors.tsv (impression, user, time, history, items shown) into one row for each item. */
export async function fromImpressions(
  session: DuckSession,
  files: readonly FoundFile[],
  field: string,
): Promise<FoundFiles> {
  async function* rows() {
    for (const file of files)
      for await (const [line, number] of linesOf(file, field)) {
        if (line.trim() === '') continue;
        const cells = line.split('\t');
        const shown = (cells[4] ?? '').split(' ').map((entry) => /^(.+)-([01])$/.exec(entry.trim()));
        if (cells.length !== 5 || shown.includes(null)) throw badLine(file, line, number, field, IMPRESSION);
        const [impression, user, time, history] = cells;
        for (const entry of shown) yield [impression, user, time, history, entry![1], entry![2]];
      }
  }
  return writeTable(session, ['impression', 'user', 'time', 'history', 'item', 'clicked'], rows());
}
