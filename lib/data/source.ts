import { checkObject, checkString, invalid } from '../foundation/check.js';
import { checkFields } from '../foundation/options.js';
import { resolveFeatures } from './feature-spec.js';
import type { FeatureSpec } from './feature-spec.js';
import { checkFrom, TABLE_KEYS } from './table-source.js';
import type { TableSource } from './table-source.js';
import { COLUMN_OPTIONS, RULE_OPTIONS } from './source-options.js';
import type { DataRules, DuplicateRule, InteractionColumns, LabelSource } from './source-option-types.js';

export type { DataRules, DuplicateRule, LabelSource };
export type { FeatureSpec, IdSource } from './feature-spec.js';
export type { FileFormat, FileOptions, TableSource, ValueOptions } from './table-source.js';

/** Where interactions come from and which columns hold what. */
export type InteractionSource = TableSource &
  InteractionColumns & {
    /** Features of the interaction itself: `dataset.context`. */
    features?: FeatureSpec[];
  };

/** The features of users or items: a table, or, without one, files that each have `ids`, whose ids then make up the table. */
export type EntitySource =
  | (TableSource & {
      /** Column that holds the user or item id, read as text. */
      id: string;
      features: FeatureSpec[];
    })
  | { from?: undefined; sql?: undefined; id?: undefined; features: FeatureSpec[] };

/** What {@link openDataset} reads. */
export interface DataSource extends DataRules {
  /** The table of interactions. */
  interactions: InteractionSource;
  /** A table of users' features. */
  users?: EntitySource;
  /** A table of items' features. */
  items?: EntitySource;
}

export const DEFAULT_DUPLICATES: DuplicateRule = 'last';

export const RULE_KEYS = Object.keys(RULE_OPTIONS) as readonly (keyof DataRules)[];

export function checkRules(rules: Record<string, unknown>, field: string): void {
  checkFields(rules, field, RULE_OPTIONS);
}

/** The column of a label and how it is read. */
export function labelSource(label: string | LabelSource): LabelSource {
  return typeof label === 'string' ? { column: label } : label;
}

export function checkSource(source: unknown): asserts source is DataSource {
  checkObject(source, 'source', ['interactions', 'users', 'items', ...RULE_KEYS]);
  checkRules(source, '');
  const { interactions, users, items } = source;
  if (interactions === undefined) throw invalid('interactions', 'missing', interactions, 'a table source');
  checkTable(interactions, 'interactions', [...Object.keys(COLUMN_OPTIONS), 'features']);
  const resolved = resolveFeatures(interactions['features'], 'interactions.features', 'interactions');
  checkFields(interactions, 'interactions.', COLUMN_OPTIONS);
  if (source['unseenItems'] === 'drop' && interactions['part'] === undefined)
    throw invalid('unseenItems', 'no column says which rows are for training', 'drop', 'interactions.part: a column');
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
    checkObject(table, name, [...TABLE_KEYS, 'id', 'features']);
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
  checkObject(table, field, [...TABLE_KEYS, ...keys]);
  checkFrom(table, field);
}
