import { checkArray, checkBoolean, checkInteger, checkObject, checkOneOf, checkString, invalid } from '../check.js';

/**
 * Where a table comes from.
 *
 * - `from`: a path or glob (`*`, `?`, `[…]`, `**`) of `.csv`, `.tsv`, `.parquet`, `.json`, `.ndjson` or `.jsonl` files,
 *   the text ones also as `.gz`. CSV and TSV files have a header line. The files of a glob are read in path order.
 * - `sql`: a SELECT that DuckDB can run, on one thread, so that its row order is the same in every run.
 */
export type TableSource = { from: string; sql?: undefined } | { sql: string; from?: undefined };

/** One feature of a user, an item or an interaction. */
export interface FeatureSpec {
  /** The feature's name in the dataset. */
  name: string;
  /**
   * `categorical`: one text (numbers are read as text), 0 = missing or rarer than `minCount`.
   * `bag`: a list of texts: a list column, or text split at `separator`.
   * `dense`: a number, or a list column of `size` numbers.
   */
  kind: 'categorical' | 'bag' | 'dense';
  /** Column of the table. Default: `name`. */
  column?: string;
  /** SQL expression over the table's columns, in place of `column`. Mapped id, categorical and bag columns are text. */
  sql?: string;
  /** Between the entries of a bag held in text; white space around entries is dropped. Default `|`. */
  separator?: string;
  /** Texts that occur fewer times in the table become category 0. Default 1. */
  minCount?: number;
  /** Dense: shift and scale to mean 0 and variance 1 over the values present. Default true. */
  standardize?: boolean;
  /** Dense lists: numbers per row. Default: the length of the first list. */
  size?: number;
}

export type InteractionSource = TableSource & {
  /** Column that holds the user id, read as text. */
  user: string;
  /** Column that holds the item id, read as text. */
  item: string;
  /** Column that holds the rating, or 0/1, or any number. */
  label: string;
  /** Column that holds a number, a TIMESTAMP or a DATE; the last two become Unix seconds. */
  time?: string;
  /** Features of the interaction itself: `dataset.context`. */
  features?: FeatureSpec[];
};

export type EntitySource = TableSource & {
  /** Column that holds the user or item id, read as text. */
  id: string;
  features: FeatureSpec[];
};

/** Which of several interactions of one user with one item is kept. */
export type DuplicateRule = 'last' | 'first' | 'mean' | 'error';

export interface DataRules {
  /**
   * One user and one item more than once: keep the `last` or `first` (by time if mapped, ties and else by file order),
   * keep the last with the `mean` of the labels, or `error`. Default `last`.
   */
  duplicates?: DuplicateRule;
  /** A row without a label: `error`, or `drop` it. Default `error`. */
  missingLabel?: 'error' | 'drop';
}

/** What {@link openDataset} reads. */
export interface DataSource extends DataRules {
  interactions: InteractionSource;
  users?: EntitySource;
  items?: EntitySource;
}

export const DEFAULT_DUPLICATES: DuplicateRule = 'last';
export const DEFAULT_SEPARATOR = '|';

/** A feature with its defaults filled in. */
export interface ResolvedFeature {
  name: string;
  kind: FeatureSpec['kind'];
  column: string;
  sql: string | undefined;
  separator: string;
  minCount: number;
  standardize: boolean;
  size: number | undefined;
  /** Path of the option, for messages. */
  field: string;
}

const RULE_KEYS = ['duplicates', 'missingLabel'] as const;
const FEATURE_KEYS = ['name', 'kind', 'column', 'sql', 'separator', 'minCount', 'standardize', 'size'] as const;

export function checkRules(rules: Record<string, unknown>, field: string): void {
  if (rules['duplicates'] !== undefined) {
    checkOneOf(rules['duplicates'], `${field}duplicates`, ['last', 'first', 'mean', 'error']);
  }
  if (rules['missingLabel'] !== undefined) checkOneOf(rules['missingLabel'], `${field}missingLabel`, ['error', 'drop']);
}

export function checkSource(source: unknown): asserts source is DataSource {
  checkObject(source, 'source', ['interactions', 'users', 'items', ...RULE_KEYS]);
  checkRules(source, '');
  const { interactions, users, items } = source;
  if (interactions === undefined) throw invalid('interactions', 'missing', interactions, 'a table source');
  checkTable(interactions, 'interactions', ['user', 'item', 'label', 'time', 'features']);
  checkString(interactions['user'], 'interactions.user');
  checkString(interactions['item'], 'interactions.item');
  checkString(interactions['label'], 'interactions.label');
  if (interactions['time'] !== undefined) checkString(interactions['time'], 'interactions.time');
  for (const [name, table] of [
    ['users', users],
    ['items', items],
  ] as const) {
    if (table === undefined) continue;
    checkTable(table, name, ['id', 'features']);
    checkString(table['id'], `${name}.id`);
    if (table['features'] === undefined)
      throw invalid(`${name}.features`, 'missing', undefined, 'an array of features');
  }
}

function checkTable(table: unknown, field: string, keys: string[]): asserts table is Record<string, unknown> {
  checkObject(table, field, ['from', 'sql', ...keys]);
  if ((table['from'] === undefined) === (table['sql'] === undefined)) {
    throw invalid(field, 'needs exactly one of from and sql', table, '{ from: path } or { sql: SELECT }');
  }
  checkString(table['from'] ?? table['sql'], table['from'] === undefined ? `${field}.sql` : `${field}.from`);
  if (table['features'] !== undefined) resolveFeatures(table['features'], `${field}.features`);
}

/** Validates feature specifications and fills in their defaults. */
export function resolveFeatures(features: unknown, field: string): ResolvedFeature[] {
  if (features === undefined) return [];
  checkArray(features, field, 'features');
  const seen = new Set<string>();
  return features.map((feature: unknown, i) => {
    const path = `${field}[${i}]`;
    checkObject(feature, path, FEATURE_KEYS);
    const { name, kind, column, sql, separator, minCount, standardize, size } = feature;
    checkString(name, `${path}.name`);
    if (seen.has(name)) throw invalid(`${path}.name`, 'used twice', name, 'a name of its own for each feature');
    seen.add(name);
    checkOneOf(kind, `${path}.kind`, ['categorical', 'bag', 'dense']);
    if (column !== undefined) checkString(column, `${path}.column`);
    if (sql !== undefined) checkString(sql, `${path}.sql`);
    if (column !== undefined && sql !== undefined) {
      throw invalid(path, 'has both column and sql', feature, 'at most one of them');
    }
    if (separator !== undefined) checkString(separator, `${path}.separator`);
    if (minCount !== undefined) checkInteger(minCount, `${path}.minCount`, 1);
    if (standardize !== undefined) checkBoolean(standardize, `${path}.standardize`);
    if (size !== undefined) checkInteger(size, `${path}.size`, 1, 65536);
    for (const [key, kinds] of [
      ['separator', ['bag']],
      ['minCount', ['categorical', 'bag']],
      ['standardize', ['dense']],
      ['size', ['dense']],
    ] as const) {
      if (feature[key] !== undefined && !kinds.some((other) => other === kind)) {
        throw invalid(
          `${path}.${key}`,
          `does not apply to a ${kind} feature`,
          feature[key],
          `kind ${kinds.join(' or ')}`,
        );
      }
    }
    return {
      name,
      kind,
      column: column ?? name,
      sql,
      separator: separator ?? DEFAULT_SEPARATOR,
      minCount: minCount ?? 1,
      standardize: standardize ?? true,
      size,
      field: path,
    };
  });
}
