/** Which tasks an epoch trains on, and how much each counts. */
import { isTyped } from '../foundation/typed-arrays.js';
import { invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import type { TaskShards, TaskSource } from '../foundation/task-source-types.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionKind, OptionTable } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { taskGroups } from '../tasks/key.js';
import { isTaskSource, shardOf, taskSource } from '../tasks/task-source.js';
import type { TaskSampling } from './option-types.js';

export type { TaskSampling };

const power = <const D extends string>(doc: D) => ({ kind: 'number', min: 0, max: 10, default: 1, doc }) as const;
/** Options of a sampling by what it goes by. @internal */
export const SAMPLING_OPTIONS = {
  size: { power: power('p ∝ rows^power, rows being support and query together.') },
  loss: {
    power: power(
      'p = (1 − floor)·ℓ^power / Σ ℓ^power + floor / tasks, where ℓ is the running mean of a task’s query loss.',
    ),
    decay: {
      kind: 'number',
      min: 0,
      max: 1,
      default: 0.7,
      doc: 'Of the running mean: ℓ ← decay·ℓ + (1 − decay)·loss at every draw.',
    },
    floor: { kind: 'number', min: 0, max: 1, default: 0.2, doc: 'Share that is drawn evenly.' },
  },
  stratified: { column: { kind: 'text', required: true, doc: 'A categorical or bag feature; see taskGroups.' } },
} as const satisfies Record<string, OptionTable>;

/** @internal */
export const TASK_SAMPLING = {
  kind: 'any',
  of: [
    { kind: 'choice', of: ['uniform', 'size', 'loss'] },
    { kind: 'variant', tag: 'by', of: SAMPLING_OPTIONS },
  ],
  what: 'one of uniform, size, loss, or { by: … }',
} as const satisfies OptionKind;

/** Draws the tasks of every epoch. State: the running losses of `loss`, nothing else. @internal */
export class TaskSampler {
  /** Running mean query loss of each task, NaN before its first draw; undefined unless sampling by loss. */
  readonly losses: Float64Array | undefined;
  readonly #size: number;
  readonly #seed: number;
  readonly #weights: Float64Array | undefined;
  readonly #loss: { power: number; decay: number; floor: number } | undefined;

  /** @param losses the state of an interrupted training */
  constructor(tasks: TaskSet | TaskSource, sampling: TaskSampling, seed: number, field: string, losses?: Float64Array) {
    this.#size = tasks.size;
    this.#seed = seed;
    const options: Exclude<TaskSampling, string> | { by: 'uniform' } =
      typeof sampling === 'string' ? { by: sampling } : sampling;
    if (options.by === 'size') {
      const { power = SAMPLING_OPTIONS.size.power.default } = options;
      this.#weights = sizesOf(tasks).map((size) => size ** power);
    } else if (options.by === 'stratified') {
      if (isTaskSource(tasks)) throw invalid(field, 'needs tasks in memory', sampling, 'uniform, size or loss');
      this.#weights = strataShares(tasks, options.column, `${field}.column`);
    } else if (options.by === 'loss') {
      const { by: _, ...given } = options;
      this.#loss = resolveOptions(given, field, SAMPLING_OPTIONS.loss);
      this.losses = losses?.length === tasks.size ? losses : new Float64Array(tasks.size).fill(Number.NaN);
    }
  }

  /** The epoch's tasks in the order of training: a function of (seed, epoch, the state), shuffled. */
  draw(epoch: number): Int32Array {
    const weights = this.#loss === undefined ? this.#weights : this.#lossWeights();
    const picked = Int32Array.from({ length: this.#size }, (_, t) => t);
    if (weights !== undefined) systematic(picked, weights, random(this.#seed, 'train.sample', epoch).uniform());
    return random(this.#seed, 'train.order', epoch).shuffle(picked);
  }

  /** @param tasks of a meta-batch and their query losses */
  update(tasks: Int32Array, taskLosses: ArrayLike<number>): void {
    if (this.losses === undefined) return;
    const { decay } = this.#loss!;
    for (let k = 0; k < tasks.length; k++) {
      const before = this.losses[tasks[k]];
      this.losses[tasks[k]] = Number.isNaN(before) ? taskLosses[k] : decay * before + (1 - decay) * taskLosses[k];
    }
  }

  #lossWeights(): Float64Array | undefined {
    const { power, floor } = this.#loss!;
    let sum = 0;
    let seen = 0;
    // Cross-entropies and squared errors are not negative; a loss that is would have no probability.
    const weights = this.losses!.map((loss) => Math.max(loss, 0) ** power);
    for (const weight of weights) {
      if (Number.isNaN(weight)) continue;
      sum += weight;
      seen++;
    }
    if (!(sum > 0)) return undefined;
    // A task that was never drawn counts as an average one.
    return weights.map((weight) => (1 - floor) * (Number.isNaN(weight) ? sum / seen : weight) + (floor * sum) / seen);
  }
}

/** The tasks of an epoch, in the order of training. @internal */
export interface EpochOrder {
  /** The draws from one place of the epoch to another, in ascending turns. */
  slice(from: number, to: number): Int32Array;
  /** What is trained on after all that `slice` has had to look at; empty where nothing has to be read before. */
  ahead(): Int32Array;
  /** By task, which of so many processes owns it. Without it tasks have no owners. */
  owners?(tasks: Int32Array, processes: number): Int32Array;
}

/** @internal */
export const orderOf = (drawn: Int32Array): EpochOrder => ({
  slice: (from, to) => drawn.subarray(from, to),
  ahead: () => new Int32Array(0),
});

/**
 * Every task once: shards in random order, and the tasks of so many shards in random order. Two windows are held, never all tasks.
 * A function of (seed, epoch, shards).
 *
 * @internal
 */
export class ShardOrder implements EpochOrder {
  readonly #shards: TaskShards;
  readonly #order: Int32Array;
  readonly #stream: Random;
  /** By shard, its turn in the epoch. */
  readonly #place: Int32Array;
  /** Draws before each window. */
  readonly #starts: number[] = [0];
  /** The newest windows, by number. */
  readonly #held = new Map<number, Int32Array>();
  /** The last window that was trained on. */
  #current = 0;

  constructor(shards: TaskShards, seed: number, epoch: number) {
    const { offsets, window } = shards;
    this.#shards = shards;
    this.#stream = random(seed, 'train.windows', epoch);
    this.#order = this.#stream.child('shards').shuffle(Int32Array.from({ length: offsets.length - 1 }, (_, s) => s));
    this.#place = new Int32Array(this.#order.length);
    this.#order.forEach((shard, turn) => (this.#place[shard] = turn));
    for (let s = 0; s < this.#order.length; s += window) {
      const own = this.#order.subarray(s, s + window);
      this.#starts.push(own.reduce((sum, shard) => sum + offsets[shard + 1] - offsets[shard], this.#starts.at(-1)!));
    }
  }

  slice(from: number, to: number): Int32Array {
    const drawn = new Int32Array(to - from);
    let w = 0;
    for (let at = from; at < to;) {
      while (this.#starts[w + 1] <= at) w++;
      const start = this.#starts[w];
      this.#current = w;
      const part = this.#window(w).subarray(at - start, to - start);
      drawn.set(part, at - from);
      at += part.length;
    }
    return drawn;
  }

  ahead(): Int32Array {
    const next = this.#current + 1;
    return next + 1 < this.#starts.length ? this.#window(next) : new Int32Array(0);
  }

  /** The shards of a window are dealt out in turn, so that every process has as many of them as can be. */
  owners(tasks: Int32Array, processes: number): Int32Array {
    const { offsets, window } = this.#shards;
    return tasks.map((task) => (this.#place[shardOf(offsets, task)] % window) % processes);
  }

  #window(w: number): Int32Array {
    const known = this.#held.get(w);
    if (known !== undefined) return known;
    const { offsets, window } = this.#shards;
    const tasks = new Int32Array(this.#starts[w + 1] - this.#starts[w]);
    let next = 0;
    for (const shard of this.#order.subarray(w * window, (w + 1) * window))
      for (let t = offsets[shard]; t < offsets[shard + 1]; t++) tasks[next++] = t;
    for (const old of this.#held.keys()) if (old < w - 1) this.#held.delete(old);
    this.#held.set(w, this.#stream.child('tasks', w).shuffle(tasks));
    return tasks;
  }
}

/** Draws `picked.length` tasks, task t ⌊n·p_t⌋ or ⌈n·p_t⌉ times and n·p_t times in the mean: systematic sampling. @param start in [0, 1) */
function systematic(picked: Int32Array, weights: Float64Array, start: number): void {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const n = picked.length;
  let passed = 0;
  for (let t = 0, k = 0; t < weights.length && k < n; t++) {
    passed += weights[t];
    // The last task takes what rounding of the sum left over.
    const end = t === weights.length - 1 ? n : (passed / total) * n;
    while (k < n && k + start < end) picked[k++] = t;
  }
}

function sizesOf(tasks: TaskSet | TaskSource): Float64Array {
  const source = isTaskSource(tasks) ? tasks : taskSource(tasks);
  return Float64Array.from({ length: source.size }, (_, t) => {
    const { support, query } = source.sizeOf(t);
    return support + query;
  });
}

function strataShares(tasks: TaskSet, column: string, field: string): Float64Array {
  const { names, group } = taskGroups(tasks, column, field);
  const counts = new Int32Array(names.length);
  for (const g of group) counts[g]++;
  return Float64Array.from(group, (g) => 1 / counts[g]);
}

/** One positive number a task. @internal */
export function checkTaskWeights(
  weights: unknown,
  tasks: { size: number },
  field: string,
): asserts weights is Float64Array {
  if (!isTyped(weights, 'Float64Array') || weights.length !== tasks.size) {
    throw invalid(field, 'not one weight a task', weights, `Float64Array(${tasks.size})`);
  }
  weights.forEach((weight, t) => {
    if (!(weight > 0 && Number.isFinite(weight)))
      throw invalid(`${field}[${t}]`, 'not a weight', weight, 'a finite number > 0');
  });
}
