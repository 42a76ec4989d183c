import type { NativeBatch, NativeColumn, NativeFrame } from '../foundation/addon.js';
import { nativeError } from '../foundation/addon.js';
import { checkArray, checkNumber, checkObject, invalid } from '../foundation/check.js';
import type {
  FloatArray,
  InputSpec,
  InputValues,
  LabelledRows,
  LossSpec,
  Rows,
  TaskExample,
} from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import { lossOf } from '../model/losses.js';
import { Model } from '../model/model.js';

const LABELLED = ['inputs', 'labels', 'also', 'weights'];

/** Rows are numbered by 32-bit integers. */
const MOST_ROWS = 2 ** 31 - 1;

/** Tasks packed for the native core: ragged columns, no padding. Immutable; use it for any number of calls. */
export class TaskBatch extends Uncloneable {
  /** The model that the tasks were packed for. */
  readonly model: Model;
  /** Number of tasks. */
  readonly size: number;
  /** Query rows of each task. */
  readonly queryRows: Int32Array;
  /** Under the head `episode`: one more than the largest label. @internal */
  readonly classes: number = 0;
  /** @internal */
  readonly native: NativeBatch;

  /** @internal */
  constructor(model: Model, begin: Int32Array, native: NativeBatch, labels: ArrayLike<number> = []) {
    super('batch', 'the tasks to be sent, and packTasks(model, tasks) where they arrive');
    this.model = model;
    if (lossOf(model.spec.head).isEmbedding)
      for (let r = 0; r < labels.length; r++) this.classes = Math.max(this.classes, labels[r] + 1);
    this.size = (begin.length - 1) / 2;
    this.queryRows = new Int32Array(this.size);
    for (let t = 0; t < this.size; t++) this.queryRows[t] = begin[2 * t + 2] - begin[2 * t + 1];
    this.native = native;
  }
}

/**
 * Packs tasks given as plain objects. For large data use `buildTasks`, which never makes an object per row.
 *
 * Each row has one value for every input of the model: an id (categorical), a list of ids (bag) or `size` numbers (dense).
 * A support set may be empty, a query set not.
 *
 * @throws {InnerloopError} INVALID_OPTION or UNKNOWN_OPTION naming the task, input and row; EMPTY_DATA
 */
export function packTasks(model: Model, tasks: readonly TaskExample[]): TaskBatch {
  checkModel(model);
  checkArray(tasks, 'tasks', 'tasks');
  if (tasks.length === 0)
    throw new InnerloopError('EMPTY_DATA', 'no tasks', { field: 'tasks', expected: 'at least one task' });
  const parts: { rows: LabelledRows; field: string }[] = [];
  tasks.forEach((task: unknown, t) => {
    checkObject(task, `tasks[${t}]`, ['support', 'query']);
    for (const part of ['support', 'query'] as const) {
      const field = `tasks[${t}].${part}`;
      checkObject(task[part], field, LABELLED);
      parts.push({ rows: task[part] as unknown as LabelledRows, field });
    }
  });
  const counts = parts.map(({ rows, field }) => checkLabels(model.spec.head, rows.labels, `${field}.labels`));
  counts.forEach((count, p) => {
    if (p % 2 === 1 && count === 0) throw new InnerloopError('EMPTY_DATA', 'no query rows', { field: parts[p].field });
  });
  const begin = new Int32Array(counts.length + 1);
  counts.forEach((count, p) => (begin[p + 1] = begin[p] + count));
  return pack(model, parts, counts, begin, packLabels(model, parts, counts));
}

/** @internal Unlabelled rows as tasks of at most `chunk` query rows, so that many threads can share them. */
export function packRows(model: Model, rows: Rows, field: string, chunk = 256): TaskBatch {
  checkObject(rows, field, LABELLED);
  const first = model.spec.inputs[0].name;
  const count = lengthOf((rows.inputs as Record<string, unknown> | undefined)?.[first], `${field}.inputs.${first}`);
  if (count === 0) throw new InnerloopError('EMPTY_DATA', 'no rows', { field });
  return pack(model, [{ rows, field }], [count], queryChunks(count, chunk));
}

