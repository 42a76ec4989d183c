import {
  checkArray,
  checkBoolean,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  invalid,
} from '../foundation/check.js';
import { checkFrom, TABLE_KEYS } from './table-source.js';
import type { TableSource } from './table-source.js';

/** One feature of a user, an item or an interaction. */
export interface FeatureSpec {
  /** The feature's name in the dataset. */
  name: string;
  /**
   * `categorical`: one text (numbers are read as text), 0 = missing or rarer than `minCount`.
   * `bag`: a list of texts: a list column, or text split at `separator`.
   * `dense`: a number, a list column of `size` numbers, or the rows of a matrix in a file.
   * `sequence`: for interactions only: the user's earlier items, oldest first (see `withHistory`).
   */
  kind: 'categorical' | 'bag' | 'dense' | 'sequence';
  /** Column of the table. Default: `name`. */
  column?: string;
  /** SQL expression over the table's columns, in place of `column`. Mapped id, categorical and bag columns are text. */
  sql?: string;
  /**
   * What separates the entries of a bag that is written as text; white space around entries is trimmed. Lists in brackets, as JSON
   * and Python write them, are read as lists. Default `|`.
   */
  separator?: string;
  /** Texts that occur fewer times in the table become category 0. Default 1. */
  minCount?: number;
  /** Dense: shift and scale to mean 0 and variance 1 over the values present. Default: true, without `normalize`. */
  standardize?: boolean;
  /** Dense: first scale every row to length 1. Default false. */
  normalize?: boolean;
  /**
   * Dense: add a second column, `<name>.present`, 1 where the feature has a value and 0 where it is missing, so that a model can
   * tell a missing value from the mean. Default false.
   */
  present?: boolean;
  /** Dense lists: numbers per row. Default: the length of the first list. */
  size?: number;
  /** Dense: a matrix [rows, size] in a `.npy` or `.safetensors` file, in place of `column` and `sql`. */
  file?: string;
  /** The name of the tensor in a `.safetensors` file. Default: its only two-dimensional tensor. */
  tensor?: string;
  /** The id that each row of `file` belongs to. Default: row r belongs to row r of the table. */
  ids?: IdSource;
  /** Sequences: all items strictly before the interaction, or those of the task's support set. Default `before`. */
  of?: 'before' | 'support';
  /** Sequences: keep at most this many items, the most recent ones. Default 20. */
  maxLength?: number;
  /** Sequences: leave out interactions with a smaller label. Default: none are left out. */
  minLabel?: number;
}

/**
 * One id for each row of a matrix: a file (`.txt`: one id on each line; `.json`: a list of texts or numbers; `.npy`: integers), a
 * column of a table, or another tensor of the same `.safetensors` file.
 */
export type IdSource = string | (TableSource & { column: string }) | { tensor: string };

export const DEFAULT_SEPARATOR = '|';
export const DEFAULT_MAX_LENGTH = 20;

/** A feature with its defaults filled in. */
export interface ResolvedFeature extends DenseOptions {
  name: string;
  kind: FeatureSpec['kind'];
  column: string;
  sql: string | undefined;
  /** Undefined if the option was left out. */
  separator: string | undefined;
  minCount: number;
  size: number | undefined;
  file: string | undefined;
  tensor: string | undefined;
  ids: IdSource | undefined;
  of: 'before' | 'support';
  maxLength: number;
  minLabel: number | undefined;
  /** Path of the option, for error messages. */
  field: string;
}

/** The options of a dense feature with their defaults filled in; see {@link FeatureSpec}. */
export interface DenseOptions {
  standardize: boolean;
  normalize: boolean;
  present: boolean;
}

/** The options that each kind of feature accepts. */
const DENSE_KEYS = ['standardize', 'normalize', 'present', 'size', 'file', 'tensor', 'ids'] as const;
const KEYS = {
  categorical: ['column', 'sql', 'minCount'],
  bag: ['column', 'sql', 'minCount', 'separator'],
  dense: ['column', 'sql', ...DENSE_KEYS],
  sequence: ['of', 'maxLength', 'minLabel'],
} as const satisfies Record<FeatureSpec['kind'], readonly (keyof FeatureSpec)[]>;
const KINDS = Object.keys(KEYS) as FeatureSpec['kind'][];
const ALL_KEYS = ['name', 'kind', ...new Set(KINDS.flatMap((kind) => KEYS[kind] as readonly string[]))];

/** Validates feature specifications and fills in their defaults. */
export function resolveFeatures(
  features: unknown,
  field: string,
  side: 'users' | 'items' | 'interactions',
): ResolvedFeature[] {
  if (features === undefined) return [];
  checkArray(features, field, 'features');
  const seen = new Set<string>();
  return features.map((feature: unknown, i) => {
    const resolved = resolveFeature(feature, `${field}[${i}]`, side);
    for (const name of resolved.present ? [resolved.name, presentName(resolved.name)] : [resolved.name]) {
      if (seen.has(name))
        throw invalid(`${resolved.field}.name`, 'used twice', name, 'a name of its own for each feature');
      seen.add(name);
    }
    return resolved;
  });
}

