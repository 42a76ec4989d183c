import type { BagColumn, Column, DenseColumn, FeatureTable, Vocabulary } from '../contract.js';
import { InnerloopError } from '../errors.js';
import { createVocabulary } from './vocabulary.js';

/**
 * A dense column from raw values, NaN where missing: each component is shifted and scaled to mean 0 and variance 1
 * (population) over the values present, or left as it is; a missing value becomes 0. Sums run in row order, so the
 * result is the same in every run.
 * @param raw rows × size; overwritten
 * @param reserved rows at the start that stand for no entity, left out of the note on missing values
 */
export function denseColumn(
  name: string,
  size: number,
  raw: Float64Array,
  standardize: boolean,
  field: string,
  reserved: number,
  notes: string[],
): DenseColumn {
  const rows = raw.length / size;
  let missing = 0;
  for (let c = 0; c < size; c++) {
    let sum = 0;
    let present = 0;
    for (let r = 0; r < rows; r++) {
      const value = raw[r * size + c]!;
      if (Number.isNaN(value)) continue;
      if (!(Math.abs(value) <= 3.4028234663852886e38)) {
        throw new InnerloopError('INVALID_DATA', 'a number that float32 cannot hold', {
          field,
          value,
          expected: 'finite numbers',
        });
      }
      sum += value;
      present++;
    }
    missing += rows - present;
    const mean = standardize && present > 0 ? sum / present : 0;
    let squares = 0;
    for (let r = 0; r < rows; r++) {
      const deviation = raw[r * size + c]! - mean;
      if (!Number.isNaN(deviation)) squares += deviation * deviation;
    }
    // A constant column is 0 after the shift; dividing by its deviation would make it NaN.
    const scale = standardize && squares > 0 ? 1 / Math.sqrt(squares / present) : 1;
    for (let r = 0; r < rows; r++) {
      const value = raw[r * size + c]!;
      raw[r * size + c] = Number.isNaN(value) ? 0 : (value - mean) * scale;
    }
  }
  const absent = missing - reserved * size;
  if (absent > 0) {
    notes.push(
      `${field} (${name}): ${absent} of ${(rows - reserved) * size} values are missing, read as ${standardize ? 'the mean' : '0'}`,
    );
  }
  return { kind: 'dense', name, size, data: Float32Array.from(raw) };
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
  for (let k = 0; k < owners.length; k++) offsets[owners[k]! + 1]!++;
  for (let r = 0; r < rows; r++) offsets[r + 1]! += offsets[r]!;
  return { kind: 'bag', name, vocabulary, offsets, data };
}

/** The column at `kept` rows only, in that order. */
export function gatherColumn(column: Column, kept: Int32Array): Column {
  if (column.kind === 'bag') {
    const offsets = new Int32Array(kept.length + 1);
    for (let k = 0; k < kept.length; k++) {
      offsets[k + 1] = offsets[k]! + column.offsets[kept[k]! + 1]! - column.offsets[kept[k]!]!;
    }
    const data = new Int32Array(offsets[kept.length]!);
    for (let k = 0; k < kept.length; k++) {
      data.set(column.data.subarray(column.offsets[kept[k]!], column.offsets[kept[k]! + 1]), offsets[k]);
    }
    return { ...column, offsets, data };
  }
  if (column.kind === 'categorical') return { ...column, data: gather(column.data, kept) };
  const { size } = column;
  const data = new Float32Array(kept.length * size);
  for (let k = 0; k < kept.length; k++)
    data.set(column.data.subarray(kept[k]! * size, (kept[k]! + 1) * size), k * size);
  return { ...column, data };
}

export function gather<T extends Int32Array | Float32Array | Float64Array>(values: T, kept: Int32Array): T {
  const result = new (values.constructor as new (length: number) => T)(kept.length);
  for (let k = 0; k < kept.length; k++) result[k] = values[kept[k]!]!;
  return result;
}

/** The feature table of interactions: no keys, no reserved row. */
export function contextTable(columns: Column[], rows: number): FeatureTable {
  return { rows, keys: createVocabulary(['']), columns };
}
