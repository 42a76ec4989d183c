/** What becomes of interactions on their way into the losses: labels are centred, positives get sampled negatives. */
import { checkNumber, invalid } from '../foundation/check.js';
import type { Dataset, LossSpec, TaskSet } from '../foundation/contract.js';
import type { TaskStatistics } from '../foundation/task-source-types.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { fnv1a } from '../foundation/text-index.js';
import { idsInSteps } from '../data/vocabulary.js';
import { atOnce, NUMBER, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { isOnScale } from '../tasks/task-source.js';
import { LOSSES, lossesWhere } from '../model/losses.js';
import type { Loss } from '../model/losses.js';
import type { RowOptions } from './option-types.js';

export type { RowOptions };

/** @internal */
export const ROW_OPTIONS = {
  center: {
    kind: 'choice',
    of: ['mean', 'bias', 'jointBias'],
    default: 'mean',
    search: { of: ['mean', 'bias'] },
    doc: 'What is taken from ratings before they are learned and added to what is predicted (loss mse alone): the mean μ of the training tasks; or μ + b_u + b_i with damped means (Koren 2010, section 2.1): b_i = Σ (y − μ) / (n_i + damping) over the training rows of the item, without the row itself where it is one of them, 0 for a new item; b_u = Σ (y − μ − b_i) / (n_u + damping) over the support rows of the task. jointBias: the same with b_i = Σ (y − μ − b_u) / (n_i + damping), the b_u those of the training tasks over all their rows, solved for together, so that an item’s bias does not hold those of the users who rate it. It needs tasks in memory.',
  },
  damping: { kind: 'number', min: 0, default: 5, doc: 'Of the biases.' },
  negatives: {
    kind: 'integer',
    min: 0,
    max: 10_000,
    default: 4,
    doc: 'Under the ranking losses (bpr, listwise): items drawn for each row with label 1 and put after it with label 0, uniformly from the items of the training tasks, none that the task holds. The task’s rows with label 0 are dealt out to those with label 1 in turn, as further negatives. Query rows get negatives in training only. 0: the rows as they are.',
  },
} as const satisfies OptionTable;

/** Options with their defaults. */
export type RowRules = Required<RowOptions>;

/** @internal */
export function rowRules(options: RowOptions | undefined, loss: LossSpec['loss'], field: string): RowRules {
  const rules = resolveOptions(options ?? {}, field, ROW_OPTIONS);
  const { center, negatives } = rules;
  if (center !== 'mean' && !LOSSES[loss].isCentred)
    throw invalid(
      `${field}.center`,
      `does not apply to ${loss}`,
      center,
      lossesThat(({ isCentred }) => isCentred),
    );
  if (options?.negatives !== undefined && !LOSSES[loss].ranks)
    throw invalid(
      `${field}.negatives`,
      `do not apply to ${loss}`,
      negatives,
      lossesThat(({ ranks }) => ranks),
    );
  return rules;
}

const lossesThat = (has: (loss: Loss) => true | undefined) =>
  `loss ${lossesWhere((loss) => has(loss) === true).join(' or ')}`;

/** What training fixed, by item row of the dataset: the learner's own catalog, or another translated. */
export interface RowState {
  readonly mean: number;
  /** b_i, where labels are centred on biases. */
  readonly itemBias: Float64Array | undefined;
  /** Training rows of each item, of which its bias is; training takes a row out of the bias that it is centred by. Not saved. */
  readonly itemRows?: Float64Array;
  /** 1 for items of the training tasks, where negatives are drawn. */
  readonly seen: Uint8Array | undefined;
  /**
   * Under `mse`, the lowest and the highest label of the training tasks where labels are of a scale, in steps of a multiple of
   * 0.05; where labels are measured, their span is added on either side.
   */
  readonly range?: { readonly min: number; readonly max: number };
}

/** @internal */
export function fitRows(rules: RowRules, loss: LossSpec['loss'], tasks: TaskSet): RowState {
  const { dataset, supportRows, queryRows } = tasks;
  const { item, label } = dataset;
  const items = dataset.items.rows;
  const each = (f: (row: number) => void) => {
    for (const rows of [supportRows, queryRows]) for (const row of rows) f(row);
  };
  let seen: Uint8Array | undefined;
  if (LOSSES[loss].ranks && rules.negatives > 0) {
    seen = new Uint8Array(items);
    each((row) => (seen![item[row]] = 1));
  }
  if (!LOSSES[loss].isCentred) return { mean: 0, itemBias: undefined, seen };
  let total = 0;
  each((row) => (total += label[row]));
  const mean = total / (supportRows.length + queryRows.length);
  checkNumber(mean, 'labels');
  const range = rangeOf(label, [supportRows, queryRows]);
  if (rules.center === 'mean') return { mean, itemBias: undefined, seen, range };
  const itemBias = new Float64Array(items);
  const count = new Float64Array(items);
  each((row) => {
    itemBias[item[row]] = itemBias[item[row]] + label[row] - mean;
    count[item[row]] = count[item[row]] + 1;
  });
  for (let i = 0; i < items; i++) itemBias[i] = count[i] === 0 ? 0 : itemBias[i] / (count[i] + rules.damping);
  if (rules.center === 'jointBias') solveJointly(itemBias, count, mean, rules.damping, tasks);
  return { mean, itemBias, itemRows: count, seen, range };
}

/** The solution for item and task biases is reached where no item bias moves by more than this. */
const SOLVED = 1e-7;
/** Each sweep divides the error by some constant; where items and tasks hardly overlap it may be near one. */
const MOST_SWEEPS = 200;

/** Item biases that minimise Σ (y − μ − b_t − b_i)² + damping (Σ b_t² + Σ b_i²) with the tasks' own, by exact solves in turn. */
function solveJointly(
  itemBias: Float64Array,
  count: Float64Array,
  mean: number,
  damping: number,
  { dataset, size, supportOffsets, supportRows, queryOffsets, queryRows }: TaskSet,
): void {
  const { item, label } = dataset;
  const sums = new Float64Array(itemBias.length);
  const partsOf = (t: number) => [
    supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]),
    queryRows.subarray(queryOffsets[t], queryOffsets[t + 1]),
  ];
  for (let sweep = 0, moved = Infinity; sweep < MOST_SWEEPS && moved > SOLVED; sweep++) {
    sums.fill(0);
    for (let t = 0; t < size; t++) {
      const parts = partsOf(t);
      const own = taskBias(dataset, parts, mean, itemBias, damping);
      for (const part of parts) for (const row of part) sums[item[row]] = sums[item[row]] + label[row] - mean - own;
    }
    moved = 0;
    for (let i = 0; i < itemBias.length; i++) {
      if (count[i] === 0) continue;
      const next = sums[i] / (count[i] + damping);
      moved = Math.max(moved, Math.abs(next - itemBias[i]));
      itemBias[i] = next;
    }
  }
}

