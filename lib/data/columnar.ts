import type { CategoricalColumn, Dataset, FeatureTable, Vocabulary } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { withHistory } from './history.js';
import type { HistoryOptions } from './history.js';
import { assemble } from './assemble.js';
import { checkObject, invalid } from '../foundation/check.js';
import { atOnce, mapped } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { contextTable } from './columns.js';
import { checkLength, featureSteps, ownIds } from './columnar-features.js';
import type { ColumnFeature } from './columnar-features.js';
import { idTexts, presentIdSteps, uniqueIdSteps } from './ids.js';
import { isRounded, remarkLabels, rounding } from './remarks.js';
import { checkRules, RULE_KEYS } from './source.js';
import type { DataRules } from './source.js';
import { checkTexts } from './source-options.js';
import { DEFAULT_NULLS } from './table-source.js';
import { createVocabulary, distinctSteps, idsInSteps, sortSteps, sortTexts } from './vocabulary.js';

export type { ColumnFeature } from './columnar-features.js';

/** The features of users or items in memory. */
export interface EntityColumns {
  /** The id of each entry, for features without `ids` of their own; left out if every feature has `ids`. */
  id?: ArrayLike<string | number>;
  /** The features by name. */
  features: Record<string, ColumnFeature>;
}

/** Interactions already in memory: entry i of every array is interaction i. */
export interface ColumnSource extends DataRules {
  /**
   * User ids. Blanks around ids are trimmed; `null`, NaN, an empty text and the texts in `nulls` are missing ids, which `missingId`
   * decides about.
   */
  user: ArrayLike<string | number | null>;
  /** Item ids, read in the same way. */
  item: ArrayLike<string | number | null>;
  /** Labels. Default: every interaction is a positive one with label 1. `null` and NaN are missing. */
  label?: ArrayLike<number | null>;
  /** Times as numbers in any one unit. */
  time?: ArrayLike<number>;
  /** How often each interaction took place. Default: once. */
  count?: ArrayLike<number>;
  /** The part of a prescribed split that each interaction is in. */
  part?: ArrayLike<string>;
  /** Texts that stand for a missing id or feature value, besides the empty text. Default: {@link DEFAULT_NULLS}. */
  nulls?: string[];
  /** Weight ≥ 0 of each interaction in the losses. */
  weight?: ArrayLike<number>;
  /** Features of the users. */
  userFeatures?: EntityColumns;
  /** Features of the items. */
  itemFeatures?: EntityColumns;
  /** Features of the interaction itself, by name; `sequence` is the user's history (see `withHistory`). */
  features?: Record<string, ColumnFeature | ({ kind: 'sequence' } & Omit<HistoryOptions, 'name'>)>;
}

/**
 * Makes a dataset from columns in memory, by the same rules as {@link openDataset} and without DuckDB.
 *
 * ```ts
 * datasetFromColumns({ user: ['ann', 'ann', 'bob'], item: [10, 11, 10], label: [4, 5, 3] });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA, INVALID_DATA (with the row, counted from 1)
 */
export function datasetFromColumns(source: ColumnSource): Dataset {
  return atOnce(datasetSteps(source));
}

/** The same in steps over the tables of users and items; what is done to interactions is one step each. @internal */
export function* datasetSteps(source: ColumnSource): Steps<Dataset> {
  checkObject(source, 'source', [
    'user',
    'item',
    'label',
    'time',
    'count',
    'weight',
    'part',
    'nulls',
    'userFeatures',
    'itemFeatures',
    'features',
    ...RULE_KEYS,
  ]);
  const { user, item, label, time, count, weight, part, userFeatures, itemFeatures } = source as ColumnSource;
  checkRules(source, '');
  if (source['nulls'] !== undefined) checkTexts(source['nulls'], 'nulls');
  const nulls = source['nulls'] ?? DEFAULT_NULLS;
  checkLength(user, 'user', undefined);
  const rows = user.length;
  if (rows === 0)
    throw new InnerloopError('EMPTY_DATA', 'there are no interactions', {
      field: 'user',
      expected: 'at least one row',
    });
  checkLength(item, 'item', rows);
  for (const [name, column] of Object.entries({ label, time, count, weight, part }))
    if (column !== undefined) checkLength(column, name, rows);
  if (source['unseenItems'] === 'drop' && part === undefined)
    throw invalid('unseenItems', 'no column says which rows are for training', 'drop', 'part: a column');
  const isDropped = source['missingId'] === 'drop';
  const notes: string[] = [];
  const users = yield* entityTable(user, 'user', userFeatures, 'userFeatures', notes, nulls, isDropped);
  const items = yield* entityTable(item, 'item', itemFeatures, 'itemFeatures', notes, nulls, isDropped);
  const { features = {} } = source as ColumnSource;
  const isHistory = ([, feature]: [string, unknown]) =>
    (feature as { kind?: unknown } | null | undefined)?.kind === 'sequence';
  const histories = typeof features === 'object' && features !== null ? Object.entries(features).filter(isHistory) : [];
  const rowFeatures =
    histories.length === 0
      ? features
      : Object.fromEntries(Object.entries(features).filter((entry) => !isHistory(entry)));
  const identity = Int32Array.from({ length: rows }, (_, row) => row);
  const context = yield* featureSteps(rowFeatures, 'features', identity, undefined, rows, 0, notes, nulls);
  const dataset = assemble(
    {
      user: users.codes,
      item: items.codes,
      label:
        label === undefined ? new Float32Array(rows).fill(1) : readLabels(label, source['missingLabel'] === 'drop'),
      time: time === undefined ? undefined : readTimes(time, source['missingTime'] === 'drop'),
      count: count === undefined ? undefined : readPositive(count, 'count', 'a finite number > 0', (n) => n > 0),
      weight: weight === undefined ? undefined : readPositive(weight, 'weight', 'a finite number ≥ 0', (w) => w >= 0),
      part: part === undefined ? undefined : readParts(part, nulls),
      users: users.table,
      items: items.table,
      context: contextTable(context, rows),
    },
    { ...source, hasLabel: label !== undefined },
    notes,
  );
  for (const [field, values] of Object.entries({ label, count, weight })) noteRounded(values, field, dataset.notes);
  if (label !== undefined) remarkLabels(dataset, nulls);
  return histories.reduce(
    (before, [name, { kind: _, ...options }]) => withHistory(before, { name, ...(options as HistoryOptions) }),
    dataset,
  );
}

