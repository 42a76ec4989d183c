/** Makes the options to write for a text table without a header. */
import { advice } from './table-source.js';
import type { FileOptions } from './table-source.js';
import type { TextSource, Wanted, WantedColumn } from './text-table.js';

/** Matches a number, which stands in rows and not in a header. */
export const NUMBER = /^[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d+)?$/i;

/** The options that were given and that the advice must repeat. */
function given({ delimiter, encoding, quote }: FileOptions): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ delimiter, encoding, quote }).filter(([, value]) => value !== undefined));
}

/** The names that the advice gives to mapped columns whose own names are unknown, by option. */
export const GENERIC: Readonly<Record<string, string>> = {
  user: 'user',
  item: 'item',
  label: 'rating',
  time: 'time',
  id: 'id',
};

/** Matches a date, or a time in seconds or milliseconds since 1970, from 2001 on. */
const TIME = /^(\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ].*)?|1\d{9}|1\d{12})$/;

/** A name for each field of a row: the time's name where a field looks like a time, the others in their order. */
function inOrder(fields: readonly string[], names: readonly string[], time: string | undefined): string[] {
  const at = time === undefined || !names.includes(time) ? -1 : fields.findIndex((cell) => TIME.test(cell));
  const rest = at < 0 ? [...names] : names.filter((name) => name !== time);
  return fields.map((_, k) => (k === at ? time! : (rest.shift() ?? `column${k + 1}`)));
}

/** The options to write for a file without a header, with the column names in the order that such files usually have. */
export function headless(fields: readonly string[], delimiter: string, source: TextSource, wanted: Wanted): string {
  const { field, options } = source;
  const keyOf = (column: WantedColumn): string => column.field.slice(field.length + 1);
  const main = wanted.columns.filter((column) => keyOf(column) in GENERIC);
  // A mapped name that is a value of the first line is not a name: the advice then maps generic names.
  const isValue = wanted.columns.some(({ name }) => fields.includes(name) || NUMBER.test(name));
  const named = isValue
    ? main.map((column) => GENERIC[keyOf(column)])
    : wanted.columns.map(({ name }) => name).filter((name, k, all) => all.indexOf(name) === k);
  const names = main.length === 0 && named.length === 0 ? ['user', 'item', 'rating', 'time'] : named;
  const time = main.find((column) => keyOf(column) === 'time');
  const columns = inOrder(fields, names, time && (isValue ? GENERIC['time'] : time.name));
  const mapping = isValue ? Object.fromEntries(main.map((column) => [keyOf(column), GENERIC[keyOf(column)]])) : {};
  return `${advice(field, { ...given(options), delimiter, header: false, columns, ...mapping })} with the names in the file's order`;
}