function resolveFeature(feature: unknown, path: string, side: string): ResolvedFeature {
  checkObject(feature, path, ALL_KEYS);
  const {
    name,
    kind,
    column,
    sql,
    separator,
    minCount,
    size,
    file,
    tensor,
    ids,
    of = 'before',
    maxLength,
    minLabel,
  } = feature;
  checkString(name, `${path}.name`);
  checkOneOf(kind, `${path}.kind`, KINDS);
  for (const key of Object.keys(feature)) {
    const kinds = KINDS.filter((other) => (KEYS[other] as readonly string[]).includes(key));
    if (feature[key] === undefined || kinds.length === 0 || kinds.includes(kind)) continue;
    throw invalid(`${path}.${key}`, `does not apply to a ${kind} feature`, feature[key], `kind ${kinds.join(' or ')}`);
  }
  if (kind === 'sequence' && side !== 'interactions')
    throw invalid(`${path}.kind`, `${side} have no history`, kind, 'a feature of the interactions');
  for (const [key, value] of Object.entries({ column, sql, separator, file, tensor }))
    if (value !== undefined) checkString(value, `${path}.${key}`);
  if ([column, sql, file].filter((value) => value !== undefined).length > 1) {
    throw invalid(
      path,
      `has both ${column === undefined ? 'sql' : 'column'} and ${file === undefined ? 'sql' : 'file'}`,
      feature,
      'at most one of column, sql and file',
    );
  }
  if (minCount !== undefined) checkInteger(minCount, `${path}.minCount`, 1);
  if (size !== undefined) checkInteger(size, `${path}.size`, 1, 65536);
  checkOneOf(of, `${path}.of`, ['before', 'support']);
  if (maxLength !== undefined) checkInteger(maxLength, `${path}.maxLength`, 1, 65536);
  if (minLabel !== undefined) checkNumber(minLabel, `${path}.minLabel`);
  checkFile(feature, path, side);
  return {
    name,
    kind,
    column: (column as string | undefined) ?? name,
    sql: sql as string | undefined,
    separator: separator as string | undefined,
    minCount: minCount ?? 1,
    size,
    file: file as string | undefined,
    tensor: tensor as string | undefined,
    ids: ids as IdSource | undefined,
    of,
    maxLength: maxLength ?? DEFAULT_MAX_LENGTH,
    minLabel,
    field: path,
    ...denseOptions(feature, path),
  };
}

/** Checks the options of a dense feature that do not depend on where its numbers come from, and fills in their defaults. */
export function denseOptions({ standardize, normalize, present }: Record<string, unknown>, path: string): DenseOptions {
  if (standardize !== undefined) checkBoolean(standardize, `${path}.standardize`);
  if (normalize !== undefined) checkBoolean(normalize, `${path}.normalize`);
  if (present !== undefined) checkBoolean(present, `${path}.present`);
  return { standardize: standardize ?? normalize !== true, normalize: normalize ?? false, present: present ?? false };
}

/** The name of the column that says where a dense feature has a value. */
export function presentName(name: string): string {
  return `${name}.present`;
}

function checkFile({ file, tensor, ids }: Record<string, unknown>, path: string, side: string): void {
  if (file === undefined) {
    for (const [key, value] of Object.entries({ tensor, ids })) {
      if (value !== undefined)
        throw invalid(`${path}.${key}`, 'has no effect without a file', value, 'file: a .npy or .safetensors file');
    }
    return;
  }
  const kind = /\.(npy|safetensors)$/i.exec(file as string)?.[1]?.toLowerCase();
  if (kind === undefined)
    throw invalid(`${path}.file`, 'not a kind of matrix file', file, 'a name that ends in .npy or .safetensors');
  const inTensors = (value: unknown, key: string) => {
    checkString(value, `${path}.${key}`);
    if (kind === 'npy')
      throw invalid(`${path}.${key}`, 'a .npy file holds one array', value, 'file: a .safetensors file');
  };
  if (tensor !== undefined) inTensors(tensor, 'tensor');
  if (ids === undefined) return;
  if (side === 'interactions')
    throw invalid(`${path}.ids`, 'interactions have no ids', ids, 'one row for each interaction, in their order');
  if (typeof ids === 'object' && ids !== null && 'tensor' in ids) {
    checkObject(ids, `${path}.ids`, ['tensor']);
    inTensors(ids['tensor'], 'ids.tensor');
  } else if (typeof ids === 'object') {
    checkObject(ids, `${path}.ids`, [...TABLE_KEYS, 'column']);
    checkFrom(ids, `${path}.ids`);
    checkString(ids['column'], `${path}.ids.column`);
  } else {
    checkString(ids, `${path}.ids`);
    if (!/\.(txt|json|npy)$/i.test(ids)) {
      throw invalid(
        `${path}.ids`,
        'not a kind of list',
        ids,
        'a .txt, .json or .npy file, or { from, column } for a column of a table',
      );
    }
  }
}
