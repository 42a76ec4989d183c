import { checkAnyTaskSet } from './check.js';
import { checkObject, checkOneOf, checkString, invalid } from '../foundation/check.js';
import type { BagColumn, CategoricalColumn, Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { groupRows } from '../foundation/group-rows.js';
import type { TaskKey } from './option-types.js';

export type { TaskKey };

/** Interactions by key: `order[offsets[k] … offsets[k + 1])` are the rows of key k, ascending; key 0 is no task. */
export interface Grouping {
  order: Int32Array;
  offsets: Int32Array;
  /** Text of each key. */
  names: readonly string[];
  /** The plural of what a key is, for messages. */
  plural: string;
}

export function checkKey(dataset: Dataset, by: unknown, field: string): asserts by is TaskKey {
  if (typeof by === 'object' && by !== null) {
    checkObject(by, field, ['column']);
    checkString(by['column'], `${field}.column`);
    keyColumn(dataset, by['column'], `${field}.column`);
  } else checkOneOf(by, field, ['user', 'item']);
}

/** The singular of what a key is, for messages. */
export function nameKey(by: TaskKey): string {
  return typeof by === 'string' ? by : `value of ${by.column}`;
}

/** @param rows the interactions to group. Default: all. */
export function groupByKey(dataset: Dataset, by: TaskKey, rows: Int32Array | undefined): Grouping {
  if (typeof by === 'string') {
    const table = by === 'user' ? dataset.users : dataset.items;
    return { ...groupRows(dataset[by], table.rows, rows), names: table.keys.values, plural: `${by}s` };
  }
  const { column, index } = keyColumn(dataset, by.column, 'by.column');
  const names = column.vocabulary.values;
  const plural = `values of ${by.column}`;
  if (column.kind === 'categorical') {
    const ids = index === undefined ? column.data : index.map((row) => column.data[row]);
    return { ...groupRows(ids, names.length, rows), names, plural };
  }
  return { ...groupEntries(dataset, column, index, rows), names, plural };
}

/** Groups rows by a bag as `groupRows` does by a key: each row stands once under each of its values. */
function groupEntries(
  dataset: Dataset,
  column: BagColumn,
  index: Int32Array | undefined,
  rows: Int32Array | undefined,
) {
  const keys = column.vocabulary.values.length;
  const size = rows === undefined ? dataset.size : rows.length;
  const last = new Int32Array(keys).fill(-1);
  const each = (visit: (key: number, row: number) => void) => {
    // A value that a bag holds twice counts once: `last` is the position where a key was seen last.
    last.fill(-1);
    for (let i = 0; i < size; i++) {
      const row = rows === undefined ? i : rows[i];
      const entity = index === undefined ? row : index[row];
      for (let k = column.offsets[entity]; k < column.offsets[entity + 1]; k++) {
        const key = column.data[k];
        if (last[key] === i) continue;
        last[key] = i;
        visit(key, row);
      }
    }
  };
  const offsets = new Int32Array(keys + 1);
  each((key) => offsets[key + 1]++);
  for (let k = 0; k < keys; k++) offsets[k + 1] += offsets[k];
  const next = offsets.slice(0, keys);
  const order = new Int32Array(offsets[keys]);
  each((key, row) => (order[next[key]++] = row));
  return { order, offsets };
}

/** A categorical or bag column by name, and the entity of each interaction in it (undefined: the interaction itself). */
export function keyColumn(
  dataset: Dataset,
  name: string,
  field: string,
): { column: CategoricalColumn | BagColumn; index: Int32Array | undefined } {
  const tables = [
    { table: dataset.users, index: dataset.user },
    { table: dataset.items, index: dataset.item },
    { table: dataset.context, index: undefined },
  ];
  for (const { table, index } of tables) {
    const column = table.columns.find((each) => each.name === name);
    if (column === undefined) continue;
    if (column.kind === 'categorical' || column.kind === 'bag') return { column, index };
    throw invalid(
      field,
      `is a ${column.kind} feature`,
      name,
      'a categorical or bag feature (map the column as one too)',
    );
  }
  const names = tables.flatMap(({ table }) =>
    table.columns.flatMap((column) => (column.kind === 'categorical' || column.kind === 'bag' ? [column.name] : [])),
  );
  throw new InnerloopError('MISSING_COLUMN', suggesting('no such feature', name, names), {
    field,
    value: name,
    expected: names.length === 0 ? 'a categorical or bag feature' : `one of ${names.join(', ')}`,
  });
}

/** A value for every task. */
export interface TaskGroups {
  /** Text of each group; `names[0]` is the empty string and stands for missing. */
  names: readonly string[];
  /** Group of each task. */
  group: Int32Array;
}

/**
 * The value of a categorical or bag column that most of a task's support and query rows have (of equally many, the first in
 * vocabulary order); group 0 if none has one. For a user's task and a user's feature it is the value of that user.
 *
 * ```ts
 * const { names, group } = taskGroups(tasks, 'gender');
 * ```
 *
 * @throws {InnerloopError} MISSING_COLUMN, INVALID_OPTION for a dense column
 */
export function taskGroups(tasks: TaskSet, column: string, field = 'column'): TaskGroups {
  checkString(field, 'field');
  checkString(column, field);
  checkAnyTaskSet(tasks, 'tasks');
  const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } = tasks;
  const { column: values, index } = keyColumn(dataset, column, field);
  const names = values.vocabulary.values;
  const counts = new Int32Array(names.length);
  const group = new Int32Array(tasks.size);
  for (let t = 0; t < tasks.size; t++) {
    counts.fill(0);
    const count = (rows: Int32Array, from: number, to: number) => {
      for (let i = from; i < to; i++) {
        const entity = index === undefined ? rows[i] : index[rows[i]];
        if (values.kind === 'categorical') counts[values.data[entity]]++;
        else for (let k = values.offsets[entity]; k < values.offsets[entity + 1]; k++) counts[values.data[k]]++;
      }
    };
    count(supportRows, supportOffsets[t], supportOffsets[t + 1]);
    count(queryRows, queryOffsets[t], queryOffsets[t + 1]);
    let best = 0;
    for (let id = 1; id < names.length; id++) if (counts[id] > (best === 0 ? 0 : counts[best])) best = id;
    group[t] = best;
  }
  return { names, group };
}
