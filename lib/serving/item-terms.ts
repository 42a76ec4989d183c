/** Which items may be recommended, and how much higher or lower: conditions over item columns, worked on once a catalog. */
import { checkArray, checkNumber, checkObject, invalid, unknownName } from '../foundation/check.js';
import type { Column, Dataset, FeatureTable } from '../foundation/contract.js';
import { rawNumbers } from '../data/scaling.js';

/** What a categorical or bag column must hold: one of these values; or `any`, `all` and `none` of lists. */
export type TextCondition =
  string | readonly string[] | { any?: readonly string[]; all?: readonly string[]; none?: readonly string[] };
/**
 * Where a dense column of one number must lie, both ends included, in the units of the source. An item whose number is missing lies
 * nowhere.
 */
export interface NumberCondition {
  /** The least number that passes. Default: no limit. */
  min?: number;
  /** The largest number that passes. Default: no limit. */
  max?: number;
}
/** An item's columns by name: a text, texts, a number or numbers, in the units of the source; `item` is its id. */
export interface ItemRecord {
  /** The item's id. */
  item: string;
  /** Its columns, by name. */
  [column: string]: string | readonly string[] | number | readonly number[] | undefined;
}
/**
 * Which items to take: conditions by column, all of which must hold; or a function of an item's columns. A function is called
 * once for every item and what it said is kept for as long as the same function is given: it must depend on nothing else.
 */
export type ItemFilter = Readonly<Record<string, TextCondition | NumberCondition>> | ((item: ItemRecord) => boolean);
/**
 * What is added to the rank of items, in units of the score: by column and value, `{ genres: { Comedy: 0.5 } }`, summed over the
 * values that an item has; or a function of an item's columns, called as that of a filter is.
 */
export type ItemBoost = Readonly<Record<string, Readonly<Record<string, number>>>> | ((item: ItemRecord) => number);

/** 1 for every row of the catalog that the filter lets through. @internal */
export function filterMask(catalog: Dataset, filter: ItemFilter, field: string): Uint8Array {
  const { items } = catalog;
  if (typeof filter === 'function')
    return Uint8Array.from(records(items), (item, row) => {
      if (row === 0) return 0; // No item.
      const passes: unknown = filter(item);
      // A promise is true whatever it comes to.
      if (typeof passes === 'object' && passes !== null)
        throw invalid(`${field} of ${item.item}`, 'neither true nor false', passes, 'a function that answers at once');
      return passes ? 1 : 0;
    });
  checkTerms(items, filter, field);
  const mask = new Uint8Array(items.rows).fill(1);
  for (const [name, condition] of Object.entries(filter)) {
    const column = columnOf(items, name, `${field}.${name}`);
    const holds =
      column.kind === 'dense'
        ? within(column, condition, `${field}.${name}`)
        : withTexts(column, condition, `${field}.${name}`);
    for (let row = 1; row < mask.length; row++) if (mask[row] === 1 && !holds(row)) mask[row] = 0;
  }
  return mask;
}

/** What the boost adds, by row of the catalog. @internal */
export function boostTerms(catalog: Dataset, boost: ItemBoost, field: string): Float64Array {
  const { items } = catalog;
  if (typeof boost === 'function') {
    return Float64Array.from(records(items), (item, row) => {
      const term = row === 0 ? 0 : boost(item);
      checkNumber(term, `${field} of ${item.item}`);
      return term;
    });
  }
  checkTerms(items, boost, field);
  const terms = new Float64Array(items.rows);
  for (const [name, values] of Object.entries(boost)) {
    const at = `${field}.${name}`;
    const column = columnOf(items, name, at);
    if (column.kind !== 'categorical' && column.kind !== 'bag')
      throw invalid(
        at,
        'is a column of numbers',
        column.kind,
        'a categorical or bag column, or a function as the boost',
      );
    checkObject(values, at, column.vocabulary.values.slice(1));
    const byId = new Float64Array(column.vocabulary.values.length);
    for (const [text, term] of Object.entries(values)) {
      checkNumber(term, `${at}.${text}`);
      byId[column.vocabulary.idOf(text)] = term;
    }
    for (let row = 1; row < terms.length; row++) for (const id of idsOf(column, row)) terms[row] += byId[id];
  }
  return terms;
}

