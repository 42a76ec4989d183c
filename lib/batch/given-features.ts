/** Values of features that come with a request, not from a table: of a user who is new, and of the interactions at hand. */
import type { NativeColumn } from '../foundation/addon.js';
import { checkObject, invalid } from '../foundation/check.js';
import type { DenseColumn, FloatArray } from '../foundation/contract.js';
import { applyMoments, normalizeRows } from '../data/scaling.js';
import type { Model } from '../model/model.js';
import { SIDES } from './features.js';
import type { BoundDataset, BoundFeature } from './features.js';

/**
 * A text or number (categorical), a list of them (bag), a number or list of numbers (dense); `null`: missing, as where a table has
 * no value; `undefined`: not told.
 */
export type FeatureValue = string | number | null | undefined | ArrayLike<string | number>;
/** Values by name of the column, in the units of the source: dense numbers are scaled by the moments of the training data. */
export type FeatureValues = Readonly<Record<string, FeatureValue>>;

/** @internal */
export type OwnColumn = NativeColumn & { input: number };

const TABLES = { [SIDES.users]: 'users', [SIDES.interactions]: 'context' } as const;
type GivenSide = keyof typeof TABLES;

/** @internal Names of the features of interactions that a model reads. */
export function contextNames({ features }: BoundDataset): string[] {
  return features.filter(({ side }) => side === SIDES.interactions).map(({ column }) => column.name);
}

/** @internal @throws {InnerloopError} for what is no object, and for names that the table has no column of */
export function checkGiven({ dataset }: BoundDataset, side: GivenSide, row: unknown, field: string): void {
  const names = dataset[TABLES[side]].columns.filter(({ kind }) => kind !== 'sequence').map(({ name }) => name);
  checkObject(row, field, names);
}

/**
 * Columns of a batch's own, for those inputs of a side that any of the rows tells; row r of each is what `rows[r]` tells, and
 * where that tells nothing, what row `others` of the dataset's table has. An input that no row tells stays with the table.
 *
 * @internal
 * @param first number of the first side of these columns
 * @param field names a row, for messages
 */
export function givenColumns(
  model: Model,
  bound: BoundDataset,
  side: GivenSide,
  rows: readonly FeatureValues[],
  others: number,
  first: number,
  field: (row: number) => string,
): OwnColumn[] {
  const own: OwnColumn[] = [];
  for (const feature of bound.features) {
    if (feature.side !== side) continue;
    const values = rows.map((row) => valueOf(row, feature.column.name));
    if (values.every((value) => value === undefined)) continue;
    const at = (row: number) => `${field(row)}.${feature.column.name}`;
    own.push({ input: feature.input, side: first + own.length, ...packed(model, feature, values, others, at) });
  }
  return own;
}

/** Whether a feature is there is known from the feature itself. */
function valueOf(row: FeatureValues, name: string): FeatureValue {
  if (Object.hasOwn(row, name)) return row[name];
  const [, base] = /^(.*)\.present$/.exec(name) ?? [];
  if (base === undefined || !Object.hasOwn(row, base)) return undefined;
  return row[base] === undefined ? undefined : row[base] === null ? 0 : 1;
}

function packed(
  model: Model,
  { column, texts }: BoundFeature,
  values: readonly FeatureValue[],
  others: number,
  field: (row: number) => string,
): Omit<NativeColumn, 'side'> {
  if (column.kind === 'dense') return { dense: model.floats(scaled(column, values, others, field)) };
  // The model's id of a text; 0, as in training, for one that it does not know.
  const idOf = (value: unknown, at: string) => {
    if (typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value)))
      throw invalid(at, 'not a value of a categorical feature', value, 'a text or a number');
    return texts!.idOf(String(value));
  };
  const known = (id: number) => texts!.idOf(column.vocabulary.values[id]);
  if (column.kind === 'categorical')
    return {
      ids: Int32Array.from(values, (value, r) =>
        value === undefined ? known(column.data[others]) : value === null ? 0 : idOf(value, field(r)),
      ),
    };
  const offsets = new Int32Array(values.length + 1);
  const ids = values.flatMap((value, r) => {
    const list =
      value === undefined
        ? Array.from(column.data.subarray(column.offsets[others], column.offsets[others + 1]), known)
        : Array.from(value === null ? [] : listOf(value), (text, k) => idOf(text, `${field(r)}[${k}]`));
    offsets[r + 1] = offsets[r] + list.length;
    return list;
  });
  return { ids: Int32Array.from(ids), offsets };
}

function listOf(value: NonNullable<FeatureValue>): ArrayLike<string | number> {
  return typeof value === 'object' ? value : [value];
}

/** Numbers as the table has them: scaled by the moments that belong to the model. */
function scaled(
  { size, data, scaling }: DenseColumn,
  values: readonly FeatureValue[],
  others: number,
  field: (row: number) => string,
): FloatArray {
  const result = new Float32Array(values.length * size);
  values.forEach((value, r) => {
    if (value === null || value === undefined)
      return result.set(data.subarray(others * size, (others + 1) * size), r * size);
    const list = listOf(value);
    if (list.length !== size) throw invalid(field(r), `has ${list.length} numbers`, value, `${size} numbers`);
    const row = Float64Array.from(list as ArrayLike<number>, (x: unknown, c) => {
      if (typeof x === 'number' && Number.isFinite(Math.fround(x))) return x;
      throw invalid(
        size === 1 ? field(r) : `${field(r)}[${c}]`,
        typeof x === 'number' && Number.isFinite(x) ? 'a number that float32 cannot hold' : 'not a finite number',
        x,
        'a finite number',
      );
    });
    if (scaling?.normalized === true) normalizeRows(row, size);
    applyMoments(row, size, scaling?.moments, result.subarray(r * size, (r + 1) * size));
  });
  return result;
}
