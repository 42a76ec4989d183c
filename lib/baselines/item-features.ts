import { unknownName } from '../foundation/check.js';
import type { BagColumn, FeatureTable } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';

/** A sparse matrix by rows: row r has `value[e]` in column `column[e]`, e from `offsets[r]` to `offsets[r + 1] − 1`. */
export interface SparseMatrix {
  rows: number;
  columns: number;
  offsets: Int32Array;
  column: Int32Array;
  value: Float64Array;
}

/**
 * Item content as one matrix: categorical and bag columns as 0/1 indicators, dense columns as they are, and a last
 * column of ones. "Missing or unknown" (id 0) has no indicator.
 */
export function contentMatrix(items: FeatureTable): SparseMatrix {
  const starts: number[] = [];
  let columns = 0;
  let room = items.rows; // the ones; then an upper bound, as zeros are not stored
  for (const feature of items.columns) {
    starts.push(columns);
    columns += feature.kind === 'dense' ? feature.size : feature.vocabulary.values.length;
    room += feature.kind === 'dense' ? items.rows * feature.size : feature.data.length;
  }
  const offsets = new Int32Array(items.rows + 1);
  const column = new Int32Array(room);
  const value = new Float64Array(room);
  let used = 0;
  const put = (at: number, amount: number) => {
    column[used] = at;
    value[used++] = amount;
  };
  for (let row = 0; row < items.rows; row++) {
    for (let f = 0; f < starts.length; f++) {
      const feature = items.columns[f];
      if (feature.kind === 'dense') {
        for (let d = 0; d < feature.size; d++) {
          const amount = feature.data[row * feature.size + d];
          if (amount !== 0) put(starts[f] + d, amount);
        }
      } else if (feature.kind === 'categorical') {
        if (feature.data[row] !== 0) put(starts[f] + feature.data[row], 1);
      } else {
        for (let e = feature.offsets[row]; e < feature.offsets[row + 1]; e++) {
          if (feature.data[e] !== 0) put(starts[f] + feature.data[e], 1);
        }
      }
    }
    put(columns, 1);
    offsets[row + 1] = used;
  }
  return {
    rows: items.rows,
    columns: columns + 1,
    offsets,
    column: column.slice(0, used),
    value: value.slice(0, used),
  };
}

/** The named bag column; without a name the one of the smallest vocabulary, if there is any. */
export function bagColumn(items: FeatureTable, name: string | undefined): BagColumn | undefined {
  const bags = items.columns.filter((column) => column.kind === 'bag');
  if (name === undefined) {
    const size = (bag: BagColumn) => bag.vocabulary.values.length;
    return bags.reduce<BagColumn | undefined>((best, bag) => (best && size(best) <= size(bag) ? best : bag), undefined);
  }
  const named = bags.find((bag) => bag.name === name);
  if (named !== undefined) return named;
  if (items.columns.some((column) => column.name === name)) {
    throw new InnerloopError('INVALID_OPTION', 'not a bag column', {
      field: 'contentRidge.tasteColumn',
      value: name,
      expected: 'an item column that holds lists',
    });
  }
  throw unknownName(
    'contentRidge.tasteColumn',
    'no such item bag column',
    name,
    bags.map((bag) => bag.name),
  );
}

/** Conjugate gradients stop at a residual of this share of the first. */
const TOLERANCE = 1e-9;
const MAX_STEPS = 1000;

/**
 * Weighted ridge regression: minimises Σ_r weight_r (target_r − (X w)_r)² + λ |w|², the last column (ones) not
 * penalised, by conjugate gradients on the normal equations with a diagonal preconditioner. The matrix X'X is never
 * formed, so ten thousand columns cost no more than their entries.
 *
 * @returns w, one entry a column.
 */
export function sparseRidge(
  matrix: SparseMatrix,
  target: Float64Array,
  weight: Float64Array,
  regularization: number,
): Float64Array {
  const { rows, columns, offsets, column, value } = matrix;
  const penalty = new Float64Array(columns).fill(regularization);
  penalty[columns - 1] = 0;
  const diagonal = penalty.slice();
  const w = new Float64Array(columns);
  const residual = new Float64Array(columns); // Xᵀ W y − (Xᵀ W X + λ) w, at w = 0
  for (let r = 0; r < rows; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; e++) {
      diagonal[column[e]] += weight[r] * value[e] * value[e];
      residual[column[e]] += weight[r] * value[e] * target[r];
    }
  }
  const scaled = new Float64Array(columns);
  // A column without data at λ = 0 has a zero diagonal and a zero residual: its weight stays 0.
  const precondition = () => {
    for (let c = 0; c < columns; c++) scaled[c] = diagonal[c] > 0 ? residual[c] / diagonal[c] : 0;
    return dot(residual, scaled);
  };
  let size = precondition();
  const enough = size * TOLERANCE * TOLERANCE;
  const direction = scaled.slice();
  const image = new Float64Array(columns);
  for (let step = 0; step < MAX_STEPS && size > enough; step++) {
    for (let c = 0; c < columns; c++) image[c] = penalty[c] * direction[c];
    for (let r = 0; r < rows; r++) {
      if (weight[r] === 0) continue;
      let sum = 0;
      for (let e = offsets[r]; e < offsets[r + 1]; e++) sum += value[e] * direction[column[e]];
      sum *= weight[r];
      for (let e = offsets[r]; e < offsets[r + 1]; e++) image[column[e]] += value[e] * sum;
    }
    const rate = size / dot(direction, image);
    for (let c = 0; c < columns; c++) {
      w[c] += rate * direction[c];
      residual[c] -= rate * image[c];
    }
    const next = precondition();
    for (let c = 0; c < columns; c++) direction[c] = scaled[c] + (next / size) * direction[c];
    size = next;
  }
  return w;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** X w. */
export function multiply({ rows, offsets, column, value }: SparseMatrix, w: Float64Array): Float64Array {
  const product = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; e++) product[r] += value[e] * w[column[e]];
  }
  return product;
}
