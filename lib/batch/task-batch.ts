/** Meta-batches of dataset tasks: row numbers only, no per-row objects. */
import { nativeError } from '../foundation/addon.js';
import type { NativeBatch, NativeRows } from '../foundation/addon.js';
import type { Dataset, FloatArray, TaskSet } from '../foundation/contract.js';
import type { BoundDataset } from './features.js';
import { SupportHistories } from './support-histories.js';
import { auxiliaryLabels } from '../model/labels.js';
import type { Model } from '../model/model.js';
import type { OptionTable } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { itemBiasFor, jointBias, negativesOfSupport, rankedRows, userBiasOfRows } from './row-rules.js';
import type { RowContext } from './row-rules.js';
import type { HideIds } from './option-types.js';

export type { HideIds };

export interface BatchOptions {
  /** What weights and random streams know the tasks of the set by. Default: their places in it. */
  numbers?: Int32Array;
  /** How labels are centred and negatives drawn. */
  rows: RowContext;
  /** Number of the epoch, in training, where query rows get negatives too. */
  epoch?: number;
  /** `support`: a task's query rows are put into its support too (Reptile). `query`: all rows are query rows (joint training). */
  allRows?: 'support' | 'query';
  /** Weighs a task in the meta-loss by its query rows instead of equally. */
  weighByRows?: boolean;
  /** A factor of every task of the set in the meta-loss. */
  weights?: Float64Array;
  /** Hides ids at random, so that the model learns what to do without them. */
  hide?: HideIds & { seed: number; epoch: number };
}

const hidden = <const D extends string>(what: D) =>
  ({
    kind: 'number',
    min: 0,
    fraction: true,
    default: 0,
    doc: `Share of the training tasks in which all ids of ${what} are hidden (shown as "unknown").`,
  }) as const;
/** @internal */
export const HIDE_OPTIONS = { user: hidden('users'), item: hidden('items') } as const satisfies OptionTable;

/** Tasks `indices[from … to)` of a task set as one native batch. @internal */
export function packTaskSet(
  model: Model,
  bound: BoundDataset,
  tasks: TaskSet,
  indices: Int32Array,
  from: number,
  to: number,
  options: BatchOptions,
): NativeBatch {
  const { rows, weights } = rowsOf(model, bound, tasks, indices, from, to, options);
  return made(model, bound, { ...rows, weights: weights && sharesOf(weights) });
}

/** Tasks that are a part of a batch. @internal */
export interface PackedPart {
  native: NativeBatch;
  /** What each of them weighs in the meta-loss, not yet divided by the sum over all tasks; undefined where all weigh the same. */
  weights: Float64Array | undefined;
}

/** All tasks of a set, which may be none, as a part of a batch. @internal */
export function packPart(model: Model, bound: BoundDataset, tasks: TaskSet, options: BatchOptions): PackedPart {
  const order = Int32Array.from({ length: tasks.size }, (_, t) => t);
  const { rows, weights } = rowsOf(model, bound, tasks, order, 0, tasks.size, options);
  return { native: made(model, bound, rows), weights };
}

function made(model: Model, bound: BoundDataset, rows: NativeRows): NativeBatch {
  try {
    return model.ops.createBatch(model.native, bound.frame, rows);
  } catch (error) {
    throw nativeError(error);
  }
}

