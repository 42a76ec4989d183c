import { checkNotAborted } from '../../foundation/abort.js';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkObject, checkString, invalid } from '../../foundation/check.js';
import type { Dataset } from '../../foundation/contract.js';
import { InnerloopError } from '../../foundation/errors.js';
import { resolveOptions } from '../../foundation/options.js';
import { checkReading } from '../../data/open.js';
import { checkSource } from '../../data/source.js';
import type { DataSource } from '../../data/source.js';
import { streamUsers } from '../../data/stream.js';
import type { UserStream } from '../../data/stream.js';
import { divideUsers, noteLeft } from '../build.js';
import type { UsersLeft } from '../build.js';
import { DEFAULT_SEED, SHARD_OPTIONS, SPLIT_OPTIONS } from '../options.js';
import type { ShardOptions, UserSplit } from '../option-types.js';
import { checkSplit, emptyError, resolveTaskOptions } from '../resolve-options.js';
import type { ResolvedTaskOptions } from '../resolve-options.js';
import { splitUsers } from '../split.js';
import { PeopleDigest } from '../stored-split.js';
import { INDEX, tablesOf, writeIndex } from './index-file.js';
import type { ShardIndex } from './index-file.js';
import { SetWriter } from './set-writer.js';

/** Interactions that are divided into tasks at a time. */
const CHUNK = 2 ** 20;

/** What `writeShards` returns. */
export interface ShardSummary {
  /** Tasks and interactions of each set, and the files that they are in. */
  sets: Record<string, { tasks: number; rows: number; shards: number; bytes: number }>;
  /** What reading and dividing the data had to say. */
  notes: string[];
}

/**
 * Reads interactions, divides them into tasks, and writes those to a folder, for `openShards`: data that need not fit in memory.
 * DuckDB holds `memory` bytes and sorts by user on disk; this process holds ids and features of users and items, sixteen bytes a task,
 * and about a million interactions.
 *
 * ```ts
 * await writeShards(source, 'shards', { split: { protocol: 'users', test: 0.1, tasks: { query: { fraction: 0.3 } } } });
 * ```
 *
 * The users of each set, and support and query rows of each, are those that `openDataset` and `splitTasks` would draw.
 *
 * @param source what `openDataset` takes. Features of interactions, parts, counts, `kCore` and `duplicates: 'error'` need all rows
 * at once and are refused
 * @throws {InnerloopError} as `openDataset` and `splitTasks`; UNSUPPORTED for what needs all rows at once; INVALID_OPTION for a folder
 * that has shards; IO
 */
