/** Exact resume: the whole state of a training run in one file, replaced as a whole after every epoch, and after so many steps where asked. */
import type { Precision, TaskSet } from '../foundation/contract.js';
import { lockFile, readWhole, writeDurable } from '../files/durable.js';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { allGatherJson, broadcast } from '../foundation/process-group.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import type { NamedArray } from '../files/safetensors.js';
import type { Learner } from '../learner/learner.js';
import { captureState, restoreState, stateFrom, stateTensors } from '../learner/state.js';
import type { LearnerState } from '../learner/state.js';
import { differenceOf, identityOf, manifestOfRun, setRunManifest } from '../learner/manifest.js';
import type { DataFingerprint, ReadTasks, RunManifest } from '../learner/manifest.js';
import { decodeSealed, encodeSealed } from '../files/sealed.js';

const VERSION = '3';
/** What to do about a checkpoint of version 0.1. */
const REMEDY = 'to be finished with innerloop 0.1, or deleted to start anew';
const TASK_LOSSES = 'sampling.taskLosses';
const ORDER = 'epoch.order';

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
  /** The epoch that is under way. */
  partial?: PartialEpoch;
}

export interface PartialEpoch {
  /** Outer steps done. */
  step: number;
  /** The tasks drawn; undefined where the seed and the epoch say which. */
  order: Int32Array | undefined;
  /** Sum of the losses of the draws done. */
  losses: number;
  /** Sum of the gradients' norms. */
  norms: number;
}

/** Where a checkpoint is kept, by the first of the processes that train together. */
export interface Keeping {
  path: string | undefined;
  group: ProcessGroup | undefined;
  signal: AbortSignal | undefined;
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

  /**
   * Takes the file for this process and, if it exists, puts the learner where it left off. No path: nothing is kept. In a group
   * the process of rank 0 reads and writes the file for all.
   *
   * @throws {InnerloopError} RANK if the processes of the group do not train the same; see `#load`
   */
  static async open(
    { path: given, group, signal }: Keeping,
    learner: Learner,
    tasks: TaskSet | ReadTasks,
    validation: TaskSet | ReadTasks | undefined,
    settings: object,
  ): Promise<Checkpoint> {
    const manifest = await manifestOfRun(learner, tasks, validation, settings, signal);
    if (group !== undefined) await requireSameRun(group, manifest, given);
    const path = group === undefined || group.rank === 0 ? given : undefined;
    const lock = path === undefined ? undefined : await lockFile(path);
    const checkpoint = new Checkpoint(path, learner, manifest, lock);
    try {
      let bytes = path === undefined ? undefined : await readIfThere(path);
      if (group !== undefined) bytes = await broadcast(group, bytes ?? new Uint8Array(0), 'reading the checkpoint');
      // No file is empty that was written as a whole; an empty one is refused as damaged.
      if (bytes !== undefined && (group === undefined || bytes.length > 0))
        checkpoint.#load(bytes, given ?? 'checkpoint');
    } catch (error) {
      await lock?.release();
      throw error;
    }
    return checkpoint;
  }

  /**
   * Checks the epoch under way, if the checkpoint was saved within one.
   * @param drawn tasks whose order is kept, if any
   * @throws {InnerloopError} if this training does not reach it
   */
  checkUnderWay(drawn: number | undefined, steps: number, lastEpoch: number): void {
    const { partial, epoch } = this.state;
    if (partial === undefined) return;
    const field = this.#path ?? 'checkpoint';
    if (partial.order?.length !== drawn || partial.step >= steps)
      throw new InnerloopError('MODEL_FILE', 'the record of the epoch is damaged', { field, value: partial.step });
    if (epoch >= lastEpoch)
      throw invalid(
        'train.epochs',
        `ends before epoch ${epoch + 1}, within which it was interrupted`,
        lastEpoch,
        `at least ${epoch + 1}`,
      );
  }

