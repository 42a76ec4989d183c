import { checkInteger, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { Column, Tensor, Vocabulary } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { mapped, NUMBER, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { TextNumbers } from '../foundation/text-numbers.js';
import { denseSteps, filled, placeSteps } from './columns.js';
import { denseOptions, presentName } from './feature-spec.js';
import { idTexts, uniqueIdSteps } from './ids.js';
import { trimText } from './values.js';
import { createVocabulary, idsInSteps, sortSteps } from './vocabulary.js';

type Text = string | number | null | undefined;

/**
 * A feature in memory; entry r belongs to row r of its table. `null`, `undefined`, NaN, `''` and the texts in `nulls` are missing
 * values; blanks around texts are trimmed.
 */
export type ColumnFeature =
  | { kind: 'categorical'; values: ArrayLike<Text>; minCount?: number }
  | { kind: 'bag'; values: ArrayLike<ArrayLike<Text> | null | undefined>; minCount?: number }
  | {
      kind: 'dense';
      /**
       * A number per row, or a list of `size` numbers per row, NaN where missing; or a matrix [rows, size] of finite numbers,
       * such as `readNpy` returns.
       */
      values: ArrayLike<number | null | undefined> | ArrayLike<ArrayLike<number> | null | undefined> | Tensor;
      /**
       * The id that each entry belongs to, each id once; entries whose id is in no table are left out. Default: the table's `id`.
       */
      ids?: ArrayLike<string | number>;
      /** Shift and scale to mean 0 and variance 1 over the values present. Default: true, without `normalize`. */
      standardize?: boolean;
      /** First scale every row to length 1. Default false. */
      normalize?: boolean;
      /** Add a second column, `<name>.present`: 1 where the feature has a value, 0 where it is missing. Default false. */
      present?: boolean;
    };

export function checkLength(values: unknown, field: string, rows: number | undefined): void {
  const length: unknown =
    typeof values === 'object' && values !== null && 'length' in values ? values.length : undefined;
  if (typeof length !== 'number' || !isList(values as object))
    throw invalid(field, 'not an array', values, 'an array or typed array');
  if (rows !== undefined && length !== rows) throw invalid(field, `has ${length} entries`, values, `${rows} entries`);
}

/**
 * Checks features in memory and turns them into columns, in steps.
 * @param positions the row of the dataset's table that each entry of a feature becomes; undefined if every feature has `ids`
 * @param keys the vocabulary of the table's ids; undefined for interactions, which have no ids
 * @param rows rows of the dataset's table, the `reserved` ones at its start included
 * @param reserved 1 if row 0 stands for "missing or unknown", 0 for interactions
 * @param nulls texts that stand for a missing value
 */
export function* featureSteps(
  features: unknown,
  field: string,
  positions: Int32Array | undefined,
  keys: Vocabulary | undefined,
  rows: number,
  reserved: number,
  notes: string[],
  nulls: readonly string[],
): Steps<Column[]> {
  const columns: Column[] = [];
  for (const [name, feature] of entriesOf(features, field)) {
    const path = `${field}.${name}`;
    checkOneOf((feature as { kind?: unknown } | undefined)?.kind, `${path}.kind`, ['categorical', 'bag', 'dense']);
    checkObject(
      feature,
      path,
      feature.kind === 'dense'
        ? ['kind', 'values', 'ids', 'standardize', 'normalize', 'present']
        : ['kind', 'values', 'minCount'],
    );
    if (feature.kind !== 'dense') {
      checkLength(feature.values, `${path}.values`, positions!.length);
      if (feature.minCount !== undefined) checkInteger(feature.minCount, `${path}.minCount`, 1);
      columns.push(yield* discrete(name, feature, path, positions!, rows, nulls));
      continue;
    }
    const { ids } = feature;
    if (ids !== undefined && keys === undefined)
      throw invalid(`${path}.ids`, 'interactions have no ids', ids, 'one entry for each interaction');
    // Row 0 stands for "unknown" and takes no features: entries whose id is in no table get position -1 and are left out.
    let own = positions!;
    if (ids !== undefined) {
      const texts = yield* uniqueIdSteps(ids, `${path}.ids`, nulls);
      own = yield* mapped(yield* idsInSteps(keys!, texts), (row) => row || -1);
    }
    columns.push(...(yield* dense(name, feature, path, own, rows, reserved, notes)));
  }
  return columns;
}

/** All ids of features that each have `ids` of their own, without duplicates. */
export function ownIds(features: unknown, field: string, nulls: readonly string[]): string[] {
  const all = new Set<string>();
  for (const [name, feature] of entriesOf(features, field)) {
    const ids = (feature as { ids?: unknown } | undefined)?.ids;
    checkLength(ids, `${field}.${name}.ids`, undefined);
    for (const id of idTexts(ids as ArrayLike<unknown>, `${field}.${name}.ids`, nulls)) all.add(id);
  }
  return [...all];
}

function entriesOf(features: unknown, field: string): [string, ColumnFeature][] {
  if (typeof features !== 'object' || features === null || Array.isArray(features)) {
    throw invalid(field, 'not an object', features, 'an object of features by name');
  }
  const entries = Object.entries(features as Record<string, ColumnFeature>);
  const names = new Set(entries.map(([name]) => name));
  for (const [name, feature] of entries) {
    if ((feature as { present?: unknown } | undefined)?.present === true && names.has(presentName(name))) {
      throw invalid(
        `${field}.${presentName(name)}`,
        'used twice',
        presentName(name),
        'a name of its own for each feature',
      );
    }
  }
  return entries;
}

function* discrete(
  name: string,
  feature: Exclude<ColumnFeature, { kind: 'dense' }>,
  field: string,
  positions: Int32Array,
  rows: number,
  nulls: readonly string[],
): Steps<Column> {
  const markers = new Set(['', ...nulls]);
  const source = new Int32Array(rows).fill(-1);
  yield* mapped(positions, (position, row) => (source[position] = row));
  // Texts by number, in order of first appearance: no list a row, which the collector of garbage would copy.
  const texts = new TextNumbers();
  const offsets = new Int32Array(rows + 1);
  let numbers = new Int32Array(rows);
  let count = 0;
  const add = (text: string) => {
    if (count === numbers.length) {
      const longer = new Int32Array(2 * count);
      longer.set(numbers);
      numbers = longer;
    }
    numbers[count++] = texts.add(text);
  };
  for (let position = 0, work = 0; position < rows; position++) {
    const row = source[position];
    if (row >= 0) {
      const value: unknown = feature.values[row];
      if (feature.kind === 'categorical') addText(value, field, row, markers, add);
      else if (value !== null && value !== undefined) {
        if (typeof value !== 'object' || !isList(value))
          throw new InnerloopError('INVALID_DATA', `not a list in row ${row + 1}`, {
            field,
            value,
            expected: 'a list of texts',
          });
        for (let k = 0; k < value.length; k++) addText(value[k], field, row, markers, add);
        work += value.length;
      }
    }
    offsets[position + 1] = count;
    if (++work < 2048) continue;
    work = 0;
    yield;
  }
  const kept: string[] = [];
  const minCount = feature.minCount ?? 1;
  yield* pieces(texts.texts.length, (from, to) => {
    for (let n = from; n < to; n++) if (texts.counts[n] >= minCount) kept.push(texts.texts[n]);
  });
  const vocabulary = createVocabulary([''].concat(yield* sortSteps(kept)));
  const ids = yield* idsInSteps(vocabulary, texts.texts);
  if (feature.kind === 'bag') {
    const data = yield* mapped(numbers.subarray(0, count), (number) => ids[number]);
    return { kind: 'bag', name, vocabulary, offsets, data };
  }
  const first = offsets.subarray(0, rows);
  const data = yield* mapped(first, (at, row) => (offsets[row + 1] === at ? 0 : ids[numbers[at]]));
  return { kind: 'categorical', name, vocabulary, data };
}

/** Whether a value can be read as a list. An object may claim any `length`, so a long one must also have its last entry. */
function isList(value: object): value is ArrayLike<unknown> {
  const { length } = value as { length?: unknown };
  return (
    typeof length === 'number' &&
    Number.isSafeInteger(length) &&
    length >= 0 &&
    (length <= 65536 || length - 1 in value)
  );
}

/** Adds the text of a value, where it has one. */
function addText(
  value: unknown,
  field: string,
  row: number,
  markers: ReadonlySet<string>,
  add: (text: string) => void,
): void {
  if (value === null || value === undefined || Number.isNaN(value)) return;
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new InnerloopError('INVALID_DATA', `neither text nor number in row ${row + 1}`, {
      field,
      value,
      expected: 'text or a number',
    });
  }
  const text = trimText(String(value));
  if (!markers.has(text)) add(text);
}

function* dense(
  name: string,
  feature: Extract<ColumnFeature, { kind: 'dense' }>,
  field: string,
  positions: Int32Array,
  rows: number,
  reserved: number,
  notes: string[],
): Steps<Column[]> {
  const options = denseOptions(feature, field);
  const { values } = feature;
  if (isTensor(values)) {
    const { shape, data } = values;
    const isNumbers = data instanceof Float32Array || data instanceof Float64Array;
    if (
      !isNumbers ||
      shape.length !== 2 ||
      !shape.every((n) => Number.isSafeInteger(n) && n >= 0) ||
      shape[1] === 0 ||
      shape[0] * shape[1] !== data.length
    ) {
      throw invalid(
        `${field}.values`,
        'not a matrix of features',
        `${isNumbers ? data.length : typeof data} numbers of shape (${String(shape)})`,
        'a Float32Array or Float64Array of shape [rows, size]',
      );
    }
    return yield* placeSteps(
      name,
      { rows: shape[0], size: shape[1], data },
      positions,
      rows,
      options,
      field,
      reserved,
      notes,
    );
  }
  checkLength(values, `${field}.values`, positions.length);
  let at = 0;
  yield* pieces(values.length, (_, to) => {
    while (at < to && (values[at] === null || values[at] === undefined)) at++;
  });
  const first: unknown = values[at];
  if (typeof first === 'object' && first !== null && !isList(first)) {
    throw new InnerloopError('INVALID_DATA', `not a list in row ${at + 1}`, {
      field,
      value: first,
      expected: 'a number or a list of numbers',
    });
  }
  const size = typeof first === 'object' && first !== null ? (first as ArrayLike<number>).length : 1;
  const raw = yield* filled(new Float64Array(rows * size), Number.NaN);
  const read = (value: unknown, row: number) => {
    if (value === null || value === undefined) return;
    const entry = (typeof value === 'object' ? value : [value]) as ArrayLike<unknown>;
    if (entry.length !== size) {
      throw new InnerloopError('INVALID_DATA', `${entry.length} numbers in row ${row + 1}`, {
        field,
        value,
        expected: `${size} numbers in every row`,
      });
    }
    for (let c = 0; c < size; c++) {
      const number = entry[c];
      if (typeof number !== 'number') {
        throw new InnerloopError('INVALID_DATA', `not a number in row ${row + 1}`, {
          field,
          value: number,
          expected: 'a number',
        });
      }
      if (positions[row] >= 0) raw[positions[row] * size + c] = number;
    }
  };
  yield* pieces(
    positions.length,
    (from, to) => {
      for (let row = from; row < to; row++) read(values[row], row);
    },
    1 + size * NUMBER,
  );
  return yield* denseSteps(name, size, raw, options, field, reserved, notes);
}

function isTensor(values: unknown): values is Tensor {
  return typeof values === 'object' && values !== null && 'shape' in values && Array.isArray(values.shape);
}
