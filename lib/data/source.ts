import { checkObject, checkOneOf, checkString, invalid } from '../foundation/check.js';
import { resolveFeatures } from './feature-spec.js';
import type { FeatureSpec } from './feature-spec.js';
import { checkFrom } from './table-source.js';
import type { TableSource } from './table-source.js';

export type { FeatureSpec, IdSource } from './feature-spec.js';
export type { TableSource } from './table-source.js';

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

/** A table of users or items, or none: then all features are files with `ids`, and the ids of the files are the table. */
export type EntitySource =
  | (TableSource & {
      /** Column that holds the user or item id, read as text. */
      id: string;
      features: FeatureSpec[];
    })
  | { from?: undefined; sql?: undefined; id?: undefined; features: FeatureSpec[] };

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

const RULE_KEYS = ['duplicates', 'missingLabel'] as const;

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
  const resolved = resolveFeatures(interactions['features'], 'interactions.features', 'interactions');
  checkString(interactions['user'], 'interactions.user');
  checkString(interactions['item'], 'interactions.item');
  checkString(interactions['label'], 'interactions.label');
  if (interactions['time'] !== undefined) checkString(interactions['time'], 'interactions.time');
  const sequence = resolved.find(({ kind }) => kind === 'sequence');
  if (sequence !== undefined && interactions['time'] === undefined) {
    throw invalid(
      sequence.field,
      'a history needs the time of the interactions',
      undefined,
      'interactions.time: a column',
    );
  }
  for (const [name, table] of [
    ['users', users],
    ['items', items],
  ] as const) {
    if (table === undefined) continue;
    checkObject(table, name, ['from', 'sql', 'id', 'features']);
    if (table['features'] === undefined)
      throw invalid(`${name}.features`, 'missing', undefined, 'an array of features');
    const features = resolveFeatures(table['features'], `${name}.features`, name);
    if (features.length > 0 && table['from'] === undefined && table['sql'] === undefined && table['id'] === undefined) {
      const other = features.find(({ ids }) => ids === undefined);
      if (other !== undefined)
        throw invalid(
          other.field,
          `needs a table of ${name}`,
          other.name,
          `${name}.from or ${name}.sql, or a file with ids`,
        );
      continue;
    }
    checkTable(table, name, ['id', 'features']);
    checkString(table['id'], `${name}.id`);
  }
}

function checkTable(table: unknown, field: string, keys: string[]): asserts table is Record<string, unknown> {
  checkObject(table, field, ['from', 'sql', ...keys]);
  checkFrom(table, field);
}
