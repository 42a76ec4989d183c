import { checkAnyTaskSet } from './check.js';
import { checkArray, checkInteger, invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import { NESTED_OPTIONS } from './options.js';
import type { NestedOptions } from './option-types.js';
import { emptyError } from './resolve-options.js';
import { TaskSetBuilder } from './task-set-builder.js';

/**
 * The same tasks at several support sizes, for a curve over the number of shots: the support of a smaller size is part of
 * that of a larger one, and the query rows are the same. Only tasks with at least as many support rows as the largest size
 * are in, so that every point of the curve is about the same tasks.
 *
 * ```ts
 * const [one, three, ten] = nestedSupport(tasks, [1, 3, 10]);
 * ```
 *
 * @param sizes support rows per task, ascending; 0 is a task without support
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; EMPTY_DATA if no task has that many support rows
 */
export function nestedSupport(tasks: TaskSet, sizes: readonly number[], options: NestedOptions = {}): TaskSet[] {
  checkAnyTaskSet(tasks, 'tasks');
  checkArray(sizes, 'sizes', 'support sizes');
  const { order, seed } = resolveOptions(options, 'nested', NESTED_OPTIONS);
  sizes.forEach((size: unknown, k) => {
    checkInteger(size, `sizes[${k}]`, 0);
    if (k > 0 && size <= sizes[k - 1]) throw invalid(`sizes[${k}]`, 'not ascending', size, `more than ${sizes[k - 1]}`);
  });
  if (sizes.length === 0) throw invalid('sizes', 'empty', sizes, 'at least one size');
  const largest = sizes[sizes.length - 1];
  const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } = tasks;
  const builders = sizes.map(() => new TaskSetBuilder());
  let kept = 0;
  for (let t = 0; t < tasks.size; t++) {
    const rows = supportRows.slice(supportOffsets[t], supportOffsets[t + 1]);
    if (rows.length < largest) continue;
    kept++;
    if (order === 'random') random(seed, 'tasks.nested', t).shuffle(rows);
    const query = queryRows.subarray(queryOffsets[t], queryOffsets[t + 1]);
    sizes.forEach((size, k) => {
      const support = order === 'last' ? rows.slice(rows.length - size) : rows.slice(0, size);
      builders[k].add(tasks.keys[t], tasks.users[t], order === 'random' ? support.sort() : support, query);
    });
  }
  if (kept === 0)
    throw emptyError('sizes', 'no task has so many support rows', `tasks with ${largest} support rows or more`);
  return builders.map((builder) => builder.build(dataset));
}
