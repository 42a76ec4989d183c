import type { Column, Dataset, FeatureTable, Vocabulary } from '../contract.js';
import { InnerloopError } from '../errors.js';
import { assemble } from './assemble.js';
import { checkBoolean, checkInteger, checkObject, checkOneOf, invalid } from '../check.js';
import { bagFromOwners, contextTable, denseColumn } from './columns.js';
import { checkRules } from './source.js';
import type { DataRules } from './source.js';
import { createVocabulary, sortTexts } from './vocabulary.js';

type Text = string | number | null | undefined;

/** A feature in memory; entry r belongs to row r of its table. `null`, `undefined` and `''` are missing. */
export type ColumnFeature =
  | { kind: 'categorical'; values: ArrayLike<Text>; minCount?: number }
  | { kind: 'bag'; values: ArrayLike<ArrayLike<Text> | null | undefined>; minCount?: number }
  | {
      kind: 'dense';
      /** A number per row, or a list of `size` numbers per row; NaN is missing too. */
      values: ArrayLike<number | null | undefined> | ArrayLike<ArrayLike<number> | null | undefined>;
      /** Default true. */
      standardize?: boolean;
    };

export interface EntityColumns {
  id: ArrayLike<string | number>;
  /** By feature name. */
  features: Record<string, ColumnFeature>;
}

/** Interactions already in memory: entry i of every array is interaction i. */
export interface ColumnSource extends DataRules {
  user: ArrayLike<string | number>;
  item: ArrayLike<string | number>;
  label: ArrayLike<number | null>;
  time?: ArrayLike<number>;
  userFeatures?: EntityColumns;
  itemFeatures?: EntityColumns;
  /** Features of the interaction itself, by name. */
  features?: Record<string, ColumnFeature>;
}

/**
 * The dataset of columns in memory, by the rules of {@link openDataset} and without DuckDB.
 *
 * ```ts
 * datasetFromColumns({ user: ['ann', 'ann', 'bob'], item: [10, 11, 10], label: [4, 5, 3] });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, INVALID_DATA (with the row, counted from 1)
 */
export function datasetFromColumns(source: ColumnSource): Dataset {
  checkObject(source, 'source', [
    'user',
    'item',
    'label',
    'time',
    'userFeatures',
    'itemFeatures',
    'features',
    'duplicates',
    'missingLabel',
  ]);
  const { user, item, label, time, userFeatures, itemFeatures } = source as ColumnSource;
  checkRules(source, '');
  checkLength(user, 'user', undefined);
  const rows = user.length;
  if (rows === 0)
    throw new InnerloopError('EMPTY_DATA', 'there are no interactions', {
      field: 'user',
      expected: 'at least one row',
    });
  checkLength(item, 'item', rows);
  checkLength(label, 'label', rows);
  if (time !== undefined) checkLength(time, 'time', rows);
  const notes: string[] = [];
  const users = entityTable(user, 'user', userFeatures, 'userFeatures', notes);
  const items = entityTable(item, 'item', itemFeatures, 'itemFeatures', notes);
  const identity = Int32Array.from({ length: rows }, (_, row) => row);
  const context = featureColumns((source as ColumnSource).features ?? {}, 'features', identity, rows, 0, notes);
  return assemble(
    {
      user: users.codes,
      item: items.codes,
      label: readLabels(label, source['missingLabel'] === 'drop'),
      time: time === undefined ? undefined : readTimes(time),
      users: users.table,
      items: items.table,
      context: contextTable(context, rows),
    },
    source as ColumnSource,
    notes,
  );
}

function checkLength(values: unknown, field: string, rows: number | undefined): void {
  const length: unknown =
    typeof values === 'object' && values !== null && 'length' in values ? values.length : undefined;
  if (typeof length !== 'number') throw invalid(field, 'not an array', values, 'an array or typed array');
  if (rows !== undefined && length !== rows) throw invalid(field, `has ${length} entries`, values, `${rows} entries`);
}

