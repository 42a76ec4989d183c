/** The meta-batches of an epoch: tasks are read, divided anew and packed while the step before is at work. */
import type { NativeBatch } from '../foundation/addon.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { packTaskSet } from '../batch/task-batch.js';
import type { BatchOptions } from '../batch/task-batch.js';
import type { Learner } from '../learner/learner.js';
import { resolveOptions } from '../foundation/options.js';
import { redrawSome } from '../tasks/redraw.js';
import { SUPPORT_SIZE } from '../tasks/options.js';
import type { SupportSize } from '../tasks/option-types.js';
import type { Reading } from './reading.js';
import type { EpochOrder } from './task-sampling.js';

export interface EpochOptions {
  /** Number of tasks of the epoch. */
  size: number;
  reading: Reading;
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
    const { size, metaBatch, epoch } = this.#options;
    if (step * metaBatch >= size) return undefined;
    const at = `epoch ${epoch}, step ${step + 1}, its tasks`;
    const batch = this.#prepare(step * metaBatch, Math.min(size, (step + 1) * metaBatch), at);
    // No one may wait any more where the step before has failed.
    batch.catch(() => undefined);
    return batch;
  }

  async #prepare(from: number, to: number, at: string): Promise<MetaBatch> {
    const learner = this.#learner;
    const { order, epoch, redraw, batch, reading } = this.#options;
    const tasks = order.slice(from, to);
    const read = await reading(tasks, order, at);
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
