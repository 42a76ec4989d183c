import type { Dataset, FeatureTable, Vocabulary } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { withHistory } from './history.js';
import type { HistoryOptions } from './history.js';
import { assemble } from './assemble.js';
import { checkObject } from '../foundation/check.js';
import { contextTable } from './columns.js';
import { checkLength, featureColumns, ownIds } from './columnar-features.js';
import type { ColumnFeature } from './columnar-features.js';
import { idTexts, uniqueIdTexts } from './ids.js';
import { checkRules } from './source.js';
import type { DataRules } from './source.js';
import { createVocabulary, sortTexts } from './vocabulary.js';

export type { ColumnFeature } from './columnar-features.js';

export interface EntityColumns {
  /** The ids of all features' entries that have no `ids` of their own; left out if every feature has. */
  id?: ArrayLike<string | number>;
  /** By feature name. */
  features: Record<string, ColumnFeature>;
}

/** Interactions already in memory: entry i of every array is interaction i. */
export interface ColumnSource extends DataRules {
  user: ArrayLike<string | number>;
  item: ArrayLike<string | number>;
  label: ArrayLike<number | null>;
  time?: ArrayLike<number>;
  /** Weight ≥ 0 of each interaction in the losses. */
  weight?: ArrayLike<number>;
  userFeatures?: EntityColumns;
  itemFeatures?: EntityColumns;
  /** Features of the interaction itself, by name; `sequence` is the user's history (see `withHistory`). */
  features?: Record<string, ColumnFeature | ({ kind: 'sequence' } & Omit<HistoryOptions, 'name'>)>;
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
    'weight',
    'userFeatures',
    'itemFeatures',
    'features',
    'duplicates',
    'missingLabel',
  ]);
  const { user, item, label, time, weight, userFeatures, itemFeatures } = source as ColumnSource;
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
  if (weight !== undefined) checkLength(weight, 'weight', rows);
  const notes: string[] = [];
  const users = entityTable(user, 'user', userFeatures, 'userFeatures', notes);
  const items = entityTable(item, 'item', itemFeatures, 'itemFeatures', notes);
  const { features = {} } = source as ColumnSource;
  const isHistory = ([, feature]: [string, unknown]) =>
    (feature as { kind?: unknown } | null | undefined)?.kind === 'sequence';
  const histories = typeof features === 'object' && features !== null ? Object.entries(features).filter(isHistory) : [];
  const rowFeatures =
    histories.length === 0
      ? features
      : Object.fromEntries(Object.entries(features).filter((entry) => !isHistory(entry)));
  const identity = Int32Array.from({ length: rows }, (_, row) => row);
  const context = featureColumns(rowFeatures, 'features', identity, undefined, rows, 0, notes);
  const dataset = assemble(
    {
      user: users.codes,
      item: items.codes,
      label: readLabels(label, source['missingLabel'] === 'drop'),
      time: time === undefined ? undefined : readTimes(time),
      weight: weight === undefined ? undefined : readWeights(weight),
      users: users.table,
      items: items.table,
      context: contextTable(context, rows),
    },
    source,
    notes,
  );
  return histories.reduce(
    (before, [name, { kind: _, ...options }]) => withHistory(before, { name, ...(options as HistoryOptions) }),
    dataset,
  );
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
  if (table.id !== undefined) checkLength(table.id, `${entityField}.id`, undefined);
  const own =
    table.id === undefined
      ? ownIds(table.features, `${entityField}.features`)
      : uniqueIdTexts(table.id, `${entityField}.id`);
  const values = ['', ...sortTexts([...new Set([...texts, ...own])])];
  const keys = createVocabulary(values);
  const missing = values.length - 1 - own.length;
  if (missing > 0)
    notes.push(
      `${missing} of ${values.length - 1} ${field}s have no row in the ${field} table; their features are missing`,
    );
  const positions = table.id === undefined ? undefined : encode(own, keys);
  const columns = featureColumns(table.features, `${entityField}.features`, positions, keys, values.length, 1, notes);
  const named = new Uint8Array(values.length);
  for (const row of positions ?? encode(own, keys)) named[row] = 1;
  return { codes: encode(texts, keys), table: { rows: values.length, keys, columns, named } };
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

function readWeights(weight: ArrayLike<number>): Float32Array {
  return Float32Array.from(weight, (w: unknown, row) => {
    if (typeof w === 'number' && w >= 0 && Number.isFinite(Math.fround(w))) return w;
    throw new InnerloopError('INVALID_DATA', `not a weight in row ${row + 1}`, {
      field: 'weight',
      value: w,
      expected: 'a finite number ≥ 0',
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
