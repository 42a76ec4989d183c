import { checkArray, checkBoolean, checkObject, checkOneOf, checkString, invalid } from '../foundation/check.js';
import { checkFields } from '../foundation/options.js';
import { checkFrom, TABLE_KEYS } from './table-source.js';
import type { TableSource } from './table-source.js';
import { FEATURE_OPTIONS } from './source-options.js';
import type { FeatureSpec } from './source-option-types.js';

export type { FeatureSpec };

/**
 * One id for each row of a matrix: a file (`.txt`: one id on each line; `.json`: a list of texts or numbers; `.npy`: integers), a
 * column of a table, or another tensor of the same `.safetensors` file.
 */
export type IdSource = string | (TableSource & { column: string }) | { tensor: string };

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
  checkObject(feature, path, Object.keys(FEATURE_OPTIONS));
  const { name, kind } = feature;
  checkString(name, `${path}.name`);
  checkOneOf(kind, `${path}.kind`, KINDS);
  for (const key of Object.keys(feature)) {
    const kinds = KINDS.filter((other) => (KEYS[other] as readonly string[]).includes(key));
    if (feature[key] === undefined || kinds.length === 0 || kinds.includes(kind)) continue;
    throw invalid(`${path}.${key}`, `does not apply to a ${kind} feature`, feature[key], `kind ${kinds.join(' or ')}`);
  }
  if (kind === 'sequence' && side !== 'interactions')
    throw invalid(`${path}.kind`, `${side} have no history`, kind, 'a feature of the interactions');
  checkFields(feature, `${path}.`, FEATURE_OPTIONS);
  const { column, sql, file, minCount = FEATURE_OPTIONS.minCount.default, ...rest } = feature as unknown as FeatureSpec;
  if ([column, sql, file].filter((value) => value !== undefined).length > 1) {
    throw invalid(
      path,
      `has both ${column === undefined ? 'sql' : 'column'} and ${file === undefined ? 'sql' : 'file'}`,
      feature,
      'at most one of column, sql and file',
    );
  }
  checkFile(feature, path, side);
  return {
    name,
    kind,
    column: column ?? name,
    sql,
    separator: rest.separator,
    minCount,
    size: rest.size,
    file,
    tensor: rest.tensor,
    ids: rest.ids,
    of: rest.of ?? FEATURE_OPTIONS.of.default,
    maxLength: rest.maxLength ?? FEATURE_OPTIONS.maxLength.default,
    minLabel: rest.minLabel,
    field: path,
    ...denseOptions(feature, path),
  };
}

/** Checks the options of a dense feature that do not depend on where its numbers come from, and fills in their defaults. */
export function denseOptions({ standardize, normalize, present }: Record<string, unknown>, path: string): DenseOptions {
  for (const [name, value] of Object.entries({ standardize, normalize, present }))
    if (value !== undefined) checkBoolean(value, `${path}.${name}`);
  return {
    standardize: (standardize as boolean | undefined) ?? normalize !== true,
    normalize: (normalize as boolean | undefined) ?? FEATURE_OPTIONS.normalize.default,
    present: (present as boolean | undefined) ?? FEATURE_OPTIONS.present.default,
  };
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
