/**
 * The meta-batches of an epoch: tasks are read, divided anew and packed while the step before is at work. Of several processes each
 * does so with its own part of a step alone.
 */
import type { OrderedGroup } from '../foundation/process-group.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { packPart, packTaskSet } from '../batch/task-batch.js';
import type { BatchOptions } from '../batch/task-batch.js';
import type { Learner } from '../learner/learner.js';
import { ownPart, wholeOf } from '../learner/step-part.js';
import type { StepBatch } from '../learner/step-part.js';
import type { TaskSet } from '../foundation/contract.js';
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
  /** The processes that share every step, if any do. */
  group: OrderedGroup | undefined;
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
  batch: StepBatch;
  /** Numbers in the source of all tasks of the step. */
  tasks: Int32Array;
  /** What those of the batch are called. */
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
    const batch = this.#prepare(
      step * metaBatch,
      Math.min(size, (step + 1) * metaBatch),
      `epoch ${epoch}, step ${step + 1}`,
    );
    // No one may wait any more where the step before has failed.
    batch.catch(() => undefined);
    return batch;
  }

  async #prepare(from: number, to: number, at: string): Promise<MetaBatch> {
    const { model } = this.#learner;
    const { order, group, reading } = this.#options;
    const tasks = order.slice(from, to);
    const before = `${at}, its tasks`;
    if (group === undefined) {
      const drawn = this.#draw(await reading(tasks, [0, tasks.length], order, before), tasks);
      const all = Int32Array.from({ length: drawn.size }, (_, t) => t);
      const bound = this.#learner.bind(drawn.dataset);
      const native = packTaskSet(model, bound, drawn, all, 0, drawn.size, this.#packing(drawn, tasks));
      return { batch: { native }, tasks, keys: drawn.keys };
    }
    const own = ownPart(model, tasks.length, group);
    const numbers = tasks.subarray(...own);
    // Whatever is exchanged is asked for before anything is awaited, so that all processes do so in one order.
    const read = reading(tasks, own, order, before).then((part) => this.#draw(part, numbers));
    const packed = read.then((drawn) =>
      packPart(model, this.#learner.bind(drawn.dataset), drawn, this.#packing(drawn, numbers)),
    );
    const whole = await wholeOf(model, packed, tasks.length, group, before);
    const [{ native }, { keys }] = [await packed, await read];
    return { batch: { native, shared: { group, whole, at } }, tasks, keys };
  }

  /** @param numbers of the tasks in the source */
  #draw(tasks: TaskSet, numbers: Int32Array): TaskSet {
    return this.#options.redraw ? redrawSome(tasks, numbers, this.#stream, this.#sizes) : tasks;
  }

  #packing({ dataset }: TaskSet, numbers: Int32Array): BatchOptions {
    const { batch, epoch } = this.#options;
    return { ...batch, rows: this.#learner.rows(dataset), epoch, numbers };
  }
}
