import { checkNotAborted } from '../foundation/abort.js';
import { checkAnyTaskSet } from '../tasks/check.js';
import { checkTyped, isTyped } from '../foundation/typed-arrays.js';
import { checkArray, invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { topK } from '../foundation/top-k.js';
import { RANK_OPTIONS } from './analysis-options.js';
import type { RankOptions } from './analysis-option-types.js';
import { ROWS_A_CALL, withRoom } from './candidate-rows.js';

export type { RankOptions };

/** The best items of the catalog for each task. */
export interface RankedLists {
  /** The tasks that the lists are of. */
  tasks: TaskSet;
  /** The number of items requested; the list of a task with fewer candidates is shorter. */
  count: number;
  /** Task t's list is `items[offsets[t]] … items[offsets[t + 1] − 1]`, best first. */
  offsets: Int32Array;
  /** Rows of `tasks.dataset.items`. */
  items: Int32Array;
  /** The score of each candidate, in the order of the candidates. */
  scores: Float64Array;
  /** Rows of the items that could be recommended. */
  candidates: Int32Array;
}

/** @internal */
export function checkLists(lists: unknown, field: string): asserts lists is RankedLists {
  const { tasks, count, offsets, items, scores, candidates } = (lists ?? {}) as Partial<RankedLists>;
  const areLists =
    typeof count === 'number' &&
    isTyped(offsets, 'Int32Array') &&
    isTyped(items, 'Int32Array') &&
    isTyped(scores, 'Float64Array') &&
    isTyped(candidates, 'Int32Array');
  if (!areLists) throw invalid(field, 'not ranked lists', lists, 'what rankCatalog returned');
  checkAnyTaskSet(tasks, `${field}.tasks`);
}

/** A function that scores every query row of a task set after adaptation to its support rows, such as a baseline's `predict`. */
export type Scorer = (tasks: TaskSet) => Float64Array | Promise<Float64Array>;

/**
 * Ranks the catalog for every task: all candidates except the items of its support, by descending score, equal scores in the order
 * of the catalog. Recommended interactions have not taken place, so features of interactions are missing.
 *
 * ```ts
 * const lists = await rankCatalog((tasks) => learner.outputs(tasks, 'after'), sets.test, { count: 10 });
 * ```
 *
 * @throws INVALID_OPTION, DIVERGED for a score that is not finite, ABORTED
 */
export async function rankCatalog(score: Scorer, tasks: TaskSet, options: RankOptions = {}): Promise<RankedLists> {
  const { count, among, signal } = resolveOptions(options, 'lists', RANK_OPTIONS);
  if (typeof score !== 'function')
    throw invalid('score', 'not a function', score, 'a function of a task set that gives one score a query row');
  checkAnyTaskSet(tasks, 'tasks');
  const { dataset } = tasks;
  const candidates = candidateItems(dataset, among);
  const width = candidates.length;
  const chunk = Math.max(1, Math.min(tasks.size, Math.floor(ROWS_A_CALL / width)));
  const extended = withRoom(dataset, chunk * width);
  for (let t = 0; t < chunk; t++) extended.item.set(candidates, dataset.size + t * width);

  const offsets = new Int32Array(tasks.size + 1);
  const items: number[] = [];
  const scores: number[] = [];
  const isSupport = new Uint8Array(dataset.items.rows);
  for (let from = 0; from < tasks.size; from += chunk) {
    checkNotAborted(signal);
    const to = Math.min(tasks.size, from + chunk);
    for (let t = from; t < to; t++)
      extended.user.fill(tasks.users[t], dataset.size + (t - from) * width, dataset.size + (t - from + 1) * width);
    const scored: unknown = await score(candidateTasks(tasks, extended, from, to, width));
    checkTyped(scored, 'score', 'Float64Array', (to - from) * width);
    for (let t = from; t < to; t++) {
      const { supportOffsets, supportRows } = tasks;
      const own = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
      for (const row of own) isSupport[dataset.item[row]] = 1;
      const ranked = scored.slice((t - from) * width, (t - from + 1) * width);
      for (let c = 0; c < width; c++) {
        if (!Number.isFinite(ranked[c])) {
          throw new InnerloopError('DIVERGED', 'score is not finite', {
            field: `task ${tasks.keys[t]}`,
            value: ranked[c],
            expected: 'a finite number',
          });
        }
        if (isSupport[candidates[c]] === 1) ranked[c] = -Infinity;
      }
      for (const c of topK(ranked, count)) {
        if (ranked[c] === -Infinity) break;
        items.push(candidates[c]);
        scores.push(ranked[c]);
      }
      offsets[t + 1] = items.length;
      for (const row of own) isSupport[dataset.item[row]] = 0;
    }
  }
  return { tasks, count, offsets, items: Int32Array.from(items), scores: Float64Array.from(scores), candidates };
}

function candidateItems({ items }: Dataset, among: Int32Array | undefined): Int32Array {
  const every = Int32Array.from({ length: items.rows - 1 }, (_, i) => i + 1);
  if (among === undefined) return every;
  if (!isTyped(among, 'Int32Array')) checkArray(among, 'lists.among', 'item rows');
  for (const [i, row] of among.entries()) {
    if (!Number.isInteger(row) || row < 1 || row >= items.rows)
      throw invalid(`lists.among[${i}]`, 'not an item', row, `a row from 1 to ${items.rows - 1}`);
  }
  const picked = new Set(among);
  return every.filter((row) => picked.has(row));
}

/** The tasks `from` … `to` − 1 with their support, and with the candidates as query rows. */
function candidateTasks(tasks: TaskSet, dataset: Dataset, from: number, to: number, width: number): TaskSet {
  const base = tasks.supportOffsets[from];
  const first = tasks.dataset.size;
  return {
    ...tasks,
    dataset,
    size: to - from,
    keys: tasks.keys.slice(from, to),
    users: tasks.users.slice(from, to),
    supportOffsets: tasks.supportOffsets.slice(from, to + 1).map((offset) => offset - base),
    supportRows: tasks.supportRows.slice(base, tasks.supportOffsets[to]),
    queryOffsets: Int32Array.from({ length: to - from + 1 }, (_, t) => t * width),
    queryRows: Int32Array.from({ length: (to - from) * width }, (_, i) => first + i),
  };
}