/** b_t of a task from all its rows, given the item biases. */
function taskBias(
  { item, label }: Dataset,
  parts: readonly Int32Array[],
  mean: number,
  itemBias: ArrayLike<number>,
  damping: number,
): number {
  let [sum, rows] = [0, 0];
  for (const part of parts) {
    for (const row of part) sum += label[row] - mean - itemBias[item[row]];
    rows += part.length;
  }
  return rows === 0 ? 0 : sum / (rows + damping);
}

/** Gives the range of the labels that training reads; those of other tasks are not known to it. */
function rangeOf(label: Float32Array, lists: readonly Int32Array[]): { min: number; max: number } {
  let isScale = true;
  let [min, max] = [Infinity, -Infinity];
  for (const rows of lists) {
    for (const row of rows) {
      const y = label[row];
      isScale &&= isOnScale(y);
      if (y < min) min = y;
      if (y > max) max = y;
    }
  }
  return widened(min, max, isScale);
}

function widened(min: number, max: number, isScale: boolean): { min: number; max: number } {
  const slack = isScale ? 0 : max - min;
  return { min: min - slack, max: max + slack };
}

/** {@link fitRows} of tasks that are not in memory. @internal */
export function rowsOfStatistics(
  rules: RowRules,
  loss: LossSpec['loss'],
  { rows, labels, itemRows, itemLabels }: TaskStatistics,
): RowState {
  const seen =
    LOSSES[loss].ranks && rules.negatives > 0 ? Uint8Array.from(itemRows, (count) => (count > 0 ? 1 : 0)) : undefined;
  if (!LOSSES[loss].isCentred) return { mean: 0, itemBias: undefined, seen };
  const mean = labels.sum / rows;
  checkNumber(mean, 'labels');
  const range = widened(labels.min, labels.max, labels.isScale);
  if (rules.center === 'mean') return { mean, itemBias: undefined, seen, range };
  if (rules.center === 'jointBias')
    throw invalid(
      'learner.rows.center',
      'is solved for on tasks in memory',
      rules.center,
      "'bias', or tasks in memory",
    );
  const itemBias = itemLabels.map((sum, i) =>
    itemRows[i] === 0 ? 0 : (sum - itemRows[i] * mean) / (itemRows[i] + rules.damping),
  );
  return { mean, itemBias, itemRows: Float64Array.from(itemRows), seen, range };
}

/** The state in the item rows of another dataset. @internal */
export function translateRows(state: RowState, from: Dataset, to: Dataset): RowState {
  return atOnce(translateRowSteps(state, from, to));
}

/** The same in steps. @internal */
export function* translateRowSteps(state: RowState, from: Dataset, to: Dataset): Steps<RowState> {
  const { itemBias, itemRows, seen } = state;
  if (from.items.keys === to.items.keys || (itemBias === undefined && seen === undefined)) return state;
  const rowOf = yield* idsInSteps(from.items.keys, to.items.keys.values);
  const placed = function* <T extends Float64Array | Uint8Array>(values: T | undefined): Steps<T | undefined> {
    if (values === undefined) return undefined;
    const result = new (values.constructor as new (length: number) => T)(rowOf.length);
    const place = (start: number, end: number) => {
      for (let row = start; row < end; row++) result[row] = values[rowOf[row]];
    };
    yield* pieces(rowOf.length, place, NUMBER);
    return result;
  };
  return { ...state, itemBias: yield* placed(itemBias), itemRows: yield* placed(itemRows), seen: yield* placed(seen) };
}