function rowsOf(
  model: Model,
  bound: BoundDataset,
  tasks: TaskSet,
  indices: Int32Array,
  from: number,
  to: number,
  options: BatchOptions,
): { rows: NativeRows; weights: Float64Array | undefined } {
  const { supportOffsets, supportRows, queryOffsets, queryRows } = tasks;
  const { rows: context, hide, allRows, epoch } = options;
  const begin = new Int32Array(2 * (to - from) + 1);
  let total = 0;
  for (let k = from; k < to; k++) {
    const t = indices[k];
    const query = queryOffsets[t + 1] - queryOffsets[t];
    total += supportOffsets[t + 1] - supportOffsets[t] + (allRows === 'support' ? 2 : 1) * query;
  }
  const writer = new RowWriter(model, bound, context, total);
  for (let k = from; k < to; k++) {
    const t = indices[k];
    const number = options.numbers === undefined ? t : options.numbers[t];
    const support = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
    const query = queryRows.subarray(queryOffsets[t], queryOffsets[t + 1]);
    const stream = hide === undefined ? undefined : random(hide.seed, `hide.${hide.epoch}`, number);
    const showUser = stream === undefined || stream.uniform() >= (hide!.user ?? HIDE_OPTIONS.user.default);
    const showItem = stream === undefined || stream.uniform() >= (hide!.item ?? HIDE_OPTIONS.item.default);
    writer.task(number, support, query, showUser, showItem, epoch);
    const inSupport = allRows === 'query' ? [] : allRows === 'support' ? [support, query] : [support];
    for (const rows of inSupport) writer.put(rows, allRows === 'support' ? [support, query] : [support]);
    begin[2 * (k - from) + 1] = writer.length;
    for (const rows of allRows === 'query' ? [support, query] : [query])
      writer.put(rows, epoch === undefined ? undefined : [support, query]);
    begin[2 * (k - from) + 2] = writer.length;
  }
  const weighted = options.weighByRows === true || options.weights !== undefined;
  return {
    rows: { begin, ...writer.columns() },
    weights: weighted ? weightsOf(begin, options, indices, from) : undefined,
  };
}

/** Rows of a batch, in columns. */
class RowWriter {
  length = 0;
  readonly #dataset: Dataset;
  readonly #context: RowContext;
  readonly #users: Int32Array;
  readonly #items: Int32Array;
  readonly #interactions: Int32Array;
  readonly #userIds: Int32Array;
  readonly #itemIds: Int32Array;
  readonly #labels: FloatArray;
  readonly #weights: FloatArray | undefined;
  readonly #heads: (ArrayLike<number> | undefined)[];
  /** Histories that are the task's support set, with the row of every batch row in them. */
  readonly #histories: { lists: SupportHistories; rows: Int32Array; own: Int32Array; whole: number }[];
  #support: Int32Array | undefined;
  #bias = 0;
  #own = 0;
  #isTraining = false;
  #showUser = true;
  #showItem = true;
  #negatives: Random | undefined;

  /** @param rows at most so many, negatives apart */
  constructor(model: Model, { dataset, sequences }: BoundDataset, context: RowContext, rows: number) {
    const capacity = rows * (context.candidates.length === 0 ? 1 : 1 + context.rules.negatives);
    const { also = [] } = model.spec.head;
    this.#dataset = dataset;
    this.#context = context;
    this.#users = new Int32Array(capacity);
    this.#items = new Int32Array(capacity);
    this.#interactions = new Int32Array(capacity);
    this.#userIds = new Int32Array(capacity);
    this.#itemIds = new Int32Array(capacity);
    this.#labels = model.floats(capacity * (1 + also.length));
    this.#weights = dataset.weight === undefined ? undefined : model.floats(capacity);
    const none = new Int32Array(0);
    this.#histories = sequences
      .filter(({ column }) => column.of === 'support')
      .map((sequence) => ({
        lists: new SupportHistories(sequence),
        rows: new Int32Array(capacity),
        own: none,
        whole: 0,
      }));
    this.#heads = also.map((head) => auxiliaryLabels(dataset, head));
  }

