/** The index of a folder of shards: tables, sizes of tasks, statistics and the digests of all shards. It is written last. */
import { restoreCatalog, storeCatalog } from '../../data/catalog-file.js';
import type { StoredCatalog } from '../../data/catalog-file.js';
import { decodeSealed, encodeSealed } from '../../files/sealed.js';
import type { NamedArray } from '../../files/safetensors.js';
import { readWhole, writeDurable } from '../../files/durable.js';
import type { Dataset } from '../../foundation/contract.js';
import type { TaskStatistics } from '../../foundation/task-source-types.js';
import { contextTable, withoutInteractions } from '../../data/columns.js';
import { InnerloopError } from '../../foundation/errors.js';
import type { UserSplit } from '../option-types.js';
import type { StoredSplit } from '../stored-split.js';
import { join } from 'node:path';

export const INDEX = 'shards.safetensors';
const FORMAT = 'innerloop-shards';
const VERSION = '1';

/** A file of a set. */
export interface ShardFile {
  name: string;
  bytes: number;
  digest: string;
  tasks: number;
  rows: number;
}

/** What the index knows of a set. */
export interface ShardSet {
  files: ShardFile[];
  /** User row, support rows and query rows of each task. */
  users: Int32Array;
  support: Int32Array;
  query: Int32Array;
  statistics: TaskStatistics;
}

export interface ShardIndex {
  tables: Dataset;
  sets: Record<string, ShardSet>;
  split: StoredSplit;
  notes: string[];
}

/** What of a set is no array. */
interface StoredSet {
  files: ShardFile[];
  statistics: Omit<TaskStatistics, 'userRows' | 'itemRows' | 'itemLabels'>;
}

export async function writeIndex(folder: string, { tables, sets, split, notes }: ShardIndex): Promise<void> {
  const tensors: Record<string, NamedArray> = {};
  const put = (name: string, data: NamedArray['data']) => void (tensors[name] = { shape: [data.length], data });
  const stored: Record<string, StoredSet> = {};
  for (const [name, { files, users, support, query, statistics }] of Object.entries(sets)) {
    const { userRows, itemRows, itemLabels, ...rest } = statistics;
    for (const [part, data] of Object.entries({ users, support, query, userRows, itemRows, itemLabels }))
      put(`set.${name}.${part}`, data);
    stored[name] = { files, statistics: rest };
  }
  put('split.users', split.membership.users!);
  for (const part of ['hash', 'rows', 'digest'] as const) put(`split.${part}`, split.users[part]);
  const catalog = storeCatalog(tables, tensors, true);
  const described = { catalog, sets: stored, split: { options: split.options, names: split.membership.names }, notes };
  const chunks = encodeSealed(tensors, { format: FORMAT, index: JSON.stringify(described), version: VERSION });
  await writeDurable(join(folder, INDEX), chunks);
}

/** @throws {InnerloopError} MISSING_FILE where no index is, INVALID_DATA for one that is damaged or of another version */
export async function readIndex(folder: string): Promise<ShardIndex> {
  const path = join(folder, INDEX);
  const { tensors, metadata } = damaged(
    path,
    decodeSealed,
    await readWhole(path),
    path,
    'shards that are written anew',
  );
  if (metadata['format'] !== FORMAT || metadata['version'] !== VERSION)
    throw new InnerloopError('INVALID_DATA', 'not the index of shards of this version', {
      field: path,
      value: metadata['format'],
      expected: `${FORMAT} ${VERSION}: write the shards anew`,
    });
  const described = JSON.parse(metadata['index']) as {
    catalog: StoredCatalog;
    sets: Record<string, StoredSet>;
    split: { options: UserSplit; names: string[] };
    notes: string[];
  };
  const array = <A extends NamedArray['data']>(name: string) => tensors[name].data as A;
  const { users, items } = damaged(path, restoreCatalog, described.catalog, tensors);
  const sets = Object.entries(described.sets).map(([name, { files, statistics }]): [string, ShardSet] => {
    const own = <A extends NamedArray['data']>(part: string) => array<A>(`set.${name}.${part}`);
    const counted = {
      userRows: own<Int32Array>('userRows'),
      itemRows: own<Int32Array>('itemRows'),
      itemLabels: own<Float64Array>('itemLabels'),
    };
    const sizes = {
      users: own<Int32Array>('users'),
      support: own<Int32Array>('support'),
      query: own<Int32Array>('query'),
    };
    return [name, { files, ...sizes, statistics: { ...statistics, ...counted } }];
  });
  const { options, names } = described.split;
  const membership = { names, users: array<Uint8Array>('split.users') };
  const people = {
    hash: array<Int32Array>('split.hash'),
    rows: array<Int32Array>('split.rows'),
    digest: array<Int32Array>('split.digest'),
  };
  return {
    tables: tablesOf({ users, items }),
    sets: Object.fromEntries(sets),
    split: { options, membership, users: people },
    notes: described.notes,
  };
}

/** Users and items without interactions or features of them. */
export const tablesOf = ({ users, items }: Pick<Dataset, 'users' | 'items'>): Dataset =>
  withoutInteractions({ users, items, context: contextTable([], 0) });

/** Calls a reader of model files, whose complaints are about data here. */
export function damaged<A extends unknown[], R>(path: string, read: (...args: A) => R, ...args: A): R {
  try {
    return read(...args);
  } catch (error) {
    if (!(error instanceof InnerloopError) || error.code !== 'MODEL_FILE') throw error;
    const { what, value, expected } = error;
    throw new InnerloopError('INVALID_DATA', what, { field: path, value, expected, cause: error });
  }
}
