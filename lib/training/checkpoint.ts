/** Exact resume: the whole state of a training run in one file, replaced as a whole after every epoch. */
import type { TaskSet } from '../foundation/contract.js';
import { lockFile, readWhole, writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Learner } from '../learner/learner.js';
import { captureState, restoreState, stateFrom, stateTensors } from '../learner/state.js';
import type { LearnerState } from '../learner/state.js';
import { differenceOf, identityOf, manifestOfRun, setRunManifest } from '../learner/manifest.js';
import type { RunManifest } from '../learner/manifest.js';
import { decodeSealed, encodeSealed } from '../files/sealed.js';

const VERSION = '3';
/** What to do about a checkpoint of version 0.1. */
const REMEDY = 'to be finished with innerloop 0.1, or deleted to start anew';
const TASK_LOSSES = 'sampling.taskLosses';

export interface TrainState {
  /** Epochs done before this training. */
  start: number;
  /** Epochs done, with those. */
  epoch: number;
  best: number | undefined;
  bestEpoch: number;
  bestState: LearnerState | undefined;
  /** Early stopping has ended the training. */
  stopped: boolean;
  /** Running mean query loss of each task, where tasks are sampled by it. */
  taskLosses?: Float64Array;
}

export class Checkpoint {
  readonly state: TrainState;
  readonly #path: string | undefined;
  readonly #learner: Learner;
  readonly #manifest: RunManifest;
  readonly #lock: { release(): Promise<void> } | undefined;

  private constructor(
    path: string | undefined,
    learner: Learner,
    manifest: RunManifest,
    lock?: { release(): Promise<void> },
  ) {
    this.#path = path;
    this.#learner = learner;
    this.#manifest = manifest;
    this.#lock = lock;
    const { epochs } = learner;
    this.state = { start: epochs, epoch: epochs, best: undefined, bestEpoch: 0, bestState: undefined, stopped: false };
    setRunManifest(learner, manifest);
  }

  /** Takes the file for this process and, if it exists, puts the learner where it left off. No path: nothing is kept. */
  static async open(
    path: string | undefined,
    learner: Learner,
    tasks: TaskSet,
    validation: TaskSet | undefined,
    settings: object,
  ): Promise<Checkpoint> {
    const manifest = manifestOfRun(learner, validation === undefined ? [tasks] : [tasks, validation], settings);
    if (path === undefined) return new Checkpoint(undefined, learner, manifest);
    const lock = await lockFile(path);
    const checkpoint = new Checkpoint(path, learner, manifest, lock);
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
    const { start, epoch, best, bestEpoch, bestState, stopped, taskLosses } = this.state;
    const tensors = {
      ...stateTensors(captureState(this.#learner), 'state.'),
      ...(bestState && stateTensors(bestState, 'best.')),
      ...(taskLosses && { [TASK_LOSSES]: { shape: [taskLosses.length], data: taskLosses } }),
    };
    const run = { start, epoch, best: best ?? null, bestEpoch, stopped };
    await writeDurable(
      this.#path,
      encodeSealed(tensors, {
        format: 'innerloop-checkpoint',
        version: VERSION,
        fingerprint: identityOf(this.#manifest),
        manifest: JSON.stringify(this.#manifest),
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
    const { tensors, metadata } = decodeSealed(bytes, path, REMEDY);
    if (metadata['format'] !== 'innerloop-checkpoint' || metadata['version'] !== VERSION) {
      throw new InnerloopError('MODEL_FILE', 'not a checkpoint of this version', {
        field: path,
        value: metadata['format'],
      });
    }
    if (metadata['fingerprint'] !== identityOf(this.#manifest)) {
      const difference = differenceOf(parseManifest(metadata['manifest'], path), this.#manifest);
      throw new InnerloopError('MODEL_FILE', `the checkpoint belongs to another run: ${difference}`, {
        field: path,
        expected: 'the run it was made by; delete the file (--fresh) to start anew',
      });
    }
    const { precision } = this.#learner.model;
    const current = stateFrom(tensors, 'state.', precision, path);
    if (current === undefined) throw new InnerloopError('MODEL_FILE', 'the checkpoint holds no state', { field: path });
    const run = parseRun(metadata['run'], path);
    for (const kind of ['isa', 'device'] as const) {
      const now = this.#manifest[kind];
      now.unshift(...machinesOf(kind, metadata['manifest'], path).filter((name) => name !== now[0]));
    }
    restoreState(this.#learner, current, path);
    const taskLosses = tensors[TASK_LOSSES]?.data as Float64Array | undefined;
    Object.assign(this.state, run, { bestState: stateFrom(tensors, 'best.', precision, path), taskLosses });
  }
}

/** More than any number of trainings reaches. */
const MOST_EPOCHS = 2 ** 40;

function parseRun(text: string | undefined, field: string): Omit<TrainState, 'bestState'> {
  let run: Record<string, unknown> = {};
  try {
    run = JSON.parse(text ?? '') as Record<string, unknown>;
  } catch {
    // An unreadable text is refused below, as an incomplete one is.
  }
  const { start = 0, epoch, best, bestEpoch, stopped } = run ?? {};
  // In this order they were counted; another order would train for as long as the numbers differ.
  const areCounted = [0, start, epoch, MOST_EPOCHS].every(
    (n, i, all) => Number.isSafeInteger(n) && (i === 0 || (n as number) >= (all[i - 1] as number)),
  );
  const isBest =
    Number.isSafeInteger(bestEpoch) && (bestEpoch as number) >= 0 && (bestEpoch as number) <= (epoch as number);
  if (!areCounted || !isBest || typeof stopped !== 'boolean') {
    throw new InnerloopError('MODEL_FILE', 'the record of the run is damaged', { field, value: text });
  }
  return {
    start: start as number,
    epoch: epoch as number,
    best: typeof best === 'number' ? best : undefined,
    bestEpoch: bestEpoch as number,
    stopped,
  };
}

function parseManifest(text: string | undefined, field: string): Partial<RunManifest> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text ?? '');
  } catch {
    // Refused below.
  }
  if (typeof manifest === 'object' && manifest !== null) return manifest;
  throw new InnerloopError('MODEL_FILE', 'the manifest of the run is damaged', { field, value: text });
}

/** Instruction sets or devices that the run was on before: with another one now, its bytes are no longer those of one machine. */
function machinesOf(kind: 'isa' | 'device', text: string | undefined, field: string): string[] {
  // Before there was a choice, runs were on the processor.
  const { [kind]: names } = { device: ['cpu'], ...parseManifest(text, field) } as { isa?: unknown; device?: unknown };
  if (Array.isArray(names) && names.every((name): name is string => typeof name === 'string')) return names;
  throw new InnerloopError('MODEL_FILE', 'the manifest of the run is damaged', { field, value: text });
}