/** @internal Offsets of tasks without support that share `count` query rows, `chunk` at most each. */
export function queryChunks(count: number, chunk: number): Int32Array {
  const chunks = Math.ceil(count / chunk);
  const begin = new Int32Array(2 * chunks + 1);
  for (let c = 0; c < chunks; c++) {
    begin[2 * c + 1] = c * chunk;
    begin[2 * c + 2] = Math.min(count, (c + 1) * chunk);
  }
  return begin;
}

/** @internal All labelled rows as the query of one task. */
export function packQuery(model: Model, rows: LabelledRows, field: string): TaskBatch {
  checkObject(rows, field, LABELLED);
  const count = checkLabels(model.spec.head, rows.labels, `${field}.labels`);
  if (count === 0) throw new InnerloopError('EMPTY_DATA', 'no rows', { field });
  return pack(
    model,
    [{ rows, field }],
    [count],
    Int32Array.of(0, 0, count),
    packLabels(model, [{ rows, field }], [count]),
  );
}

/** @internal */
export function checkModel(model: unknown): asserts model is Model {
  if (!(model instanceof Model)) throw invalid('model', 'not a model', model, 'what defineModel returned');
}

/** @internal What has an embedding for its outputs has no loss of its own. */
export function checkHasLoss({ spec: { head } }: Model): void {
  if (lossOf(head).isEmbedding)
    throw invalid('model.head.loss', 'is for episodeGradient', head.loss, 'a loss of the rows');
}

/** @internal The batch must have been packed for this model. */
export function checkBatch(model: Model, batch: unknown): asserts batch is TaskBatch {
  if (!(batch instanceof TaskBatch)) throw invalid('batch', 'not a batch', batch, 'what packTasks returned');
  if (batch.model !== model) throw invalid('batch', 'packed for another model', batch, 'a batch of this model');
}

function pack(
  model: Model,
  parts: { rows: Rows; field: string }[],
  counts: number[],
  begin: Int32Array,
  targets: { labels?: FloatArray; rowWeights?: FloatArray } = {},
): TaskBatch {
  for (const { rows, field } of parts) {
    checkObject(
      rows.inputs,
      `${field}.inputs`,
      model.spec.inputs.map(({ name }) => name),
    );
  }
  const total = counts.reduce((a, b) => a + b, 0);
  const columns = model.spec.inputs.map((input) => packColumn(model, input, parts, counts, total));
  const identity = Int32Array.from({ length: total }, (_, r) => r);
  try {
    const frame: NativeFrame = model.ops.createFrame(model.native, { sides: [total], columns });
    return new TaskBatch(
      model,
      begin,
      model.ops.createBatch(model.native, frame, { begin, sides: [identity], ...targets }),
      targets.labels,
    );
  } catch (error) {
    throw nativeError(error);
  }
}

function packColumn(
  model: Model,
  input: InputSpec,
  parts: { rows: Rows; field: string }[],
  counts: number[],
  total: number,
): NativeColumn {
  const values = parts.map(({ rows, field }, p) => {
    const at = `${field}.inputs.${input.name}`;
    const given = (rows.inputs as Record<string, InputValues | undefined>)[input.name];
    const length = lengthOf(given, at);
    if (length !== counts[p])
      throw invalid(at, `has ${length} rows`, given, `${counts[p]} rows, as the labels or the other inputs`);
    return { given: given!, at };
  });
  if (input.kind === 'dense') return { side: 0, dense: packDense(model, input.size, values, total) };
  if (input.kind === 'categorical') {
    const ids = new Int32Array(total);
    let r = 0;
    for (const { given, at } of values) {
      for (let i = 0; i < given.length; i++) ids[r++] = checkId(given[i], input.cardinality, `${at}[${i}]`);
    }
    return { side: 0, ids };
  }
  const offsets = new Int32Array(total + 1);
  const ids: number[] = [];
  let r = 0;
  for (const { given, at } of values) {
    for (let i = 0; i < given.length; i++) {
      const bag = given[i];
      const n = lengthOf(bag, `${at}[${i}]`);
      // Of a longer sequence the newest ids count, whatever the body; the others are checked all the same.
      const first = input.kind === 'sequence' ? n - input.maxLength : 0;
      for (let e = 0; e < n; e++) {
        const id = checkId((bag as ArrayLike<number>)[e], input.cardinality, `${at}[${i}][${e}]`);
        if (e >= first) ids.push(id);
      }
      offsets[++r] = ids.length;
    }
  }
  return { side: 0, ids: Int32Array.from(ids), offsets };
}

