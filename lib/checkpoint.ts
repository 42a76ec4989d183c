/** Exact resume: the whole state of a training run in one file, replaced as a whole after every epoch. */
import { createHash } from 'node:crypto';
import { addon } from './addon.js';
import type { TaskSet } from './contract.js';
import { lockFile, readWhole, writeDurable } from './durable.js';
import { InnerloopError } from './errors.js';
import type { Learner } from './learner.js';
import { captureState, restoreState, stateFrom, stateTensors } from './learner-state.js';
import type { LearnerState } from './learner-state.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

const VERSION = '1';

export interface TrainState {
  /** Epochs done. */
  epoch: number;
  best: number | undefined;
  bestEpoch: number;
  bestState: LearnerState | undefined;
  /** Early stopping has ended the training. */
  stopped: boolean;
}

export class Checkpoint {
  readonly state: TrainState = { epoch: 0, best: undefined, bestEpoch: 0, bestState: undefined, stopped: false };
  readonly #path: string | undefined;
  readonly #learner: Learner;
  readonly #fingerprint: string;
  readonly #lock: { release(): Promise<void> } | undefined;

  private constructor(path: string | undefined, learner: Learner, fingerprint: string, lock?: { release(): Promise<void> }) {
    this.#path = path;
    this.#learner = learner;
    this.#fingerprint = fingerprint;
    this.#lock = lock;
  }

  /** Takes the file for this process and, if it exists, puts the learner where it left off. No path: nothing is kept. */
  static async open(
    path: string | undefined,
    learner: Learner,
    tasks: TaskSet,
    validation: TaskSet | undefined,
    settings: object,
  ): Promise<Checkpoint> {
    if (path === undefined) return new Checkpoint(undefined, learner, '');
    const lock = await lockFile(path);
    const checkpoint = new Checkpoint(path, learner, fingerprint(learner, validation === undefined ? [tasks] : [tasks, validation], settings), lock);
    try {
      await checkpoint.#load(path);
    } catch (error) {
      await lock.release();
      throw error;
    }
    return checkpoint;
  }

  capture(): LearnerState {
    return captureState(this.#learner);
  }

  restore(state: LearnerState): void {
    restoreState(this.#learner, state, this.#path ?? 'best epoch');
  }

  async save(): Promise<void> {
    if (this.#path === undefined) return;
    const { epoch, best, bestEpoch, bestState, stopped } = this.state;
    const tensors = { ...stateTensors(captureState(this.#learner), 'state.'), ...(bestState && stateTensors(bestState, 'best.')) };
    const run = { epoch, best: best ?? null, bestEpoch, stopped };
    await writeDurable(
      this.#path,
      encodeSafetensors(tensors, {
        format: 'innerloop-checkpoint',
        version: VERSION,
        fingerprint: this.#fingerprint,
        isa: addon().isa,
        run: JSON.stringify(run),
      }),
    );
  }

  async close(): Promise<void> {
    await this.#lock?.release();
  }

  async #load(path: string): Promise<void> {
    let bytes: Uint8Array;
    try {
      bytes = await readWhole(path);
    } catch (error) {
      if (error instanceof InnerloopError && error.code === 'MISSING_FILE') return;
      throw error;
    }
    const { tensors, metadata } = decodeSafetensors(bytes, path);
    if (metadata['format'] !== 'innerloop-checkpoint' || metadata['version'] !== VERSION) {
      throw new InnerloopError('MODEL_FILE', 'not a checkpoint of this version', { field: path, value: metadata['format'] });
    }
    if (metadata['fingerprint'] !== this.#fingerprint) {
      throw new InnerloopError('MODEL_FILE', 'the checkpoint belongs to another model, configuration or data', {
        field: path,
        expected: 'the run it was made by; delete the file to start anew',
      });
    }
    const { precision } = this.#learner.model;
    const current = stateFrom(tensors, 'state.', precision, path);
    if (current === undefined) throw new InnerloopError('MODEL_FILE', 'the checkpoint holds no state', { field: path });
    const run = parseRun(metadata['run'], path);
    restoreState(this.#learner, current, path);
    Object.assign(this.state, run, { bestState: stateFrom(tensors, 'best.', precision, path) });
  }
}

function parseRun(text: string | undefined, field: string): Omit<TrainState, 'bestState'> {
  let run: Record<string, unknown> = {};
  try {
    run = JSON.parse(text ?? '') as Record<string, unknown>;
  } catch {
    // An unreadable text is refused below, as an incomplete one is.
  }
  const { epoch, best, bestEpoch, stopped } = run ?? {};
  if (!Number.isInteger(epoch) || !Number.isInteger(bestEpoch) || typeof stopped !== 'boolean') {
    throw new InnerloopError('MODEL_FILE', 'the record of the run is damaged', { field, value: text });
  }
  return { epoch: epoch as number, best: typeof best === 'number' ? best : undefined, bestEpoch: bestEpoch as number, stopped };
}

/** Everything that decides what a run computes: model, algorithm, settings and data. */
function fingerprint(learner: Learner, taskSets: readonly TaskSet[], settings: object): string {
  const { model, algorithm, optimizer, seed } = learner;
  const hash = createHash('sha256');
  hash.update(JSON.stringify([VERSION, model.spec, model.precision, algorithm, optimizer, seed, settings]));
  for (const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } of taskSets) {
    for (const array of [dataset.user, dataset.item, dataset.label, supportOffsets, supportRows, queryOffsets, queryRows]) {
      hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    }
    for (const table of [dataset.users, dataset.items, dataset.context]) {
      for (const { name, data } of table.columns) hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
  return hash.digest('hex');
}