/** The values that an item has in a column. @internal */
export function valueOf(column: Column, row: number): ItemRecord[string] {
  if (column.kind === 'dense') {
    const { size } = column;
    const numberOf = rawNumbers(column);
    if (size > 1) return Array.from({ length: size }, (_, c) => numberOf(row * size + c));
    const number = numberOf(row);
    return Number.isNaN(number) ? undefined : number;
  }
  const { values } = column.vocabulary;
  if (column.kind === 'categorical') return values[column.data[row]];
  return Array.from(idsOf(column, row), (id) => values[id]);
}

/** What an item has in these columns. @internal */
export const valuesOf = (columns: readonly Column[], row: number): Omit<ItemRecord, 'item'> =>
  Object.fromEntries(columns.map((column) => [column.name, valueOf(column, row)]));

/** Columns of the items by name, checked. @internal */
export function itemColumns(catalog: Dataset, names: readonly string[], field: string): Column[] {
  checkArray(names, field, 'columns of the items');
  return names.map((name, i) => columnOf(catalog.items, name, `${field}[${i}]`));
}

function* records(items: FeatureTable): Generator<ItemRecord> {
  for (let row = 0; row < items.rows; row++) {
    const record: ItemRecord = { item: items.keys.values[row] };
    for (const column of items.columns) record[column.name] = valueOf(column, row);
    yield record;
  }
}

/** Of a catalog without columns there is nothing to filter by but ids. */
function checkTerms(items: FeatureTable, terms: object, field: string): void {
  if (items.columns.length === 0)
    throw invalid(field, 'the catalog has no columns of items', terms, 'a function of an item’s id, exclude or among');
  checkObject(terms, field, columnNames(items));
}

const columnNames = (items: FeatureTable) => items.columns.map(({ name }) => name);

function columnOf(items: FeatureTable, name: unknown, field: string): Column {
  if (typeof name !== 'string') throw invalid(field, 'not a name', name, 'the name of a column of the items');
  const column = items.columns.find((each) => each.name === name);
  if (column === undefined) throw unknownName(field, 'no such column of the items', name, columnNames(items));
  return column;
}

function idsOf(column: Column, row: number): Int32Array {
  if (column.kind === 'categorical') return column.data.subarray(row, row + 1);
  if (column.kind === 'dense') return new Int32Array(0);
  return column.data.subarray(column.offsets[row], column.offsets[row + 1]);
}

function within(column: Column & { kind: 'dense' }, condition: unknown, field: string): (row: number) => boolean {
  checkObject(condition, field, ['min', 'max']);
  if (column.size !== 1)
    throw invalid(field, `is of ${column.size} numbers an item`, column.size, 'a column of one number');
  const { min = -Infinity, max = Infinity } = condition as NumberCondition;
  for (const [name, bound] of Object.entries(condition)) checkNumber(bound, `${field}.${name}`);
  const numberOf = rawNumbers(column);
  return (row) => numberOf(row) >= min && numberOf(row) <= max;
}

function withTexts(column: Column, condition: unknown, field: string): (row: number) => boolean {
  const { vocabulary } = column as Column & { kind: 'bag' };
  const ids = (texts: unknown, at: string): Set<number> => {
    checkArray(texts, at, 'values of the column');
    return new Set(
      texts.map((text, i) => {
        const id = typeof text === 'string' ? vocabulary.idOf(text) : 0;
        if (id === 0) throw invalid(`${at}[${i}]`, 'no value of the column', text, `a value of ${column.name}`);
        return id;
      }),
    );
  };
  const isList = Array.isArray(condition) || typeof condition === 'string';
  if (!isList) checkObject(condition, field, ['any', 'all', 'none']);
  const { any, all, none } = isList ? { any: [condition].flat() } : condition;
  const [some, every, never] = [any, all, none].map((texts, i) =>
    texts === undefined ? undefined : ids(texts, isList ? field : `${field}.${['any', 'all', 'none'][i]}`),
  );
  return (row) => {
    const own = idsOf(column, row);
    return (
      (some === undefined || own.some((id) => some.has(id))) &&
      (every === undefined || [...every].every((id) => own.includes(id))) &&
      (never === undefined || !own.some((id) => never.has(id)))
    );
  };
}
