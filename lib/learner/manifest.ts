/** What a run was: enough to say why two runs gave the same bytes, or did not. */
import { checkNotAborted } from '../foundation/abort.js';
import { show } from '../foundation/errors.js';
import { checkDataset } from '../foundation/check-data.js';
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { addon, packageVersion } from '../foundation/addon.js';
import { deviceName } from '../foundation/device.js';
import type { Dataset, InputSpec, ModelSpec, Precision, TaskSet, Vocabulary } from '../foundation/contract.js';
import type { TaskShards, TaskStatistics } from '../foundation/task-source-types.js';
import type { Learner } from './learner.js';

export { packageVersion } from '../foundation/addon.js';

/** Sizes of a dataset and a hash over every value in it: ids, labels, times, features and vocabularies. */
export interface DataFingerprint {
  /** Number of interactions. */
  rows: number;
  /** Number of users. */
  users: number;
  /** Number of items. */
  items: number;
  /** `sha256:` and 64 hexadecimal digits. */
  values: string;
}

/** What decides the bytes of a run, and then what it ran on; threads are left out because nothing depends on them. */
export interface RunManifest {
  /** The version of this package. */
  version: string;
  /** Seed of the learner. */
  seed: number;
  /** Precision of the parameters. */
  precision: Precision;
  /** Vocabularies are replaced by their hashes. */
  model: object;
  /** The algorithm with all of its options. */
  algorithm: object;
  /** The outer optimizer with all of its options. */
  optimizer: object;
  /** How labels become what the model learns. */
  rows: object;
  /** The options of `train` that matter for the result. */
  training: object;
  /** Sizes and hash of the data. */
  data: DataFingerprint;
  /** Hash of the support and query rows of the training tasks, and of the validation tasks. */
  tasks: string;
  /** Instruction sets, in order of use: more than one if the run was resumed on another machine. */
  isa: string[];
  /** `cpu`, or the name of the GPU; as the instruction sets. */
  device: string[];
  /** Version of Node.js. */
  node: string;
  /** Operating system and processor architecture. */
  platform: string;
}

/** Says whether two datasets hold the same, whatever files they came from. Reads all of it: about a second for 1 GB. */
export function fingerprintData(dataset: Dataset): DataFingerprint {
  checkDataset(dataset, 'dataset');
  const hash = createHash('sha256');
  for (const _ of addDataset(hash, dataset));
  return fingerprintOf(dataset, hash);
}

const fingerprintOf = ({ size, users, items }: Dataset, hash: Hash): DataFingerprint => ({
  rows: size,
  users: users.rows - 1,
  items: items.rows - 1,
  values: digest(hash),
});

/** Bytes that are hashed at a time: some ten milliseconds. */
const SLICE = 2 ** 24;

/** Hashes a dataset, a slice a turn. */
function* addDataset(hash: Hash, dataset: Dataset): Generator<void, void, undefined> {
  yield* addArrays(hash, dataset);
  for (const table of [dataset.users, dataset.items, dataset.context]) {
    addTexts(hash, table.keys);
    for (const column of table.columns) {
      hash.update(`${column.kind} ${JSON.stringify(column.name)}`);
      yield* addArrays(hash, column);
      // Histories of support sets are made later: only their rules are here.
      if (column.kind === 'sequence') hash.update(JSON.stringify([column.of, column.maxLength, column.minLabel]));
      if ('vocabulary' in column) addTexts(hash, column.vocabulary);
    }
  }
}

/**
 * Arrays are taken by name, so that no kind of column can be forgotten, and with their lengths, so that values cannot move from
 * one array to the next unnoticed.
 */
function* addArrays(hash: Hash, from: object): Generator<void, void, undefined> {
  for (const [name, array] of Object.entries(from).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!ArrayBuffer.isView(array)) continue;
    const { buffer, byteOffset, byteLength } = array;
    hash.update(`${name} ${byteLength};`);
    for (let at = 0; at < byteLength; at += SLICE) {
      hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(SLICE, byteLength - at)));
      yield;
    }
  }
}

/** Takes the turns of a hash with those of the event loop in between. @throws {InnerloopError} ABORTED */
async function inTurns(turns: Generator<void, void, undefined>, signal: AbortSignal | undefined): Promise<void> {
  for (const _ of turns) {
    await setImmediate();
    checkNotAborted(signal, 'hashing the data was aborted', 'train.signal');
  }
}

function addTexts(hash: Hash, { values }: Pick<Vocabulary, 'values'>): void {
  hash.update(JSON.stringify(values));
}

const digest = (hash: Hash) => `sha256:${hash.digest('hex')}`;

/** Tasks that are not in memory, as a manifest tells them apart. @internal */
export interface ReadTasks {
  tables: Dataset;
  statistics: TaskStatistics;
  shards?: TaskShards | undefined;
}

/**
 * The manifest of a training run that starts here and now.
 * @param trained the tasks that are trained on
 * @param validation those that the epoch is chosen by
 * @internal
 */
