/** What a training run will take in memory, before it takes it: refused by name, not killed by the system. */
import { addon } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import { checkAnyTaskSet } from '../tasks/check.js';
import { isTaskSource, taskSource } from '../tasks/task-source.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import type { TaskSize, TaskSource } from '../foundation/task-source-types.js';
import { InnerloopError } from '../foundation/errors.js';
import { availableMemory, showBytes as size } from '../foundation/memory.js';
import { resolveOptions } from '../foundation/options.js';
import { innerLoopOfEpoch } from '../meta/algorithm.js';
import { Learner } from './learner.js';
import { CHUNK } from './steps.js';
import { ESTIMATE_OPTIONS } from './options.js';
import type { EstimateOptions } from './option-types.js';

/** Bytes that a training run takes on top of its learner and its data, by what takes them. */
export interface MemoryEstimate {
  /** First and second moments of parameters and learned rates. */
  optimizer: number;
  /** Copies of the whole state: of the best epoch, and of the checkpoint while it is written. */
  snapshots: number;
  /** The columns of the data in the model's ids, as the native core holds them. */
  data: number;
  /** Shards that are read, and those that are read ahead; 0 for tasks in memory. */
  reading: number;
  /** Rows and gradients of the tasks of one outer step, and rows of the next one. */
  batch: number;
  /** One task at work on every thread: activations of its rows at every inner step, and its adapted parameters. */
  tasks: number;
  /** Bytes of the training in all: the parts above. */
  total: number;
  /** What the process holds as the estimate is made: Node itself, ids and features, the learner's parameters. Not in `total`. */
  held: number;
  /** `held`, `total`, and 32 MB for code and garbage: the most that the process comes to hold. */
  peak: number;
}

/** Row numbers of a batch row: five sides, each in JavaScript, in the core and in its index. */
const BATCH_ROW = 5 * (4 + 4 + 4) + 16;
/** Code that is compiled and arrays that wait for the garbage collector, which lets some pile up however small a run is. */
const UNCOLLECTED = 32e6;
/** A row of a task that was read: its columns, and its number among the support or query rows. */
const READ_ROW = 4 + 4 + 4 + 8 + 4 + 1 + 4;
/** A thread's scratch memory is a quarter more than the largest task took. */
const SCRATCH_SLACK = 1.25;

/**
 * Estimates the memory of `train(learner, tasks, options)` from the shapes of parameters and tasks, within half as much again
 * of what the run takes at most; a run on few small tasks takes some megabytes more for code and garbage.
 */
export function estimateTraining(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  options: EstimateOptions = {},
): MemoryEstimate {
  if (!(learner instanceof Learner)) throw invalid('learner', 'not a learner', learner, 'what createLearner returned');
  if (!isTaskSource(tasks)) checkAnyTaskSet(tasks, 'tasks');
  const source = isTaskSource(tasks) ? tasks : taskSource(tasks);
  const { metaBatch, snapshots } = resolveOptions(options, 'options', ESTIMATE_OPTIONS);
  const { model, algorithm } = learner;
  const bytes = model.precision === 'float32' ? 4 : 8;
  const tables = model.tensors.filter(({ embedding }) => embedding);
  const values = algorithm.rates === 'perParameter' ? 2 * model.size : model.size;
  const dense = model.size - tables.reduce((sum, { shape }) => sum + elements(shape), 0);

  // A table keeps the step of its last update for every row.
  const moments = 2 * values * bytes + tables.reduce((sum, { shape }) => sum + 8 * shape[0], 0);
  const state = values * bytes + moments;

  const sizes = Int32Array.from({ length: source.size }, (_, t) => rowsOf(source.sizeOf(t))).sort();
  const batchRows = sizes.subarray(-metaBatch).reduce((a, b) => a + b, 0);
  // The batch at work, and the next one of the epoch, which is packed meanwhile.
  const batches = source.size > metaBatch ? 2 : 1;
  // A row touches one table row of a categorical input; of bags it is not known, but they repeat.
  const dims = tables.reduce((sum, { shape }) => sum + shape[1], 0);
  // Rows by task, and their sums.
  const touched =
    batchRows * dims + tables.reduce((sum, { shape }) => sum + Math.min(shape[0], batchRows) * shape[1], 0);
  // What ridge adapts to at the end of training: a chunk of tasks with two numbers a row. Those in memory are there already.
  const chunkRows = sizes.subarray(-CHUNK).reduce((a, b) => a + b, 0);
  const closing = isTaskSource(tasks) && algorithm.solver === 'ridge' ? chunkRows * (BATCH_ROW + READ_ROW + 16) : 0;
  const gradients = algorithm.rates === 'perParameter' ? 2 : 1;
  const sums = addon().decisions.chunks(metaBatch, dense * bytes);

  const parts = {
    optimizer: moments,
    // A new one is taken, or a file made of it, while the one before is still held.
    snapshots: 2 * snapshots * state,
    data: dataBytes(learner, source.tables),
    reading: source.readingBytes ?? 0,
    batch: Math.max(
      batches * batchRows * (BATCH_ROW + 2 * bytes) + gradients * (touched + (sums + 1) * dense) * bytes,
      closing,
    ),
    tasks: SCRATCH_SLACK * Math.min(model.threads, metaBatch, source.size) * largestTask(learner, source),
  };
  const total = Object.values(parts).reduce((a, b) => a + b, 0);
  const held = process.memoryUsage.rss();
  return { ...parts, total, held, peak: held + total + UNCOLLECTED };
}