function entityTable(
  ids: ArrayLike<string | number>,
  field: string,
  entities: EntityColumns | undefined,
  entityField: string,
  notes: string[],
): { codes: Int32Array; table: FeatureTable } {
  const texts = idTexts(ids, field);
  if (entities === undefined) {
    const values = ['', ...sortTexts([...new Set(texts)])];
    const keys = createVocabulary(values);
    return { codes: encode(texts, keys), table: { rows: values.length, keys, columns: [] } };
  }
  checkObject(entities, entityField, ['id', 'features']);
  const table: EntityColumns = entities;
  checkLength(table.id, `${entityField}.id`, undefined);
  const own = idTexts(table.id, `${entityField}.id`);
  const seen = new Map<string, number>();
  own.forEach((text, row) => {
    const first = seen.get(text);
    if (first !== undefined) {
      throw new InnerloopError('INVALID_DATA', `the id is in rows ${first + 1} and ${row + 1}`, {
        field: `${entityField}.id`,
        value: text,
        expected: 'each id once',
      });
    }
    seen.set(text, row);
  });
  const values = ['', ...sortTexts([...new Set([...texts, ...own])])];
  const keys = createVocabulary(values);
  const missing = values.length - 1 - own.length;
  if (missing > 0)
    notes.push(
      `${missing} of ${values.length - 1} ${field}s have no row in the ${field} table; their features are missing`,
    );
  const columns = featureColumns(table.features, `${entityField}.features`, encode(own, keys), values.length, 1, notes);
  return { codes: encode(texts, keys), table: { rows: values.length, keys, columns } };
}

function idTexts(ids: ArrayLike<string | number>, field: string): string[] {
  return Array.from(ids, (id: unknown, row) => {
    if ((typeof id === 'string' && id !== '') || (typeof id === 'number' && Number.isFinite(id))) return String(id);
    throw new InnerloopError('INVALID_DATA', `not an id in row ${row + 1}`, {
      field,
      value: id,
      expected: 'a non-empty text or a number',
    });
  });
}

function encode(texts: readonly string[], keys: Vocabulary): Int32Array {
  return Int32Array.from(texts, (text) => keys.idOf(text));
}

function readLabels(label: ArrayLike<number | null>, drop: boolean): Float32Array {
  return Float32Array.from(label, (value: unknown, row) => {
    if (value === null || value === undefined) {
      if (drop) return Number.NaN;
      throw new InnerloopError('INVALID_DATA', `no label in row ${row + 1}`, {
        field: 'label',
        value,
        expected: "a number, or missingLabel: 'drop'",
      });
    }
    if (typeof value === 'number' && Math.abs(value) <= 3.4028234663852886e38) return value;
    throw new InnerloopError('INVALID_DATA', `not a finite number in row ${row + 1}`, {
      field: 'label',
      value,
      expected: 'a finite number',
    });
  });
}

function readTimes(time: ArrayLike<number>): Float64Array {
  return Float64Array.from(time, (value: unknown, row) => {
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new InnerloopError('INVALID_DATA', `not a time in row ${row + 1}`, {
      field: 'time',
      value,
      expected: 'a finite number',
    });
  });
}

/** @param positions the row of the dataset's table that each row of the source becomes */
function featureColumns(
  features: unknown,
  field: string,
  positions: Int32Array,
  rows: number,
  reserved: number,
  notes: string[],
): Column[] {
  if (typeof features !== 'object' || features === null || Array.isArray(features)) {
    throw invalid(field, 'not an object', features, 'an object of features by name');
  }
  return Object.entries(features as Record<string, ColumnFeature>).map(([name, feature]) => {
    const path = `${field}.${name}`;
    checkOneOf((feature as { kind?: unknown } | undefined)?.kind, `${path}.kind`, ['categorical', 'bag', 'dense']);
    checkObject(
      feature,
      path,
      feature.kind === 'dense' ? ['kind', 'values', 'standardize'] : ['kind', 'values', 'minCount'],
    );
    checkLength(feature.values, `${path}.values`, positions.length);
    const { minCount, standardize } = feature as { minCount?: unknown; standardize?: unknown };
    if (minCount !== undefined) checkInteger(minCount, `${path}.minCount`, 1);
    if (standardize !== undefined) checkBoolean(standardize, `${path}.standardize`);
    const typed = feature as ColumnFeature;
    if (typed.kind === 'dense') return dense(name, typed, path, positions, rows, reserved, notes);
    return discrete(name, typed, path, positions, rows);
  });
}