/** What a batch needs to know of its rows. */
export interface RowContext {
  readonly rules: RowRules;
  readonly state: RowState;
  /** Item rows that negatives are drawn from; empty where none are. */
  readonly candidates: Int32Array;
  readonly seed: number;
}

/** @internal */
export function rowContext(rules: RowRules, state: RowState, seed: number): RowContext {
  const { seen = new Uint8Array(0) } = state;
  let count = 0;
  for (let row = 1; row < seen.length; row++) count += seen[row];
  const candidates = new Int32Array(count);
  for (let row = 1, next = 0; row < seen.length; row++) if (seen[row] === 1) candidates[next++] = row;
  return { rules, state, candidates, seed };
}

/**
 * b_i of an item for a row with a label. In training the row is one of those that b_i is the mean of, and is left out: with its own
 * label in its centre a row would say less than one of a new user will, most of all of items with few rows. 0 where it was alone.
 *
 * @param isTraining whether the row is one of the training tasks
 * @param own b_u of its task that b_i was solved for with, of {@link jointBias}
 * @internal
 */
export function itemBiasFor(
  { rules, state }: RowContext,
  item: number,
  label: number,
  isTraining: boolean,
  own = 0,
): number {
  const bias = state.itemBias![item];
  if (!isTraining || state.itemRows === undefined) return bias;
  const rows = state.itemRows[item];
  if (rows <= 1) return 0;
  return (bias * (rows + rules.damping) - (label - state.mean - own)) / (rows - 1 + rules.damping);
}

/** b_u of a training task over all its rows, with which `jointBias` solved for b_i; 0 under the other rules. @internal */
export function jointBias({ rules, state }: RowContext, dataset: Dataset, parts: readonly Int32Array[]): number {
  if (rules.center !== 'jointBias') return 0;
  return taskBias(dataset, parts, state.mean, state.itemBias!, rules.damping);
}

/** b_u of a task from labelled items; 0 where labels are centred on the mean alone. @internal */
export function userBias(
  context: RowContext,
  items: ArrayLike<number>,
  labels: ArrayLike<number>,
  isTraining = false,
  own = 0,
): number {
  const { rules, state } = context;
  if (state.itemBias === undefined || items.length === 0) return 0;
  let sum = 0;
  for (let i = 0; i < items.length; i++)
    sum += labels[i] - state.mean - itemBiasFor(context, items[i], labels[i], isTraining, own);
  return sum / (items.length + rules.damping);
}

/** The same for rows of a dataset. @internal */
export function userBiasOfRows(
  context: RowContext,
  { item, label }: Dataset,
  rows: Int32Array,
  isTraining = false,
  own = 0,
): number {
  if (context.state.itemBias === undefined) return 0;
  return userBias(
    context,
    rows.map((row) => item[row]),
    Float64Array.from(rows, (row) => label[row]),
    isTraining,
    own,
  );
}

/** Positives with what they are to be ranked above, as `emit` takes them: the place of the row they belong to, item and label. */
type Emit = (place: number, item: number, label: 0 | 1) => void;

/**
 * The rows of a ranking loss: each row with label 1, then the negatives drawn for it (none that is `taken`), then its share of
 * the rows with label 0, which are dealt out to the positives in turn. Without a positive there is nothing to rank.
 *
 * @internal
 */
export function rankedRows(
  context: RowContext,
  items: ArrayLike<number>,
  labels: ArrayLike<number>,
  taken: ReadonlySet<number>,
  stream: Random,
  emit: Emit,
): void {
  const places = Array.from({ length: items.length }, (_, i) => i);
  const positives = places.filter((i) => labels[i] === 1);
  const dislikes = places.filter((i) => labels[i] !== 1);
  positives.forEach((i, p) => {
    emit(i, items[i], 1);
    for (const item of drawNegatives(context, taken, stream)) emit(i, item, 0);
    for (let d = p; d < dislikes.length; d += positives.length) emit(dislikes[d], items[dislikes[d]], 0);
  });
}

/** Candidates that are not `taken`, with replacement; fewer than asked for where nearly all are taken. */
function drawNegatives({ candidates, rules }: RowContext, taken: ReadonlySet<number>, stream: Random): number[] {
  const drawn: number[] = [];
  for (let tries = 0; drawn.length < rules.negatives && tries < 20 * rules.negatives; tries++) {
    const item = candidates[stream.below(candidates.length)];
    if (!taken.has(item)) drawn.push(item);
  }
  return drawn;
}

/**
 * The stream that draws the negatives of a support set outside of training. It depends on the set's items in any order, so that
 * a task that is evaluated and a user who is served with the same items get the same negatives. @internal
 */
export function negativesOfSupport({ seed }: RowContext, { items }: Dataset, support: ArrayLike<number>): Random {
  let key = 0;
  for (let i = 0; i < support.length; i++) key = (key + fnv1a(items.keys.values[support[i]])) % 2 ** 32;
  return random(seed, 'negatives.support', key);
}
