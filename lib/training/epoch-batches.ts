/** The meta-batches of an epoch: tasks are read, divided anew and packed while the step before is at work. */
import type { NativeBatch } from '../foundation/addon.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { packTaskSet } from '../batch/task-batch.js';
import type { BatchOptions } from '../batch/task-batch.js';
import type { Learner } from '../learner/learner.js';
import { resolveOptions } from '../foundation/options.js';
import { redrawSome } from '../tasks/redraw.js';
import { SUPPORT_SIZE } from '../tasks/options.js';
import type { SupportSize } from '../tasks/option-types.js';
import { readTasks } from '../tasks/task-source.js';
import type { EpochOrder } from './task-sampling.js';

export interface EpochOptions {
  source: TaskSource;
  order: EpochOrder;
  seed: number;
  epoch: number;
  metaBatch: number;
  /** Draw support and query anew. */
  redraw: boolean;
  /** And how many rows are support. */
  supportSize: SupportSize | undefined;
  batch: Omit<BatchOptions, 'rows' | 'epoch' | 'numbers'>;
}

export interface MetaBatch {
  native: NativeBatch;
  /** Numbers of the tasks in the source, and what they are called. */
  tasks: Int32Array;
  keys: readonly string[];
}

/** Packs the batches of an epoch, one step after the other. */
export class EpochBatches {
  readonly #learner: Learner;
  readonly #options: EpochOptions;
  readonly #stream: Random;
  readonly #sizes: Required<SupportSize> | undefined;

  constructor(learner: Learner, options: EpochOptions) {
    this.#learner = learner;
    this.#options = options;
    this.#stream = random(options.seed, 'redraw', options.epoch);
    const { supportSize } = options;
    this.#sizes = supportSize && resolveOptions(supportSize, 'train.supportSize', SUPPORT_SIZE);
  }

  /** @param step from 0; undefined beyond the last one. What fails is told to whoever waits for it. */
  prepare(step: number): Promise<MetaBatch> | undefined {
    const { source, metaBatch } = this.#options;
    if (step * metaBatch >= source.size) return undefined;
    const batch = this.#prepare(step * metaBatch, Math.min(source.size, (step + 1) * metaBatch));
    // No one may wait any more where the step before has failed.
    batch.catch(() => undefined);
    return batch;
  }

  async #prepare(from: number, to: number): Promise<MetaBatch> {
    const learner = this.#learner;
    const { source, order, epoch, redraw, batch } = this.#options;
    const tasks = order.slice(from, to);
    const read = await readTasks(source, tasks, 'tasks');
    const ahead = source.readAhead === undefined ? undefined : order.ahead();
    if (ahead !== undefined && ahead.length > 0) source.readAhead!(ahead);
    const drawn = redraw ? redrawSome(read, tasks, this.#stream, this.#sizes) : read;
    const { dataset, size, keys } = drawn;
    const indices = Int32Array.from({ length: size }, (_, t) => t);
    const native = packTaskSet(learner.model, learner.bind(dataset), drawn, indices, 0, size, {
      ...batch,
      rows: learner.rows(dataset),
      epoch,
      numbers: tasks,
    });
    return { native, tasks, keys };
  }
}