function discrete(
  name: string,
  feature: Exclude<ColumnFeature, { kind: 'dense' }>,
  field: string,
  positions: Int32Array,
  rows: number,
): Column {
  const source = new Int32Array(rows).fill(-1);
  positions.forEach((position, row) => {
    source[position] = row;
  });
  const lists: string[][] = Array.from(source, (row) => {
    if (row < 0) return [];
    const value: unknown = feature.values[row];
    if (feature.kind === 'categorical') return entryTexts([value], field, row, false);
    if (value === null || value === undefined) return [];
    if (typeof value !== 'object' || !('length' in value)) {
      throw new InnerloopError('INVALID_DATA', `not a list in row ${row + 1}`, {
        field,
        value,
        expected: 'a list of texts',
      });
    }
    return entryTexts(value as ArrayLike<unknown>, field, row, true);
  });
  const counts = new Map<string, number>();
  for (const list of lists) for (const text of list) counts.set(text, (counts.get(text) ?? 0) + 1);
  const minCount = feature.minCount ?? 1;
  const vocabulary = createVocabulary([
    '',
    ...sortTexts([...counts.keys()].filter((text) => counts.get(text)! >= minCount)),
  ]);
  if (feature.kind === 'categorical') {
    return {
      kind: 'categorical',
      name,
      vocabulary,
      data: Int32Array.from(lists, ([text]) => (text === undefined ? 0 : vocabulary.idOf(text))),
    };
  }
  const owners = Int32Array.from(lists.flatMap((list, row) => list.map(() => row)));
  return bagFromOwners(
    name,
    vocabulary,
    owners,
    Int32Array.from(lists.flat(), (text) => vocabulary.idOf(text)),
    rows,
  );
}

function entryTexts(values: ArrayLike<unknown>, field: string, row: number, trim: boolean): string[] {
  const texts: string[] = [];
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (value === null || value === undefined) continue;
    if (typeof value !== 'string' && (typeof value !== 'number' || Number.isNaN(value))) {
      throw new InnerloopError('INVALID_DATA', `neither text nor number in row ${row + 1}`, {
        field,
        value,
        expected: 'text or a number',
      });
    }
    const text = trim ? String(value).trim() : String(value);
    if (text !== '') texts.push(text);
  }
  return texts;
}

function dense(
  name: string,
  feature: Extract<ColumnFeature, { kind: 'dense' }>,
  field: string,
  positions: Int32Array,
  rows: number,
  reserved: number,
  notes: string[],
): Column {
  const values: unknown[] = Array.from<unknown>(feature.values as ArrayLike<unknown>);
  const first = values.find((value) => value !== null && value !== undefined);
  const size = typeof first === 'object' && first !== null ? (first as ArrayLike<number>).length : 1;
  const raw = new Float64Array(rows * size).fill(Number.NaN);
  values.forEach((value, row) => {
    if (value === null || value === undefined) return;
    const list = (typeof value === 'object' ? value : [value]) as ArrayLike<unknown>;
    if (list.length !== size) {
      throw new InnerloopError('INVALID_DATA', `${list.length} numbers in row ${row + 1}`, {
        field,
        value,
        expected: `${size} numbers in every row`,
      });
    }
    for (let c = 0; c < size; c++) {
      const number = list[c];
      if (typeof number !== 'number') {
        throw new InnerloopError('INVALID_DATA', `not a number in row ${row + 1}`, {
          field,
          value: number,
          expected: 'a number',
        });
      }
      raw[positions[row]! * size + c] = number;
    }
  });
  return denseColumn(name, size, raw, feature.standardize ?? true, field, reserved, notes);
}