  capture(): LearnerState {
    return captureState(this.#learner);
  }

  restore(state: LearnerState): void {
    restoreState(this.#learner, state, this.#path ?? 'best epoch');
  }

  async save(): Promise<void> {
    if (this.#path === undefined) return;
    const { start, epoch, best, bestEpoch, bestState, stopped, taskLosses, partial } = this.state;
    const tensors = {
      ...stateTensors(captureState(this.#learner), 'state.'),
      ...(bestState && stateTensors(bestState, 'best.')),
      ...(taskLosses && { [TASK_LOSSES]: { shape: [taskLosses.length], data: taskLosses } }),
      ...(partial?.order && { [ORDER]: { shape: [partial.order.length], data: partial.order } }),
    };
    const run = {
      start,
      epoch,
      best: best ?? null,
      bestEpoch,
      stopped,
      ...(partial && { step: partial.step, losses: partial.losses, norms: partial.norms }),
    };
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

  #load(bytes: Uint8Array, path: string): void {
    const { tensors, metadata } = decode(bytes, path);
    if (metadata['fingerprint'] !== identityOf(this.#manifest)) {
      const difference = differenceOf(parseManifest(metadata['manifest'], path), this.#manifest);
      throw new InnerloopError('MODEL_FILE', `the checkpoint belongs to another run: ${difference}`, {
        field: path,
        expected: 'the run it was made by; delete the file (--fresh) to start anew',
      });
    }
    const { precision } = this.#learner.model;
    const current = lastState(tensors, precision, path);
    const { step, losses, norms, ...run } = parseRun(metadata['run'], path);
    for (const kind of ['isa', 'device'] as const) {
      const now = this.#manifest[kind];
      now.unshift(...machinesOf(kind, metadata['manifest'], path).filter((name) => name !== now[0]));
    }
    restoreState(this.#learner, current, path);
    const taskLosses = tensors[TASK_LOSSES]?.data as Float64Array | undefined;
    const partial = step === 0 ? undefined : { step, losses, norms, order: orderOf(tensors, path) };
    Object.assign(this.state, run, { bestState: stateFrom(tensors, 'best.', precision, path), taskLosses, partial });
  }
}

function decode(bytes: Uint8Array, path: string) {
  const decoded = decodeSealed(bytes, path, REMEDY);
  const { format, version } = decoded.metadata;
  if (format !== 'innerloop-checkpoint' || version !== VERSION)
    throw new InnerloopError('MODEL_FILE', 'not a checkpoint of this version', { field: path, value: format });
  return decoded;
}

function lastState(tensors: Record<string, NamedArray>, precision: Precision, field: string): LearnerState {
  const state = stateFrom(tensors, 'state.', precision, field);
  if (state === undefined) throw new InnerloopError('MODEL_FILE', 'the checkpoint holds no state', { field });
  return state;
}

/**
 * @internal A run that was not finished, for going on with other data than its own.
 * @returns data: that it was trained on; restore: puts a learner of the run where the last epoch left it. Steps of an epoch that was
 * under way are done, and the epoch is not counted.
 */
export async function readCheckpoint(
  path: string,
): Promise<{ data: Partial<DataFingerprint>; restore: (learner: Learner) => void }> {
  const { tensors, metadata } = decode(await readWhole(path), path);
  return {
    data: parseManifest(metadata['manifest'], path).data ?? {},
    restore: (learner) => {
      restoreState(learner, lastState(tensors, learner.model.precision, path), path);
      learner.epochs = parseRun(metadata['run'], path).epoch;
    },
  };
}

/** More than any number of trainings reaches. */
const MOST_EPOCHS = 2 ** 40;

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readWhole(path);
  } catch (error) {
    if (error instanceof InnerloopError && error.code === 'MISSING_FILE') return undefined;
    throw error;
  }
}

/** Processes that train different things, or by instructions that round differently, would not stay together. */
async function requireSameRun(group: ProcessGroup, manifest: RunManifest, path: string | undefined): Promise<void> {
  const own = { kept: path !== undefined, manifest };
  const [first] = await allGatherJson(group, own, 'the beginning of training');
  const [there, here] = [first.manifest.isa[0], manifest.isa[0]];
  const difference =
    identityOf(first.manifest) !== identityOf(manifest)
      ? differenceOf(first.manifest, manifest)
      : there !== here
        ? `the instruction set is ${there} there and ${here} here (INNERLOOP_ISA sets one for all)`
        : first.kept !== own.kept
          ? 'one keeps a checkpoint and the other does not'
          : undefined;
  if (difference === undefined) return;
  throw new InnerloopError('RANK', `trains something else than the process of rank 0: ${difference}`, {
    field: `rank ${group.rank}`,
    expected: 'the same configuration, data and version for all processes',
  });
}

function orderOf(tensors: Record<string, NamedArray>, field: string): Int32Array | undefined {
  const order = tensors[ORDER]?.data;
  if (order === undefined) return undefined;
  if (order instanceof Int32Array && order.every((task) => task >= 0 && task < order.length)) return order;
  throw new InnerloopError('MODEL_FILE', 'the record of the epoch is damaged', { field });
}

function parseRun(
  text: string | undefined,
  field: string,
): Omit<TrainState, 'bestState'> & Omit<PartialEpoch, 'order'> {
  let run: Record<string, unknown> = {};
  try {
    run = JSON.parse(text ?? '') as Record<string, unknown>;
  } catch {
    // An unreadable text is refused below, as an incomplete one is.
  }
  const { start = 0, epoch, best, bestEpoch, stopped, step = 0, losses = 0, norms = 0 } = run ?? {};
  // In this order they were counted; another order would train for as long as the numbers differ.
  const areCounted = [0, start, epoch, MOST_EPOCHS].every(
    (n, i, all) => Number.isSafeInteger(n) && (i === 0 || (n as number) >= (all[i - 1] as number)),
  );
  const isBest =
    Number.isSafeInteger(bestEpoch) && (bestEpoch as number) >= 0 && (bestEpoch as number) <= (epoch as number);
  const isPartial = Number.isSafeInteger(step) && (step as number) >= 0 && [losses, norms].every(Number.isFinite);
  if (!areCounted || !isBest || !isPartial || typeof stopped !== 'boolean') {
    throw new InnerloopError('MODEL_FILE', 'the record of the run is damaged', { field, value: text });
  }
  return {
    start: start as number,
    epoch: epoch as number,
    best: typeof best === 'number' ? best : undefined,
    bestEpoch: bestEpoch as number,
    stopped,
    step: step as number,
    losses: losses as number,
    norms: norms as number,
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
