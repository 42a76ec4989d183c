import { checkInteger, checkNumber, checkObject, checkOneOf, checkString, invalid } from '../foundation/check.js';
import { resolveFeatures } from './feature-spec.js';
import type { FeatureSpec } from './feature-spec.js';
import { checkFrom, TABLE_KEYS } from './table-source.js';
import type { TableSource } from './table-source.js';

export type { FeatureSpec, IdSource } from './feature-spec.js';
export type { FileFormat, FileOptions, TableSource, ValueOptions } from './table-source.js';

/** Where interactions come from and which columns hold what. */
export type InteractionSource = TableSource & {
  /** Column that holds the user id, read as text. */
  user: string;
  /** Column that holds the item id, read as text. */
  item: string;
  /**
   * Column that holds the rating, or 0/1, or any number; true and false become 1 and 0. An object also says how texts become
   * numbers. If left out, every interaction is a positive one with label 1, as for purchases, clicks and plays.
   */
  label?: string | LabelSource;
  /** Column that holds the time: a number, a TIMESTAMP or a DATE; the last two become Unix seconds. */
  time?: string;
  /** Column that holds how often the interaction took place: `dataset.count`. Default: once. */
  count?: string;
  /** Column that holds the weight ≥ 0 of the interaction in losses: `dataset.weight`. */
  weight?: string;
  /** Column that names the part of a prescribed split that a row is in, such as `train` or `test`: `dataset.part`. */
  part?: string;
  /** Features of the interaction itself: `dataset.context`. */
  features?: FeatureSpec[];
};

/** A column of labels in text, and how it becomes numbers. */
export interface LabelSource {
  /** The column that holds the labels. */
  column: string;
  /** The number that each text stands for, such as `{ yes: 1, no: 0 }`, without regard to case. Other texts are read as numbers. */
  values?: Record<string, number>;
  /** Text before or after the number, such as `stars` or `%`; blanks around it are trimmed. */
  unit?: string | string[];
  /** The decimal mark. Default: the table's `decimal`, which is `.` by default. */
  decimal?: '.' | ',';
  /** What separates groups of three digits, such as `,`. Default: nothing. */
  thousands?: string;
}

/** The features of users or items: a table, or, without one, files that each have `ids`, whose ids then make up the table. */
export type EntitySource =
  | (TableSource & {
      /** Column that holds the user or item id, read as text. */
      id: string;
      features: FeatureSpec[];
    })
  | { from?: undefined; sql?: undefined; id?: undefined; features: FeatureSpec[] };

/** Which of several interactions of the same user and item is kept; see {@link DataRules}. */
export type DuplicateRule = 'last' | 'first' | 'mean' | 'sum' | 'error';

/** How rows with missing values, repeated rows, and rare users and items are treated. */
export interface DataRules {
  /**
   * What to do if a user and an item occur together more than once. `last` and `first` keep the last or first row, by time if a
   * time is mapped, and by file order otherwise and at equal times; `mean` keeps the last row with the mean of the labels; `sum`
   * keeps it with the sums of labels, counts and weights (without a label column, of counts and weights only); `error` throws.
   * Default: `last`; without a label column `sum`.
   */
  duplicates?: DuplicateRule;
  /** What to do with a row without a label: throw an `error`, or `drop` the row. Default `error`. */
  missingLabel?: 'error' | 'drop';
  /** What to do with a row without a user or item: throw an `error`, or `drop` the row. Default `error`. */
  missingId?: 'error' | 'drop';
  /** What to do with a row without a time, if a time is mapped: throw an `error`, or `drop` the row. Default `error`. */
  missingTime?: 'error' | 'drop';
  /**
   * Keep only users and items that have at least this many interactions with the users and items kept (the k-core). It applies
   * after all other rules. Default: all are kept.
   */
  kCore?: number | { user?: number; item?: number };
  /**
   * With `part`: whether to `keep` or `drop` rows outside the training part whose item does not occur in the training part.
   * Default `keep`.
   */
  unseenItems?: 'keep' | 'drop';
}

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

export const RULE_KEYS = ['duplicates', 'missingLabel', 'missingId', 'missingTime', 'kCore', 'unseenItems'] as const;

export function checkRules(rules: Record<string, unknown>, field: string): void {
  if (rules['duplicates'] !== undefined) {
    checkOneOf(rules['duplicates'], `${field}duplicates`, ['last', 'first', 'mean', 'sum', 'error']);
  }
  for (const name of ['missingLabel', 'missingId', 'missingTime'] as const)
    if (rules[name] !== undefined) checkOneOf(rules[name], `${field}${name}`, ['error', 'drop']);
  if (rules['unseenItems'] !== undefined) checkOneOf(rules['unseenItems'], `${field}unseenItems`, ['keep', 'drop']);
  const { kCore } = rules;
  if (typeof kCore === 'number') checkInteger(kCore, `${field}kCore`, 1);
  else if (kCore !== undefined) {
    checkObject(kCore, `${field}kCore`, ['user', 'item']);
    for (const side of ['user', 'item'] as const)
      if (kCore[side] !== undefined) checkInteger(kCore[side], `${field}kCore.${side}`, 1);
  }
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
  const columns = ['time', 'count', 'weight', 'part'] as const;
  checkTable(interactions, 'interactions', ['user', 'item', 'label', ...columns, 'features']);
  const resolved = resolveFeatures(interactions['features'], 'interactions.features', 'interactions');
  checkString(interactions['user'], 'interactions.user');
  checkString(interactions['item'], 'interactions.item');
  checkLabel(interactions['label'], 'interactions.label');
  for (const name of columns)
    if (interactions[name] !== undefined) checkString(interactions[name], `interactions.${name}`);
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

function checkLabel(label: unknown, field: string): void {
  if (label === undefined) return;
  if (typeof label !== 'object' || label === null) return checkString(label, field);
  checkObject(label, field, ['column', 'values', 'unit', 'decimal', 'thousands']);
  const { values, decimal } = label;
  checkString(label['column'], `${field}.column`);
  if (label['thousands'] !== undefined) checkString(label['thousands'], `${field}.thousands`);
  for (const unit of [label['unit'] ?? []].flat()) checkString(unit, `${field}.unit`);
  if (decimal !== undefined) checkOneOf(decimal, `${field}.decimal`, ['.', ',']);
  if (label['thousands'] !== undefined && label['thousands'] === (decimal ?? '.'))
    throw invalid(`${field}.thousands`, 'the decimal mark too', label['thousands'], 'another mark than decimal');
  if (values === undefined) return;
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw invalid(`${field}.values`, 'not an object', values, 'a number for each text');
  for (const [text, value] of Object.entries(values)) checkNumber(value, `${field}.values.${text}`);
}

function checkTable(table: unknown, field: string, keys: string[]): asserts table is Record<string, unknown> {
  checkObject(table, field, [...TABLE_KEYS, ...keys]);
  checkFrom(table, field);
}
