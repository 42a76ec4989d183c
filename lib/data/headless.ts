/** The lines for a text table without a header. */
import { advice } from './table-source.js';
import type { FileOptions } from './table-source.js';
import type { TextSource, Wanted, WantedColumn } from './text-table.js';

/** A number, a date or the like: what stands in rows, not in their header. */
export const NUMBER = /^[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d+)?$/i;

/** The options that were given, to be repeated in what is advised. */
function told({ delimiter, encoding, quote }: FileOptions): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ delimiter, encoding, quote }).filter(([, value]) => value !== undefined));
}

/** What the columns of interactions are called where nothing says so. */
export const GENERIC: Readonly<Record<string, string>> = {
  user: 'user',
  item: 'item',
  label: 'rating',
  time: 'time',
  id: 'id',
};

/** A date, or seconds or milliseconds since 1970 in this century. */
const TIME = /^(\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ].*)?|1\d{9}|1\d{12})$/;

/** The names beside the fields of a row: that of the time where a time is, whatever order the others have. */
function inOrder(fields: readonly string[], names: readonly string[], time: string | undefined): string[] {
  const at = time === undefined || !names.includes(time) ? -1 : fields.findIndex((cell) => TIME.test(cell));
  const rest = at < 0 ? [...names] : names.filter((name) => name !== time);
  return fields.map((_, k) => (k === at ? time! : (rest.shift() ?? `column${k + 1}`)));
}

/** The lines for a file without a header, with names in the order in which such files mostly have them. */
export function headless(fields: readonly string[], delimiter: string, source: TextSource, wanted: Wanted): string {
  const { field, options } = source;
  const keyOf = (column: WantedColumn): string => column.field.slice(field.length + 1);
  const main = wanted.columns.filter((column) => keyOf(column) in GENERIC);
  // Names that are values of the first line name nothing: the advice maps others.
  const isValue = wanted.columns.some(({ name }) => fields.includes(name) || NUMBER.test(name));
  const named = isValue
    ? main.map((column) => GENERIC[keyOf(column)])
    : wanted.columns.map(({ name }) => name).filter((name, k, all) => all.indexOf(name) === k);
  const names = main.length === 0 && named.length === 0 ? ['user', 'item', 'rating', 'time'] : named;
  const clock = main.find((column) => keyOf(column) === 'time');
  const columns = inOrder(fields, names, clock && (isValue ? GENERIC['time'] : clock.name));
  const mapping = isValue ? Object.fromEntries(main.map((column) => [keyOf(column), GENERIC[keyOf(column)]])) : {};
  return `${advice(field, { ...told(options), delimiter, header: false, columns, ...mapping })} with the names in the file's order`;
}