const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

const rowsOf = ({ support, query }: TaskSize): number => support + query;

/** Bytes at work of the task with the most rows, or of that with the most support rows: the larger. */
function largestTask(learner: Learner, source: TaskSource): number {
  if (source.size === 0) return 0;
  const { tables } = source;
  const perRow = learner.model.tensors.map(({ name, embedding }) => (embedding ? rowsRead(name, tables) : undefined));
  const bytesOf = ({ support, query }: TaskSize) => {
    const rows = Float64Array.from(learner.model.tensors, ({ shape }, i) => {
      const read = perRow[i];
      return read === undefined ? 0 : Math.min(shape[0], Math.ceil((read.once ? 1 : support + query) * read.ids));
    });
    return taskBytes(learner, support, query, rows);
  };
  let all = source.sizeOf(0);
  let longest = all;
  for (let t = 1; t < source.size; t++) {
    const size = source.sizeOf(t);
    if (rowsOf(size) > rowsOf(all)) all = size;
    if (size.support > longest.support) longest = size;
  }
  return Math.max(bytesOf(all), bytesOf(longest));
}

/** Bytes of a task of so many rows at work, in a step or in validation, whichever takes more; `rows`: by tensor, those that it reads of a table. */
function taskBytes(learner: Learner, support: number, query: number, rows: Float64Array): number {
  const { algorithm, model } = learner;
  const inner = { ...learner.innerLoop(), ...innerLoopOfEpoch(algorithm, model, Infinity) };
  const bytes = (direction: 'reptile' | 'metaGradient', sizes: TaskSize, steps?: number) =>
    model.ops.taskBytes(
      model.native,
      { ...inner, ...(steps !== undefined && { steps }) },
      { direction, ...sizes, rows },
    );
  const all = support + query;
  const inStep = {
    'meta-gradient': () => bytes('metaGradient', { support, query }),
    reptile: () => bytes('reptile', { support: all, query: 0 }),
    joint: () => bytes('metaGradient', { support: 0, query: all }, 0),
  }[algorithm.direction]();
  // Validation adapts and goes no way back, as Reptile does.
  return Math.max(inStep, bytes('reptile', { support, query }));
}

/** How many rows of a table, which is named `….<input>.weight`, a row of a task reads, or once the whole task. */
function rowsRead(tensor: string, dataset: Dataset): { once: boolean; ids: number } {
  for (const table of [dataset.users, dataset.items, dataset.context]) {
    const column = table.columns.find(({ name }) => tensor.endsWith(`.${name}.weight`));
    if (column === undefined) continue;
    const ids = 'offsets' in column ? column.data.length / Math.max(1, column.offsets.length - 1) : 1;
    return { once: table === dataset.users, ids: Math.max(1, ids) };
  }
  return { once: false, ids: 1 };
}

/** Twice: in JavaScript while they are translated, and in the core. */
function dataBytes({ model }: Learner, dataset: Dataset): number {
  let bytes = 4 * (dataset.users.rows + dataset.items.rows);
  for (const table of [dataset.users, dataset.items, dataset.context]) {
    for (const column of table.columns) {
      if (!model.spec.inputs.some(({ name }) => name === column.name)) continue;
      bytes +=
        column.kind === 'dense' && model.precision === 'float64' ? 2 * column.data.byteLength : column.data.byteLength;
    }
  }
  return 2 * bytes;
}

/** The estimate as one line for people. */
export function describeEstimate(estimate: MemoryEstimate): string {
  const given: unknown = estimate;
  const numbers =
    typeof given === 'object' && given !== null ? Object.values({ total: undefined, held: undefined, ...given }) : [];
  if (numbers.length === 0 || numbers.some((bytes) => typeof bytes !== 'number'))
    throw invalid('estimate', 'not an estimate', estimate, 'what estimateTraining returned');
  const { total, held, peak: _, ...parts } = estimate;
  const largest = Object.entries(parts)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3);
  return `memory: about ${size(total)} for training (${largest.map(([name, bytes]) => `${name} ${size(bytes)}`).join(', ')}), beside ${size(held)} that the process holds, ${size(availableMemory())} available`;
}

/**
 * Refuses what cannot fit.
 *
 * @param available bytes; default: {@link availableMemory}
 * @throws {InnerloopError} UNSUPPORTED naming what takes the memory, how much it needs and how much there is
 */
export function requireMemory(needed: number, field: string, available = availableMemory()): void {
  if (needed <= available) return;
  throw new InnerloopError('UNSUPPORTED', 'does not fit in memory', {
    field,
    value: `about ${size(needed)}`,
    expected: `at most ${size(available)}, which is available: fewer or narrower embeddings, a smaller metaBatch, fewer threads or steps`,
  });
}

/** @param copies of every value: the core's, and where they are given those in JavaScript @internal */
export function parameterBytes(
  tensors: readonly { shape: readonly number[] }[],
  precision: 'float32' | 'float64',
  copies: 1 | 2,
): number {
  return copies * (precision === 'float32' ? 4 : 8) * tensors.reduce((sum, { shape }) => sum + elements(shape), 0);
}