function packDense(
  model: Model,
  size: number,
  values: { given: InputValues; at: string }[],
  total: number,
): FloatArray {
  const dense = model.floats(total * size);
  let to = 0;
  for (const { given, at } of values) {
    for (let i = 0; i < given.length; i++) {
      const row = given[i];
      const n = lengthOf(row, `${at}[${i}]`);
      if (n !== size) throw invalid(`${at}[${i}]`, `has ${n} values`, row, `${size} numbers`);
      for (let j = 0; j < size; j++) {
        const x = (row as ArrayLike<number>)[j];
        if (typeof x !== 'number' || !Number.isFinite(x))
          throw invalid(`${at}[${i}][${j}]`, 'not a finite number', x, 'a finite number');
        dense[to++] = x;
      }
    }
  }
  return dense;
}

/** Labels of all heads, row by row, and the rows' weights where any part has them. */
function packLabels(
  model: Model,
  parts: { rows: LabelledRows; field: string }[],
  counts: readonly number[],
): { labels: FloatArray; rowWeights?: FloatArray } {
  const { also = [] } = model.spec.head;
  const total = counts.reduce((a, b) => a + b, 0);
  const width = 1 + also.length;
  const labels = model.floats(total * width);
  const rowWeights = parts.some(({ rows }) => rows.weights !== undefined) ? model.floats(total).fill(1) : undefined;
  let first = 0;
  parts.forEach(({ rows, field }, p) => {
    const count = counts[p];
    for (let i = 0; i < count; i++) labels[(first + i) * width] = rows.labels[i]!;
    also.forEach((head, h) => {
      const at = `${field}.also.${head.name}`;
      const own = rows.also?.[head.name];
      if (checkLabels(head, own, at, true) !== count)
        throw invalid(at, `has ${own!.length} rows`, own, `${count} rows, as the labels`);
      for (let i = 0; i < count; i++) labels[(first + i) * width + 1 + h] = own![i]!;
    });
    if (rows.weights !== undefined) {
      const at = `${field}.weights`;
      if (lengthOf(rows.weights, at) !== count)
        throw invalid(at, `has ${rows.weights.length} rows`, rows.weights, `${count} rows, as the labels`);
      for (let i = 0; i < count; i++) {
        checkNumber(rows.weights[i], `${at}[${i}]`, 0);
        rowWeights![first + i] = rows.weights[i]!;
      }
    }
    first += count;
  });
  return rowWeights === undefined ? { labels } : { labels, rowWeights };
}

/** @param missing whether NaN may stand for no label */
function checkLabels(head: LossSpec, labels: unknown, field: string, missing = false): number {
  const n = lengthOf(labels, field);
  const loss = lossOf(head);
  for (let i = 0; i < n; i++) {
    const y = (labels as ArrayLike<unknown>)[i];
    if (missing && Number.isNaN(y)) continue;
    if (typeof y !== 'number' || !Number.isFinite(y))
      throw invalid(`${field}[${i}]`, 'not a finite number', y, 'a finite number');
    if (!loss.fits(y, head)) throw invalid(`${field}[${i}]`, `not a label for ${head.loss}`, y, loss.labels(head));
  }
  return n;
}

function checkId(id: unknown, cardinality: number, field: string): number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= cardinality) {
    throw invalid(field, 'not an id of this input', id, `an integer from 0 to ${cardinality - 1}`);
  }
  return id;
}

function lengthOf(value: unknown, field: string): number {
  if (value === undefined) throw invalid(field, 'missing', value, 'one entry a row');
  const { length } = (value ?? {}) as { length?: unknown };
  if (typeof value !== 'object' || !Number.isSafeInteger(length) || (length as number) < 0) {
    throw invalid(field, 'not a list', value, 'an array or typed array');
  }
  // An object may state any length: found out before anything of that size is made. Short lists are checked entry by entry.
  if (
    (length as number) > MOST_ROWS ||
    ((length as number) > 65536 && !((length as number) - 1 in (value as object)))
  ) {
    throw invalid(
      field,
      `states ${String(length)} entries`,
      value,
      `an array or typed array of at most ${MOST_ROWS} entries`,
    );
  }
  return length as number;
}
