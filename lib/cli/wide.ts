/** Tables of users by items, with a column for each item: what has to be written for them to be read as interactions. */
import { basename } from 'node:path';
import { quoteIdentifier, quoteLiteral } from '../data/duckdb.js';
import type { PeekedColumn, PeekedTable } from '../data/peek.js';
import { InnerloopError } from '../foundation/errors.js';
import type { FileSource, Guess, Role } from './guess.js';

/** Fewer columns of one kind are features. */
const LEAST = 8;

/**
 * Columns of numbers of one range are ratings, unless the header names a user and an item beside them.
 *
 * @throws {InnerloopError} INVALID_DATA with the lines that read such a table
 */
export function refuseWide(source: FileSource, table: PeekedTable, roles: Record<Role, Guess>): void {
  const ratings = alike(table);
  if (ratings.size < LEAST || ratings.size < 0.8 * table.columns.length) return;
  const hasHeader = source.header !== false;
  const isNamed = ({ why, sure }: Guess) => why === 'as told' || (hasHeader && why === 'by its name' && sure);
  if (isNamed(roles.user) && isNamed(roles.item)) return;
  const interactions = { sql: longForm(source, table, ratings), user: 'user', item: 'item', label: 'rating' };
  throw new InnerloopError('INVALID_DATA', 'looks like a table of users by items, a column of ratings for each item', {
    field: basename(source.from),
    value: `${ratings.size} columns of numbers alike`,
    expected:
      `a row for each rating; in a configuration write "interactions": ${JSON.stringify(interactions)}, and beside "label" ` +
      `"nulls": ["99"] where 99, say, stands for no rating; or, if the table has a row for each rating, --user COLUMN --item COLUMN`,
  });
}

/** The columns of numbers whose ranges lie where most do. */
function alike({ columns, rows }: PeekedTable): Set<PeekedColumn> {
  const numbers = columns.filter(
    ({ isNumber, isInteger, distinct, min }) => isNumber && min !== null && !(isInteger && distinct === rows),
  );
  const middle = (key: 'min' | 'max') =>
    numbers.map((column) => column[key]!).sort((a, b) => a - b)[numbers.length >> 1];
  const [low, high] = [middle('min'), middle('max')];
  const wholes = numbers.filter(({ isInteger }) => isInteger).length;
  return new Set(
    numbers.filter(({ isInteger, min, max }) => {
      const ends = Math.max(Math.abs(min! - low), Math.abs(max! - high));
      return ends <= (high - low) / 2 && (!isInteger || wholes > numbers.length / 2);
    }),
  );
}

/** DuckDB's statement. The row's number is the user where no column is an id. */
function longForm(source: FileSource, { columns, rows }: PeekedTable, ratings: ReadonlySet<PeekedColumn>): string {
  const hasHeader = source.header !== false;
  const digits = String(columns.length - 1).length;
  const nameOf = (column: PeekedColumn) =>
    quoteIdentifier(hasHeader ? column.name : `column${String(columns.indexOf(column)).padStart(digits, '0')}`);
  const others = columns.filter((column) => !ratings.has(column));
  const id = others.find(({ distinct }) => distinct === rows);
  const user = id === undefined ? 'row_number() OVER ()' : nameOf(id);
  const rest = others.length === 0 ? '*' : `* EXCLUDE (${others.map(nameOf).join(', ')})`;
  const read = `read_csv(${quoteLiteral(source.from)}, delim = ${quoteLiteral(source.delimiter ?? ',')}, header = ${hasHeader}, all_varchar = true)`;
  return `SELECT user_ AS user, item_ AS item, rating_ AS rating FROM (UNPIVOT (SELECT ${user} AS user_, ${rest} FROM ${read}) ON COLUMNS(* EXCLUDE (user_)) INTO NAME item_ VALUE rating_)`;
}