export async function manifestOfRun(
  learner: Learner,
  trained: TaskSet | ReadTasks,
  validation: TaskSet | ReadTasks | undefined,
  training: object,
  signal?: AbortSignal,
): Promise<RunManifest> {
  const { model, algorithm, optimizer, seed } = learner;
  const tasks = createHash('sha256');
  const isRead = 'statistics' in trained;
  if (!isRead) await inTurns(addArrays(tasks, trained), signal);
  // The order of an epoch follows from how tasks are stored.
  else tasks.update(trained.statistics.digest).update(JSON.stringify([...(trained.shards?.offsets ?? [])]));
  if (validation !== undefined && 'statistics' in validation) tasks.update(validation.statistics.digest);
  else if (validation !== undefined) {
    await inTurns(addArrays(tasks, validation), signal);
    // Validation tasks may be of another dataset than the training tasks.
    if (isRead || validation.dataset !== trained.dataset)
      tasks.update((await fingerprintInTurns(validation.dataset, signal)).values);
  }
  const manifest: RunManifest = {
    version: packageVersion(),
    seed,
    precision: model.precision,
    model: withoutTexts(model.spec),
    algorithm,
    optimizer,
    rows: learner.rowRules,
    training: shortened(training),
    data: isRead ? await fingerprintOfRead(trained, signal) : await fingerprintInTurns(trained.dataset, signal),
    tasks: digest(tasks),
    isa: [addon().isa],
    device: [deviceName(model.device)],
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
  // The options are taken as a file gives them back, without functions of the algorithm.
  return JSON.parse(JSON.stringify(manifest)) as RunManifest;
}

async function fingerprintInTurns(dataset: Dataset, signal: AbortSignal | undefined): Promise<DataFingerprint> {
  const hash = createHash('sha256');
  await inTurns(addDataset(hash, dataset), signal);
  return fingerprintOf(dataset, hash);
}

async function fingerprintOfRead(
  { tables, statistics }: ReadTasks,
  signal: AbortSignal | undefined,
): Promise<DataFingerprint> {
  const { values, ...sizes } = await fingerprintInTurns(tables, signal);
  const hash = createHash('sha256').update(values).update(statistics.digest);
  return { ...sizes, rows: statistics.rows, values: digest(hash) };
}

function withoutTexts({ inputs, ...rest }: ModelSpec): object {
  const short = (input: InputSpec) => {
    if (input.kind === 'dense' || input.vocabulary === undefined) return input;
    const hash = createHash('sha256');
    addTexts(hash, { values: input.vocabulary });
    return { ...input, vocabulary: digest(hash) };
  };
  return { inputs: inputs.map(short), ...rest };
}

/** Long lists as their hashes. */
function shortened(settings: object): object {
  const entries = Object.entries(settings).map(([name, value]: [string, unknown]) => {
    const isLong = Array.isArray(value) && value.length > 64;
    return [name, isLong ? digest(createHash('sha256').update(JSON.stringify(value))) : value];
  });
  return Object.fromEntries(entries) as object;
}

/** What decides a run. How many epochs it is to have may change: it goes on, or ends where it is. */
function decisive(manifest: Partial<RunManifest>): Record<string, unknown> {
  const { seed, precision, model, algorithm, optimizer, rows, training, data, tasks } = manifest;
  const { epochs: _, ...settings } = (training ?? {}) as { epochs?: unknown };
  // In this order the first difference is the one to name: other data has other vocabularies, and those are the model's too.
  return { seed, training: settings, algorithm, optimizer, rows, precision, data, tasks, model };
}

/** One hash over all that decides what a run computes: two runs with the same one are the same run. @internal */
export function identityOf(manifest: RunManifest): string {
  return createHash('sha256')
    .update(JSON.stringify(decisive(manifest)))
    .digest('hex');
}

/** The first option in which a run differs from an earlier one, as a sentence. @internal */
export function differenceOf(before: Partial<RunManifest>, now: RunManifest): string {
  const found = differenceBetween(decisive(before), decisive(now));
  if (found === undefined) return 'it was made by another version';
  const { path, before: was, now: is } = found;
  const name = path.replace(/^(algorithm)\.options\./, '$1.');
  if (/^(data|tasks)\b/.test(name))
    return `its data or its tasks are others (${sizesOf(before.data)} there, ${sizesOf(now.data)} here)`;
  return `${name} was ${show(was)} there and is ${show(is)} here`;
}

const sizesOf = ({ rows, users, items }: Partial<DataFingerprint> = {}) =>
  `${rows} rows of ${users} users and ${items} items`;

/** Where two trees of options first differ, and how. @internal */
export function differenceBetween(
  before: unknown,
  now: unknown,
  path = '',
): { path: string; before: unknown; now: unknown } | undefined {
  if (JSON.stringify(before) === JSON.stringify(now)) return undefined;
  const isTree = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (!isTree(before) || !isTree(now)) return { path, before, now };
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const found = differenceBetween(before[key], now[key], path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  // Nothing differs: the same options stand in another order.
  return undefined;
}

const manifests = new WeakMap<Learner, RunManifest>();

/** How a learner came about; undefined for one that was neither trained nor loaded from a file that says so. */
export function runManifest(learner: Learner): RunManifest | undefined {
  const manifest = manifests.get(learner);
  return manifest && structuredClone(manifest);
}

/** @internal */
export function setRunManifest(learner: Learner, manifest: RunManifest): void {
  manifests.set(learner, manifest);
}
