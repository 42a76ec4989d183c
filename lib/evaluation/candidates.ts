/** Ranks held-out items among candidates: the whole catalog, or drawn items. */
import { checkNotAborted } from '../foundation/abort.js';
import { hasOneLabel } from '../baselines/positives.js';
import { invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { groupRows } from '../foundation/group-rows.js';
import { checkOption } from '../foundation/options.js';
import type { OptionKind } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import { hasHistories, ROWS_A_CALL, withHistoriesOf, withRoom } from './candidate-rows.js';
import { meanInterval } from './intervals.js';
import type { Scorer } from './lists.js';
import type { CustomMetric } from './metric.js';
import { evaluateScores, parseMetric } from './metrics.js';
import type { MetricResult } from './metrics.js';
import type { Candidates } from './option-types.js';

export type { Candidates };

/** @internal */
export const CANDIDATES = {
  kind: 'any',
  of: [
    { kind: 'choice', of: ['query', 'catalog'] },
    {
      kind: 'object',
      fields: {
        negatives: {
          kind: 'integer',
          min: 1,
          required: true,
          doc: 'The number of items that the user never had, drawn for each task and the same for every method.',
        },
        seed: { kind: 'integer', min: 0, default: 0, doc: 'Seed of the drawn items.' },
      },
    },
  ],
  what: "'query', 'catalog' or { negatives: 100 }",
} as const satisfies OptionKind;

export interface CandidateOptions {
  candidates: Exclude<Candidates, 'query'>;
  metrics: readonly (string | CustomMetric)[];
  /** The label from which on a held-out row is relevant; if all labels are the same, all rows are. */
  threshold: number;
  /** Whether all labels are the same, where the tasks are not all. Default: whether those of the tasks are. */
  hasOneLabel?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

export function checkCandidates(candidates: unknown, field: string): asserts candidates is Candidates {
  checkOption(candidates, field, CANDIDATES);
}

/** The default candidates: the whole catalog if all labels are the same, because then every order of the query rows is perfect. */
export function defaultCandidates(tasks: Pick<TaskSet, 'dataset' | 'size' | 'users'>): Candidates {
  return tasks.size > 0 && tasks.users.every((user) => user > 0) && hasOneLabel(tasks.dataset) ? 'catalog' : 'query';
}

/** The candidates in one line, for the notes of a table. */
export function describeCandidates(
  candidates: Exclude<Candidates, 'query'>,
  { dataset }: Pick<TaskSet, 'dataset'>,
): string {
  const items = (dataset.items.rows - 1).toLocaleString('en-US');
  return candidates === 'catalog'
    ? `Held-out items ranked among the whole catalogue: ${items} items, without those the user had elsewhere.`
    : `Held-out items ranked among ${candidates.negatives} items drawn from those the user never had (of ${items}); against the whole catalogue all values are lower.`;
}

/**
 * Ranks each task's held-out items among candidates, and measures the lists. Relevance is 1 for a held-out item and 0 for the
 * others. The scored interactions have not taken place, so their features are missing, and their history is that of the first query
 * row.
 *
 * @throws INVALID_OPTION if tasks have no user, or if there are too few items to draw from; DIVERGED, ABORTED
 */
export async function evaluateCandidates(
  score: Scorer,
  tasks: TaskSet,
  { candidates, metrics, threshold, hasOneLabel: one, signal }: CandidateOptions,
): Promise<Record<string, MetricResult>> {
  const perTask = new Map(metrics.map((metric) => [parseMetric(metric).name, new Float64Array(tasks.size).fill(NaN)]));
  const parts: Record<string, MetricResult>[] = [];
  const known = knownItems(tasks);
  const relevant = relevanceOf(tasks, threshold, one ?? hasOneLabel(tasks.dataset));
  let room: Dataset | undefined;
  for (let from = 0; from < tasks.size;) {
    checkNotAborted(signal);
    const lists: List[] = [];
    let rows = 0;
    // A call has at least one task, however large the catalog is.
    for (let t = from; t < tasks.size && (rows === 0 || rows + tasks.dataset.items.rows <= ROWS_A_CALL); t++) {
      const list = listOf(tasks, t, candidates, known);
      rows += list.items.length;
      lists.push(list);
    }
    if (room === undefined || room.size < tasks.dataset.size + rows)
      room = withRoom(tasks.dataset, from + lists.length === tasks.size ? rows : Math.max(rows, ROWS_A_CALL));
    const part = partOf(tasks, from, lists, room, relevant);
    const measured = evaluateScores(part, await score(part), { metrics, threshold: RELEVANT });
    for (const [name, values] of perTask) values.set(measured[name].perTask, from);
    parts.push(measured);
    from += lists.length;
  }
  return Object.fromEntries(
    [...perTask].map(([name, values]) => [name, { ...parts[0]?.[name], ...meanInterval(values), perTask: values }]),
  );
}
/** The threshold between the labels of candidates, which are 0 and 1. */
const RELEVANT = 0.5;

interface List {
  /** The candidates without duplicates, the held-out items first. */
  items: Int32Array;
  heldOut: number;
}

/** A function that gives all items of a user's interactions in the dataset. */
function knownItems({ dataset, users }: TaskSet): (user: number) => Int32Array {
  const other = users.indexOf(0);
  if (other >= 0)
    throw invalid(
      'evaluation.candidates',
      'needs tasks of users',
      `task ${other}`,
      "tasks.by: 'user', or candidates: 'query'",
    );
  const { order, offsets } = groupRows(dataset.user, dataset.users.rows, undefined);
  return (user) => order.subarray(offsets[user], offsets[user + 1]).map((row) => dataset.item[row]);
}

function relevanceOf({ dataset }: TaskSet, threshold: number, isOneLabel: boolean): (row: number) => boolean {
  const least = isOneLabel ? -Infinity : Math.fround(threshold);
  return (row) => dataset.label[row] >= least;
}

function listOf(
  { dataset, users, queryOffsets, queryRows }: TaskSet,
  t: number,
  candidates: CandidateOptions['candidates'],
  known: (user: number) => Int32Array,
): List {
  const query = queryRows.subarray(queryOffsets[t], queryOffsets[t + 1]);
  const heldOut = new Set(query.map((row) => dataset.item[row]));
  const had = new Set(known(users[t]));
  const total = dataset.items.rows - 1;
  const others: number[] = [];
  if (candidates === 'catalog') {
    for (let item = 1; item <= total; item++) if (!had.has(item)) others.push(item);
  } else {
    const { negatives, seed = CANDIDATES.of[1].fields.seed.default } = candidates;
    if (negatives > total - had.size)
      throw invalid(
        'evaluation.candidates.negatives',
        `more than the items that the user of task ${t} never had`,
        negatives,
        `at most ${total - had.size}, or candidates: 'catalog'`,
      );
    // The draw depends on the task's first query row only, so it does not change with the other tasks of the set.
    const stream = random(seed, 'evaluation.candidates', query[0] ?? 0);
    const drawn = new Set<number>();
    while (drawn.size < negatives) {
      const item = 1 + stream.below(total);
      if (!had.has(item)) drawn.add(item);
    }
    others.push(...drawn);
  }
  return { items: Int32Array.from([...heldOut, ...others]), heldOut: heldOut.size };
}

/** The tasks from `from` on, with these lists as their query rows at the end of `room`. */
function partOf(
  tasks: TaskSet,
  from: number,
  lists: readonly List[],
  room: Dataset,
  isRelevant: (row: number) => boolean,
): TaskSet {
  const { dataset, supportOffsets, queryOffsets, queryRows } = tasks;
  const to = from + lists.length;
  const queries = new Int32Array(lists.length + 1);
  for (const [k, { items }] of lists.entries()) queries[k + 1] = queries[k] + items.length;
  const like = new Int32Array(queries[lists.length]);
  for (const [k, { items, heldOut }] of lists.entries()) {
    const at = dataset.size + queries[k];
    const query = queryRows.subarray(queryOffsets[from + k], queryOffsets[from + k + 1]);
    const relevant = new Set(query.filter(isRelevant).map((row) => dataset.item[row]));
    room.user.fill(tasks.users[from + k], at, at + items.length);
    room.item.set(items, at);
    room.label.fill(0, at, at + items.length);
    for (let c = 0; c < heldOut; c++) if (relevant.has(items[c])) room.label[at + c] = 1;
    like.fill(firstOf(query, dataset.time), queries[k], queries[k + 1]);
  }
  const base = supportOffsets[from];
  return {
    dataset: hasHistories(dataset) ? withHistoriesOf(room, dataset.size, like) : room,
    size: lists.length,
    keys: tasks.keys.slice(from, to),
    users: tasks.users.slice(from, to),
    supportOffsets: supportOffsets.slice(from, to + 1).map((offset) => offset - base),
    supportRows: tasks.supportRows.slice(base, supportOffsets[to]),
    queryOffsets: queries,
    queryRows: Int32Array.from(like, (_, i) => dataset.size + i),
  };
}

/** The earliest of some rows. */
function firstOf(rows: Int32Array, time: Float64Array | undefined): number {
  return time === undefined ? rows[0] : rows.reduce((first, row) => (time[row] < time[first] ? row : first), rows[0]);
}