function* entityTable(
  ids: ArrayLike<string | number | null>,
  field: string,
  entities: EntityColumns | undefined,
  entityField: string,
  notes: string[],
  nulls: readonly string[],
  isDropped: boolean,
): Steps<{ codes: Int32Array; table: FeatureTable }> {
  const given = yield* presentIdSteps(ids, field, nulls);
  const missing = given.indexOf(undefined);
  if (missing >= 0 && !isDropped)
    throw new InnerloopError('INVALID_DATA', `not an id in row ${missing + 1}`, {
      field,
      value: ids[missing],
      expected: "a non-empty text or a number, or missingId: 'drop'; nulls: [] if it is an id",
    });
  // Id 0, the empty text, stands for a missing id.
  const texts = given.map((text) => text ?? '');
  const present = given.filter((text) => text !== undefined);
  if (entities === undefined) {
    const values = [''].concat(yield* sortSteps([...new Set(present)]));
    const keys = createVocabulary(values);
    return { codes: yield* idsInSteps(keys, texts), table: { rows: values.length, keys, columns: [] } };
  }
  checkObject(entities, entityField, ['id', 'features']);
  const table: EntityColumns = entities;
  if (table.id !== undefined) checkLength(table.id, `${entityField}.id`, undefined);
  const own =
    table.id === undefined
      ? ownIds(table.features, `${entityField}.features`, nulls)
      : yield* uniqueIdSteps(table.id, `${entityField}.id`, nulls);
  const sorted = yield* sortSteps([...new Set(present)].concat(own));
  const values = [''].concat(yield* distinctSteps(sorted));
  const keys = createVocabulary(values);
  const without = values.length - 1 - own.length;
  if (without > 0)
    notes.push(
      `${without} of ${values.length - 1} ${field}s have no row in the ${field} table; their features are missing`,
    );
  const ownRows = yield* idsInSteps(keys, own);
  const positions = table.id === undefined ? undefined : ownRows;
  const columns = yield* featureSteps(
    table.features,
    `${entityField}.features`,
    positions,
    keys,
    values.length,
    1,
    notes,
    nulls,
  );
  const named = new Uint8Array(values.length);
  yield* mapped(ownRows, (row) => (named[row] = 1));
  return { codes: yield* idsInSteps(keys, texts), table: { rows: values.length, keys, columns, named } };
}

function encode(texts: readonly string[], keys: Vocabulary): Int32Array {
  return Int32Array.from(texts, (text) => keys.idOf(text));
}

function readLabels(label: ArrayLike<number | null>, drop: boolean): Float32Array {
  return Float32Array.from(label, (value: unknown, row) => {
    if (value === null || value === undefined || Number.isNaN(value)) {
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

function noteRounded(values: ArrayLike<number | null> | undefined, field: string, notes: string[]): void {
  if (values === undefined || values instanceof Float32Array) return;
  let [count, first] = [0, 0];
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value !== null && isRounded(value) && count++ === 0) first = value;
  }
  if (count > 0) notes.push(rounding(field, count, first));
}

function readPositive(
  values: ArrayLike<number>,
  field: string,
  expected: string,
  isGood: (value: number) => boolean,
): Float32Array {
  return Float32Array.from(values, (value: unknown, row) => {
    if (typeof value === 'number' && isGood(value) && Number.isFinite(Math.fround(value))) return value;
    throw new InnerloopError('INVALID_DATA', `not a ${field} in row ${row + 1}`, { field, value, expected });
  });
}

function readParts(part: ArrayLike<string>, nulls: readonly string[]): CategoricalColumn {
  const texts = idTexts(part, 'part', nulls);
  const vocabulary = createVocabulary(['', ...sortTexts([...new Set(texts)])]);
  return { kind: 'categorical', name: 'part', vocabulary, data: encode(texts, vocabulary) };
}

function readTimes(time: ArrayLike<number | null>, drop: boolean): Float64Array {
  return Float64Array.from(time, (value: unknown, row) => {
    if (drop && (value === null || value === undefined || Number.isNaN(value))) return Number.NaN;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new InnerloopError('INVALID_DATA', `not a time in row ${row + 1}`, {
      field: 'time',
      value,
      expected: "a finite number, or missingTime: 'drop' where it is missing",
    });
  });
}
