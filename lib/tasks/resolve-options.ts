/** Options of tasks and splits checked against the data, with their defaults. */
import { checkInteger, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { isTyped } from '../foundation/typed-arrays.js';
import { checkKey } from './key.js';
import type { SplitOptions, TaskKey } from './option-types.js';
import { DEFAULT_SEED, resolveQuery, SPLIT_OPTIONS, SPLIT_TASK_OPTIONS, TASK_OPTIONS } from './options.js';

export interface ResolvedTaskOptions {
  by: TaskKey;
  min: number;
  max: number;
  query: number | { fraction: number } | 'each' | 'rest' | 'part';
  /** At most, and at least, so many support rows. */
  support: number;
  leastSupport: number;
  order: 'random' | 'time';
  seed: number;
  rows: Int32Array | undefined;
  /** 1 for the keys that become tasks. Default: all. */
  only?: Uint8Array;
}

/** Validates task options and fills in their defaults. */
export function resolveTaskOptions(
  dataset: Dataset,
  options: unknown,
  field: string,
  defaultSeed = DEFAULT_SEED,
): ResolvedTaskOptions {
  const resolved = resolveOptions(options, field, TASK_OPTIONS);
  const { by, min, max, shots, support, seed = defaultSeed, rows } = resolved;
  checkKey(dataset, by, `${field}.by`);
  if (max !== undefined) checkInteger(max, `${field}.max`, min);
  if (shots !== undefined && support !== undefined)
    throw invalid(`${field}.shots`, 'does not go with support', shots, 'one of them');
  const query = resolveQuery(resolved.query, `${field}.query`);
  const { order = query === 'last' ? 'time' : 'random' } = resolved;
  if (query === 'last' && order !== 'time')
    throw invalid(`${field}.order`, 'does not go with the last row by time', order, "'time'");
  if (order === 'time' && dataset.time === undefined) {
    throw invalid(
      query === 'last' ? `${field}.query.leaveOneOut` : `${field}.order`,
      'the dataset has no time',
      query === 'last' ? query : order,
      "order: 'random', or interactions.time mapped to a column",
    );
  }
  if (query === 'part' && dataset.part === undefined)
    throw invalid(`${field}.query`, 'the dataset has no parts', query, 'interactions.part mapped to a column');
  if (query === 'rest' && shots === undefined && support === undefined)
    throw invalid(`${field}.query`, 'is the rest of what no option says', query, `${field}.shots or ${field}.support`);
  return {
    by,
    min,
    max: max ?? Number.POSITIVE_INFINITY,
    query: query === 'last' ? 1 : query,
    support: shots ?? support ?? Number.POSITIVE_INFINITY,
    leastSupport: shots ?? 1,
    order,
    seed,
    rows: checkRows(dataset, rows, `${field}.rows`),
  };
}

/** A row that came twice could be support and query at once. */
function checkRows(dataset: Dataset, rows: unknown, field: string): Int32Array | undefined {
  if (rows === undefined) return undefined;
  if (!isTyped(rows, 'Int32Array'))
    throw invalid(field, 'not an Int32Array', rows, 'an Int32Array of interaction indices');
  const seen = new Uint8Array(dataset.size);
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k];
    if (row < 0 || row >= dataset.size) {
      throw invalid(`${field}[${k}]`, 'not an interaction', row, `an index from 0 to ${dataset.size - 1}`);
    }
    if (seen[row] === 1) throw invalid(`${field}[${k}]`, 'comes twice', row, 'each interaction once');
    seen[row] = 1;
  }
  return rows;
}

/** Validates split options; what depends on the data is checked where it is used. */
export function checkSplit(dataset: Dataset, options: unknown): asserts options is SplitOptions {
  checkObject(options, 'split', [
    'protocol',
    ...new Set(Object.values(SPLIT_OPTIONS).flatMap((table) => Object.keys(table))),
  ]);
  const { protocol, ...rest } = options;
  checkOneOf(protocol, 'split.protocol', Object.keys(SPLIT_OPTIONS) as (keyof typeof SPLIT_OPTIONS)[]);
  checkObject(options, 'split', ['protocol', ...Object.keys(SPLIT_OPTIONS[protocol])]);
  resolveTaskOptions(dataset, checkedTasks(options['tasks']), 'split.tasks');
  resolveOptions(rest, 'split', SPLIT_OPTIONS[protocol] as OptionTable);
  if (protocol !== 'partitions') {
    const { validation, test, tasks } = options as unknown as Exclude<SplitOptions, { protocol: 'partitions' }>;
    if (Number(validation ?? 0) + Number(test ?? 0) >= 1) {
      throw invalid(
        'split',
        `validation and test leave no ${protocol === 'users' || protocol === 'parts' ? 'user' : protocol === 'time' ? 'row' : 'task'} to train on`,
        Number(validation ?? 0) + Number(test ?? 0),
        'fractions that sum to less than 1',
      );
    }
    if (protocol === 'users' && tasks.by === 'item')
      throw invalid('split.tasks.by', 'does not go with protocol users', 'item', "by: 'user', or protocol: 'tasks'");
    if (protocol === 'parts' && dataset.part === undefined)
      throw invalid('split.protocol', 'the dataset has no parts', protocol, 'interactions.part mapped to a column');
    if (protocol === 'time' && dataset.time === undefined)
      throw invalid('split.protocol', 'the dataset has no time', protocol, 'interactions.time mapped to a column');
  }
}

/** Tasks of a split have no rows of their own. */
function checkedTasks(tasks: unknown): object {
  checkObject(tasks, 'split.tasks', Object.keys(SPLIT_TASK_OPTIONS));
  return tasks;
}

export function emptyError(field: string, what: string, expected: string): InnerloopError {
  return new InnerloopError('EMPTY_DATA', what, { field, expected });
}
