import type {
  BagColumn,
  Column,
  Dataset,
  DenseColumn,
  DenseScaling,
  FeatureTable,
  FloatArray,
  Vocabulary,
} from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { atOnce, mapped, NUMBER, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { presentName } from './feature-spec.js';
import type { DenseOptions } from './feature-spec.js';
import { momentSteps, normalizeRows } from './scaling.js';
import { createVocabulary } from './vocabulary.js';

/** The largest float32. @internal */
export const FLOAT32_MAX = 3.4028234663852886e38;

/**
 * Makes a dense column from raw values (NaN where missing) and, if `present` is set, the column that says where values are present.
 * Each row is scaled to length 1 (`normalize`); then each component is shifted and scaled to mean 0 and population variance 1 over
 * the values present (`standardize`); a missing value becomes 0. Sums run in row order, so the result is the same in every run.
 * @param raw [rows, size]; overwritten, and then used as the column's unscaled values or, if it is float32, as its data
 * @param reserved rows at the start that stand for no entity; the note on missing values does not count them
 */
export function denseColumns(...of: Parameters<typeof denseSteps>): DenseColumn[] {
  return atOnce(denseSteps(...of));
}

/** The same in steps. */
export function* denseSteps(
  name: string,
  size: number,
  raw: Float64Array | Float32Array,
  options: DenseOptions,
  field: string,
  reserved: number,
  notes: string[],
): Steps<DenseColumn[]> {
  const rows = raw.length / size;
  const complete = new Float32Array(rows).fill(1);
  const present = new Float64Array(size);
  yield* numbers(raw, size, (value, c, row) => {
    if (Number.isNaN(value)) complete[row] = 0;
    else if (Math.abs(value) <= FLOAT32_MAX) present[c]++;
    else
      throw new InnerloopError('INVALID_DATA', 'a number that float32 cannot hold', {
        field,
        value,
        expected: 'finite numbers',
      });
  });
  if (options.normalize)
    yield* pieces(rows, (from, to) => normalizeRows(raw.subarray(from * size, to * size), size), size * NUMBER);
  const absent = (rows - reserved) * size - present.reduce((sum, count) => sum + count, 0);
  const scaling: DenseScaling = options.standardize
    ? { normalized: options.normalize, moments: yield* moments(raw, size, present), raw: yield* compact(raw) }
    : { normalized: options.normalize, ...(absent > 0 && size === 1 && { raw: yield* compact(raw) }) };
  const data = raw instanceof Float32Array && scaling.raw !== raw ? raw : new Float32Array(raw.length);
  yield* momentSteps(raw, size, scaling.moments, data);
  if (absent > 0) {
    notes.push(
      `${field} (${name}): ${absent} of ${(rows - reserved) * size} values are missing, read as ${options.standardize ? 'the mean' : '0'}`,
    );
  }
  const column: DenseColumn = { kind: 'dense', name, size, data, scaling };
  return options.present ? [column, { kind: 'dense', name: presentName(name), size: 1, data: complete }] : [column];
}

/** The values as float32, in half the bytes, if that changes none of them, as with years and prices in whole numbers. */
function* compact(raw: Float64Array | Float32Array): Steps<Float64Array | Float32Array> {
  if (raw instanceof Float32Array) return raw;
  let isExact = true;
  yield* numbers(raw, 1, (value) => {
    if (Math.fround(value) !== value && !Number.isNaN(value)) isExact = false;
  });
  return isExact ? yield* copied(new Float32Array(raw.length), raw) : raw;
}

/** Calls `visit` with every number of a table, its component and its row, in their order. */
function* numbers(
  raw: Float64Array | Float32Array,
  size: number,
  visit: (value: number, c: number, row: number) => void,
): Steps<void> {
  yield* pieces(
    raw.length / size,
    (from, to) => {
      for (let row = from, i = from * size; row < to; row++) for (let c = 0; c < size; c++, i++) visit(raw[i], c, row);
    },
    size * NUMBER,
  );
}

/** A copy by pieces: a large one would take long at once. */
export function* copied<T extends Int32Array | FloatArray>(into: T, from: Int32Array | FloatArray, at = 0): Steps<T> {
  yield* pieces(from.length, (first, end) => into.set(from.subarray(first, end), at + first), NUMBER);
  return into;
}

/** The array with all numbers of one value. */
export function* filled<T extends Int32Array | FloatArray>(into: T, value: number): Steps<T> {
  yield* pieces(into.length, (from, to) => into.fill(value, from, to), NUMBER);
  return into;
}

/** Mean and inverse population standard deviation of each component over its present values, `present[c]` of them. */
function* moments(
  raw: Float64Array | Float32Array,
  size: number,
  present: Float64Array,
): Steps<{ mean: Float64Array; scale: Float64Array }> {
  const mean = new Float64Array(size);
  yield* numbers(raw, size, (value, c) => {
    if (!Number.isNaN(value)) mean[c] += value;
  });
  for (let c = 0; c < size; c++) if (present[c] > 0) mean[c] /= present[c];
  const squares = new Float64Array(size);
  yield* numbers(raw, size, (value, c) => {
    const deviation = value - mean[c];
    if (!Number.isNaN(deviation)) squares[c] += deviation * deviation;
  });
  // A constant column is 0 after the shift; dividing by its deviation would make it NaN.
  return { mean, scale: squares.map((sum, c) => (sum > 0 ? 1 / Math.sqrt(sum / present[c]) : 1)) };
}

/** A row-major matrix [rows, size] with one row for each entity. */
export interface Matrix {
  rows: number;
  size: number;
  data: FloatArray;
}

/**
 * Makes the dense columns of a matrix. The feature is missing in rows of the table that no row of the matrix belongs to.
 * @param positions the row of the dataset's table that each row of the matrix belongs to; −1 if it belongs to none
 */
export function placeMatrix(...of: Parameters<typeof placeSteps>): DenseColumn[] {
  return atOnce(placeSteps(...of));
}

/** The same in steps. */
export function* placeSteps(
  name: string,
  { rows: count, size, data }: Matrix,
  positions: Int32Array,
  rows: number,
  options: DenseOptions,
  field: string,
  reserved: number,
  notes: string[],
): Steps<DenseColumn[]> {
  if (count !== positions.length) {
    throw new InnerloopError('INVALID_DATA', `the matrix has ${count} rows`, {
      field,
      value: count,
      expected: `${positions.length} rows, one for each id`,
    });
  }
  const raw = yield* filled(new Float32Array(rows * size), Number.NaN);
  let unmatched = 0;
  const place = (r: number) => {
    const position = positions[r];
    if (position < 0) unmatched++;
    for (let c = 0; c < size; c++) {
      const value = data[r * size + c];
      if (!(Math.abs(value) <= FLOAT32_MAX)) {
        throw new InnerloopError('INVALID_DATA', `row ${r + 1}, column ${c + 1}: not a finite float32 number`, {
          field,
          value,
          expected: 'finite numbers; leave out the rows of ids that have no features',
        });
      }
      if (position >= 0) raw[position * size + c] = value;
    }
  };
  yield* pieces(
    count,
    (from, to) => {
      for (let r = from; r < to; r++) place(r);
    },
    size * NUMBER,
  );
  if (unmatched > 0)
    notes.push(`${field} (${name}): ${unmatched} of ${count} rows belong to ids of no table and were left out`);
  return yield* denseSteps(name, size, raw, options, field, reserved, notes);
}

/** A bag column from entries in row order; `owners[k]` is the row of entry k. */
export function bagFromOwners(
  name: string,
  vocabulary: Vocabulary,
  owners: Int32Array,
  data: Int32Array,
  rows: number,
): BagColumn {
  const offsets = new Int32Array(rows + 1);
  for (let k = 0; k < owners.length; k++) offsets[owners[k] + 1]++;
  for (let r = 0; r < rows; r++) offsets[r + 1] += offsets[r];
  return { kind: 'bag', name, vocabulary, offsets, data };
}

/** The column of the rows `kept` only, in that order. */
export function gatherColumn(column: Column, kept: Int32Array): Column {
  return atOnce(gatherSteps(column, kept));
}

/** The same in steps. */
export function* gatherSteps(column: Column, kept: Int32Array): Steps<Column> {
  if (column.kind === 'bag' || column.kind === 'sequence') {
    const { offsets: from } = column;
    const offsets = new Int32Array(kept.length + 1);
    yield* mapped(kept, (row, k) => (offsets[k + 1] = offsets[k] + from[row + 1] - from[row]));
    const data = new Int32Array(offsets[kept.length]);
    yield* inRuns(kept, (first, last, k) => data.set(column.data.subarray(from[first], from[last]), offsets[k]));
    return { ...column, offsets, data };
  }
  if (column.kind === 'categorical') return { ...column, data: yield* mapped(kept, (row) => column.data[row]) };
  const { size, scaling } = column;
  const data = yield* gatherRows(column.data, size, kept);
  if (scaling?.raw === undefined) return { ...column, data };
  return { ...column, data, scaling: { ...scaling, raw: yield* gatherRows(scaling.raw, size, kept) } };
}

function* gatherRows<T extends FloatArray>(values: T, size: number, kept: Int32Array): Steps<T> {
  const result = new (values.constructor as new (length: number) => T)(kept.length * size);
  yield* inRuns(
    kept,
    (first, last, k) => result.set(values.subarray(first * size, last * size), k * size),
    size * NUMBER,
  );
  return result;
}

/** Copies rows that follow each other at once. @param copy the rows [first, last), which are kept from the k-th on */
function* inRuns(kept: Int32Array, copy: (first: number, last: number, k: number) => void, cost?: number): Steps<void> {
  yield* pieces(
    kept.length,
    (from, to) => {
      for (let k = from, end = from; k < to; k = end) {
        for (end = k + 1; end < to && kept[end] === kept[end - 1] + 1;) end++;
        copy(kept[k], kept[end - 1] + 1, k);
      }
    },
    cost,
  );
}

export function gather<T extends Int32Array | Float32Array | Float64Array>(values: T, kept: Int32Array): T {
  const result = new (values.constructor as new (length: number) => T)(kept.length);
  for (let k = 0; k < kept.length; k++) result[k] = values[kept[k]]!;
  return result;
}

/** Users and items without interactions. @param size rows of the context, of which the interactions would be as many */
export function withoutInteractions(
  { users, items, context }: Pick<Dataset, 'users' | 'items' | 'context'>,
  size = 0,
): Dataset {
  const none = new Int32Array(0);
  return {
    size,
    user: none,
    item: none,
    label: new Float32Array(0),
    time: undefined,
    users,
    items,
    context,
    notes: [],
  };
}

/** The feature table of interactions, which has neither ids nor a reserved row 0. */
export function contextTable(columns: Column[], rows: number): FeatureTable {
  return { rows, keys: createVocabulary(['']), columns };
}
