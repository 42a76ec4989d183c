/** Scales dense features with the moments (mean and deviation) that a learner was trained with, not with a later table's own. */
import type { Column, Dataset, DenseColumn, DenseScaling, FeatureTable, FloatArray } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { atOnce, NUMBER, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';

/**
 * Shifts and scales numbers [rows, size]; NaN, which stands for a missing value, becomes 0, the mean.
 * @param into receives the result; may be `raw` itself
 */
export function applyMoments(
  raw: FloatArray,
  size: number,
  moments: DenseScaling['moments'],
  into: Float32Array,
): void {
  for (let i = 0, c = 0; i < raw.length; i++, c = c + 1 === size ? 0 : c + 1) {
    const value = raw[i];
    into[i] = Number.isNaN(value) ? 0 : moments === undefined ? value : (value - moments.mean[c]) * moments.scale[c];
  }
}

/** The same of a whole table, in steps. */
export function* momentSteps(
  raw: FloatArray,
  size: number,
  moments: DenseScaling['moments'],
  into: Float32Array,
): Steps<void> {
  yield* pieces(
    raw.length / size,
    (from, to) => applyMoments(raw.subarray(from * size, to * size), size, moments, into.subarray(from * size)),
    size * NUMBER,
  );
}

/** The number at each position of a column's data, in the units of the source; NaN where it is known to be missing. */
export function rawNumbers({ size, data, scaling }: DenseColumn): (place: number) => number {
  const raw = scaling?.raw;
  if (raw !== undefined) return (place) => raw[place];
  const moments = scaling?.moments;
  if (moments === undefined) return (place) => data[place];
  return (place) => data[place] / moments.scale[place % size] + moments.mean[place % size];
}

/** Scales every row to Euclidean length 1 over its present values; a row of zeros stays as it is. */
export function normalizeRows(raw: FloatArray, size: number): void {
  for (let start = 0; start < raw.length; start += size) {
    let squares = 0;
    for (let i = start; i < start + size; i++) if (!Number.isNaN(raw[i])) squares += raw[i] * raw[i];
    if (squares === 0) continue;
    const scale = 1 / Math.sqrt(squares);
    for (let i = start; i < start + size; i++) raw[i] *= scale;
  }
}

/** The feature tables of a dataset or of a learner's catalog. */
export type Tables = Pick<Dataset, 'users' | 'items' | 'context'>;
const SIDES = ['users', 'items', 'context'] as const;

/**
 * The dataset with its dense columns scaled by the moments of the columns of the same names in `reference`; `dataset` itself if
 * they are scaled so already.
 *
 * @throws {InnerloopError} INVALID_DATA if a column is normalised in one of the two only, or if its unscaled numbers were not kept
 */
export function scaledAs(dataset: Dataset, reference: Tables): Dataset {
  return atOnce(scaledSteps(dataset, reference));
}

/** The same in steps. */
export function* scaledSteps(dataset: Dataset, reference: Tables): Steps<Dataset> {
  const tables: FeatureTable[] = [];
  for (const side of SIDES) {
    const columns: Column[] = [];
    for (const column of dataset[side].columns) columns.push(yield* scaledColumn(column, reference[side], side));
    const isSame = columns.every((column, k) => column === dataset[side].columns[k]);
    tables.push(isSame ? dataset[side] : { ...dataset[side], columns });
  }
  if (SIDES.every((side, k) => dataset[side] === tables[k])) return dataset;
  return { ...dataset, users: tables[0], items: tables[1], context: tables[2] };
}

function* scaledColumn(column: Column, { columns }: FeatureTable, side: string): Steps<Column> {
  if (column.kind !== 'dense') return column;
  const as = columns.find(({ name }) => name === column.name);
  // A column is left as it is if its moments are unknown: it was not read by this library, or comes from a file without them.
  if (as?.kind !== 'dense' || as.size !== column.size || as.scaling === undefined || column.scaling === undefined)
    return column;
  const { size, scaling, data } = column;
  const { moments, normalized } = as.scaling;
  const field = `${side}.${column.name}`;
  if (normalized !== scaling.normalized)
    throw new InnerloopError(
      'INVALID_DATA',
      `is ${normalized ? 'not ' : ''}normalised here, but was ${normalized ? '' : 'not '}for the learner`,
      {
        field,
        expected: `normalize: ${normalized}`,
      },
    );
  if (sameMoments(moments, scaling.moments)) return column;
  const raw = scaling.raw ?? (scaling.moments === undefined ? data : undefined);
  if (raw?.length !== data.length)
    throw new InnerloopError('INVALID_DATA', 'has other moments than the learner was trained with', {
      field,
      expected: 'a dataset as openDataset or datasetFromColumns made it, which can be brought to them',
    });
  const scaled: DenseColumn = { ...column, data: new Float32Array(data.length), scaling: { normalized, moments, raw } };
  yield* momentSteps(raw, size, moments, scaled.data);
  return scaled;
}

function sameMoments(a: DenseScaling['moments'], b: DenseScaling['moments']): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.mean.every((x, c) => x === b.mean[c]) && a.scale.every((x, c) => x === b.scale[c]);
}