export async function writeShards(source: DataSource, folder: string, options: ShardOptions): Promise<ShardSummary> {
  checkSource(source);
  checkString(folder, 'folder');
  const given = resolveOptions(options, 'options', SHARD_OPTIONS);
  const { split, rows, memory, overwrite, threads, signal, onProgress } = given;
  checkReading(signal);
  const target = resolve(folder);
  await prepareFolder(target, overwrite);
  const parent = given.temporary === undefined ? target : resolve(given.temporary);
  const temporary = await usable(parent, () => mkdtemp(join(parent, '.spill-')));
  try {
    const read = { baseDirectory: given.baseDirectory ?? '.', threads, signal, memory: { bytes: memory, temporary } };
    const index = await streamUsers(source, read, (stream) =>
      writeSets(stream, source, target, split, { rows, onProgress, signal }),
    );
    await writeIndex(target, index);
    return summaryOf(index);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Files of shards, as `SetWriter` names them. */
const SHARD = /^[a-z]+-\d{6,}\.safetensors$/;

async function prepareFolder(folder: string, overwrite: boolean): Promise<void> {
  const files = await usable(folder, async () => {
    await mkdir(folder, { recursive: true });
    return readdir(folder);
  });
  if (!overwrite) {
    if (files.includes(INDEX)) throw invalid('folder', 'has shards', folder, 'another folder, or overwrite: true');
    return;
  }
  // The index first: without it, what is left is no set of shards.
  const old = [INDEX, ...files.filter((name) => SHARD.test(name))];
  await usable(folder, async () => {
    for (const name of old) await rm(join(folder, name), { force: true });
  });
}

/** @throws {InnerloopError} IO naming the folder */
async function usable<T>(folder: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (cause) {
    throw new InnerloopError('IO', 'the folder cannot be written to', { field: folder, cause });
  }
}

interface Writing {
  rows: number;
  onProgress: ShardOptions['onProgress'];
  signal: AbortSignal | undefined;
}

type UserTasks = ResolvedTaskOptions & { query: number | { fraction: number } | 'rest' };

async function writeSets(
  stream: UserStream,
  source: DataSource,
  folder: string,
  split: UserSplit,
  { rows, onProgress, signal }: Writing,
): Promise<ShardIndex> {
  const tables = tablesOf(stream);
  const tasks = checkedTasks(source, tables, split);
  const membership = splitUsers(tables, split, stream.present);
  const people = new PeopleDigest(tables.users.keys, tables.items.keys);
  const writers = membership.names.map((name) => new SetWriter(folder, name, tables, rows));
  const left = membership.names.map((): UsersLeft => ({ kept: 0, few: 0, many: 0 }));
  let read = 0;
  for await (const chunk of stream.chunks(CHUNK)) {
    checkNotAborted(signal, 'writing the shards was aborted', 'options.signal');
    people.add(chunk);
    for (const [k, writer] of writers.entries()) {
      const own = rowsOfSet(chunk, membership.users!, k);
      const { tasks: built, left: ones } = divideUsers(chunk, { ...tasks, rows: own });
      for (const what of ['kept', 'few', 'many'] as const) left[k][what] += ones[what];
      await writer.add(built, tasks.order === 'time');
    }
    read += chunk.size;
    onProgress?.(Math.min(1, read / stream.rows));
  }
  const sets: ShardIndex['sets'] = {};
  for (const [k, writer] of writers.entries()) {
    const name = membership.names[k];
    if (left[k].kept === 0)
      throw emptyError(
        name,
        'no user makes a task',
        `users with ${Math.max(tasks.min, 2)} or more rows (min is ${tasks.min})`,
      );
    const notes: string[] = [];
    noteLeft(left[k], tasks, 'users', notes);
    stream.notes.push(...notes.map((note) => `${name}: ${note}`));
    sets[name] = await writer.end();
  }
  return { tables, sets, split: { options: split, membership, users: people.build() }, notes: stream.notes };
}

/** The rules for tasks, of a split that takes one user after the other. */
function checkedTasks({ interactions }: DataSource, tables: Dataset, split: UserSplit): UserTasks {
  // What options need of the data is that there are times.
  const data = { ...tables, time: interactions.time === undefined ? undefined : new Float64Array(0) };
  checkObject(split, 'split', ['protocol', ...Object.keys(SPLIT_OPTIONS.users)]);
  checkSplit(data, split);
  const oneByOne = (field: string, value: unknown, expected: string) =>
    new InnerloopError('UNSUPPORTED', 'shards hold users, one after the other', { field, value, expected });
  if (split.protocol !== 'users') throw oneByOne('split.protocol', split.protocol, "'users'");
  const tasks = resolveTaskOptions(data, split.tasks, 'split.tasks', split.seed ?? DEFAULT_SEED);
  const { by, query } = tasks;
  if (by !== 'user') throw oneByOne('split.tasks.by', by, "'user'");
  if (query === 'each' || query === 'part')
    throw oneByOne('split.tasks.query', split.tasks.query, 'a number, a fraction or rest');
  return { ...tasks, query };
}

function rowsOfSet({ user, size }: Dataset, membership: Uint8Array, set: number): Int32Array {
  const rows = new Int32Array(size);
  let count = 0;
  for (let row = 0; row < size; row++) if (membership[user[row]] === set) rows[count++] = row;
  return rows.subarray(0, count);
}

function summaryOf({ sets, notes }: ShardIndex): ShardSummary {
  const entries = Object.entries(sets).map(
    ([
      name,
      {
        files,
        statistics: { tasks, rows },
      },
    ]) => {
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      return [name, { tasks, rows, shards: files.length, bytes }] as const;
    },
  );
  return { sets: Object.fromEntries(entries), notes };
}