  /** Begins a task, whose support rows say how its labels are centred. */
  task(
    t: number,
    support: Int32Array,
    query: Int32Array,
    showUser: boolean,
    showItem: boolean,
    epoch: number | undefined,
  ): void {
    const { item, label, time } = this.#dataset;
    const { candidates, seed } = this.#context;
    const items = support.map((row) => item[row]);
    this.#support = support;
    for (const history of this.#histories) {
      const times = Float64Array.from(support, (row) => time![row]);
      Object.assign(
        history,
        history.lists.add(
          items,
          Float64Array.from(support, (row) => label[row]),
          times,
        ),
      );
    }
    this.#isTraining = epoch !== undefined;
    this.#own = this.#isTraining ? jointBias(this.#context, this.#dataset, [support, query]) : 0;
    this.#bias = userBiasOfRows(this.#context, this.#dataset, support, this.#isTraining, this.#own);
    this.#showUser = showUser;
    this.#showItem = showItem;
    if (candidates.length === 0) this.#negatives = undefined;
    else
      this.#negatives =
        epoch === undefined
          ? negativesOfSupport(this.#context, this.#dataset, items)
          : random(seed, `negatives.${epoch}`, t);
  }

  /** @param taken rows whose items are no negatives of these; undefined draws none */
  put(rows: Int32Array, taken: readonly Int32Array[] | undefined): void {
    const { label, item } = this.#dataset;
    if (this.#negatives === undefined || taken === undefined) {
      for (let i = 0; i < rows.length; i++) this.#row(rows[i], item[rows[i]], label[rows[i]], rows, i);
      return;
    }
    const held = new Set(taken.flatMap((each) => Array.from(each, (row) => item[row])));
    const [items, labels] = [rows.map((row) => item[row]), Float32Array.from(rows, (row) => label[row])];
    // What was drawn is in the context of the interaction that it did not win.
    rankedRows(this.#context, items, labels, held, this.#negatives, (i, own, y) => this.#row(rows[i], own, y, rows, i));
  }

  /** @param i its place in `rows`, the support or the query of the task */
  #row(row: number, item: number, label: number, rows: Int32Array, i: number): void {
    const r = this.length++;
    for (const history of this.#histories) history.rows[r] = rows === this.#support ? history.own[i] : history.whole;
    const { mean, itemBias } = this.#context.state;
    const user = this.#dataset.user[row];
    this.#interactions[r] = row;
    this.#users[r] = user;
    this.#items[r] = item;
    this.#userIds[r] = this.#showUser ? user : 0;
    this.#itemIds[r] = this.#showItem ? item : 0;
    const width = 1 + this.#heads.length;
    this.#labels[r * width] =
      itemBias === undefined
        ? label - mean
        : label - mean - itemBiasFor(this.#context, item, label, this.#isTraining, this.#own) - this.#bias;
    for (let h = 0; h < this.#heads.length; h++) this.#labels[r * width + 1 + h] = this.#heads[h]![row]!;
    if (this.#weights !== undefined) this.#weights[r] = this.#dataset.weight![row]!;
  }

  columns() {
    const n = this.length;
    const shared = [this.#users, this.#items, this.#interactions, this.#userIds, this.#itemIds];
    const sides = [...shared, ...this.#histories.map(({ rows }) => rows)].map((side) => side.subarray(0, n));
    const overrides = this.#histories.map(({ lists }, k) => lists.column(shared.length + k));
    const labels = this.#labels.subarray(0, n * (1 + this.#heads.length));
    return { sides, labels, overrides, ...(this.#weights && { rowWeights: this.#weights.subarray(0, n) }) };
  }
}

/** What was taken from the labels of a task set's query rows, in task order: to be added to outputs. @internal */
export function queryCenters(
  context: RowContext,
  { dataset, size, supportOffsets, supportRows, queryOffsets, queryRows }: TaskSet,
): Float64Array {
  const { mean, itemBias } = context.state;
  const centers = new Float64Array(queryRows.length).fill(mean);
  if (itemBias === undefined) return centers;
  const { item } = dataset;
  for (let t = 0; t < size; t++) {
    const support = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
    const bias = userBiasOfRows(context, dataset, support);
    for (let i = queryOffsets[t]; i < queryOffsets[t + 1]; i++) centers[i] = mean + itemBias[item[queryRows[i]]] + bias;
  }
  return centers;
}

/** What each task weighs in the meta-loss: its number of query rows, or one, times its factor. */
function weightsOf(
  begin: Int32Array,
  { weighByRows, weights, numbers }: BatchOptions,
  indices: Int32Array,
  from: number,
): Float64Array {
  return Float64Array.from({ length: (begin.length - 1) / 2 }, (_, k) => {
    const rows = weighByRows === true ? begin[2 * k + 2] - begin[2 * k + 1] : 1;
    const t = indices[from + k];
    return weights === undefined ? rows : rows * weights[numbers === undefined ? t : numbers[t]];
  });
}

/** The weights of all tasks of a step, summing to 1. @internal */
export function sharesOf(weights: Float64Array): Float64Array {
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}
