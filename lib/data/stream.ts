/** Streams interactions user by user in chunks of bounded size; DuckDB sorts them, on disk if they exceed its memory. */
import { resolve } from 'node:path';
import type { Dataset, FeatureTable } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { assembleUsers, noteDropped } from './assemble.js';
import type { Dropped, RawInteractions } from './assemble.js';
import { contextTable } from './columns.js';
import { DuckSession } from './duckdb.js';
import { ingestInteractions } from './ingest.js';
import type { CopiedInteractions } from './ingest.js';
import { remarkListedIds } from './listed-ids.js';
import { checkIds, readEntities } from './open.js';
import { MOST_VALUES, remarkCounts, remarkTimes } from './remarks.js';
import { advice } from './table-source.js';
import type { DataSource } from './source.js';

export interface StreamOptions {
  baseDirectory: string;
  threads: number | undefined;
  signal: AbortSignal | undefined;
  /** Bytes of memory that DuckDB may use, and the folder in which it keeps the rest. */
  memory: { bytes: number; temporary: string };
}

export interface UserStream {
  users: FeatureTable;
  items: FeatureTable;
  /** The number of rows in the source. */
  rows: number;
  /** 1 for each user row with an interaction that the rules keep. */
  present: Uint8Array;
  /** Notes on what was read; they are complete when all chunks have been read. */
  notes: string[];
  /**
   * Yields datasets of whole users in the order of the user table, which all have the tables above. A dataset has about `rows` rows,
   * more only if a single user has more. Rows of a user keep the order of the source.
   */
  chunks(rows: number): AsyncGenerator<Dataset, void, undefined>;
}

/**
 * Reads a source by the same rules as `openDataset`, except those that need all rows at once.
 *
 * @param use receives the stream, which is closed when its promise settles
 * @throws {InnerloopError} as `openDataset`; UNSUPPORTED for a rule or a column that needs all rows at once
 * @internal
 */
export async function streamUsers<T>(
  source: DataSource,
  options: StreamOptions,
  use: (stream: UserStream) => Promise<T>,
): Promise<T> {
  refuseWhole(source);
  const session = await DuckSession.open({ ...options, baseDirectory: resolve(options.baseDirectory) });
  try {
    const { notes } = session;
    const interactions = await ingestInteractions(session, source.interactions, [], source);
    if (interactions.isExact)
      throw needsAllRows(
        'interactions.time',
        'times with more digits than a double holds',
        advice('interactions', { timeFormat: 'ns' }),
      );
    const { interactions: columns } = source;
    const users = await readEntities(session, 'user', source.users, interactions, columns.user, notes);
    const items = await readEntities(session, 'item', source.items, interactions, columns.item, notes);
    if ((source.missingId ?? 'error') === 'error') {
      await checkIds(session, 'user', interactions, columns.user);
      await checkIds(session, 'item', interactions, columns.item);
    }
    const { rows } = interactions;
    for (const [name, { keys }] of [['user', users] as const, ['item', items] as const])
      remarkListedIds(name, keys.values.slice(1), rows < 1.5 * (users.rows - 1), columns, notes);
    const present = await presentUsers(session, source, users.rows);
    await remark(session, source, interactions, notes);
    const stream = { users, items, rows, present, notes };
    return await use({ ...stream, chunks: (size) => chunksOf(session, source, stream, size) });
  } finally {
    session.close();
  }
}

/** Refuses options that cannot be applied user by user. */
function refuseWhole({ interactions, kCore, unseenItems, duplicates }: DataSource): void {
  const features = interactions.features ?? [];
  if (features.length > 0)
    throw needsAllRows('interactions.features', 'features of interactions', 'features of users and items alone');
  if (interactions.count !== undefined)
    throw needsAllRows('interactions.count', 'weights that are made of counts', 'interactions.weight: a column');
  if (interactions.part !== undefined) throw needsAllRows('interactions.part', 'a prescribed split', 'no part');
  if (kCore !== undefined) throw needsAllRows('kCore', 'the k-core', 'a filter in sql');
  if (unseenItems === 'drop') throw needsAllRows('unseenItems', 'a prescribed split', "'keep'");
  if (duplicates === 'error')
    throw needsAllRows('duplicates', 'the rows of a file that repeat each other', "'last', 'first', 'mean' or 'sum'");
}

const needsAllRows = (field: string, what: string, expected: string) =>
  new InnerloopError('UNSUPPORTED', `${what} need all rows at once, which shards avoid`, { field, expected });

/** The SQL condition for rows that the rules keep, without that for duplicates, of which one row always remains. */
const KEPT = (source: DataSource): string =>
  [
    'r.label IS NOT NULL AND NOT isnan(r.label)',
    ...(source.interactions.time === undefined ? [] : ['r.time IS NOT NULL']),
  ].join(' AND ');
const FROM = 'FROM raw_interactions r JOIN user_ids u ON u.key = r.user JOIN item_ids i ON i.key = r.item';

async function presentUsers(session: DuckSession, source: DataSource, rows: number): Promise<Uint8Array> {
  const present = new Uint8Array(rows);
  const ids = session.chunks(
    `SELECT DISTINCT u.id::INTEGER ${FROM} WHERE ${KEPT(source)}`,
    [Int32Array],
    'interactions',
  );
  for await (const [own] of ids) for (const id of own) present[id] = 1;
  return present;
}

/** The notes that `openDataset` makes of labels and times, from counts. */
async function remark(
  session: DuckSession,
  source: DataSource,
  { relation, rows }: CopiedInteractions,
  notes: string[],
): Promise<void> {
  const { label, time, timeFormat } = source.interactions;
  if (label !== undefined) {
    const sql = `SELECT label::FLOAT::DOUBLE, count(*)::DOUBLE FROM raw_interactions WHERE label IS NOT NULL GROUP BY 1 ORDER BY 1 LIMIT ${MOST_VALUES + 1}`;
    const [values = [], counts = []] = await session.columns(sql, 'interactions.label');
    if (values.length <= MOST_VALUES)
      remarkCounts(
        new Map(values.map((value, k) => [Number(value), Number(counts[k])])),
        { size: rows, notes },
        relation.rules.nulls,
      );
  }
  if (time === undefined || timeFormat !== undefined) return;
  const some = 'SELECT time FROM raw_interactions WHERE time IS NOT NULL';
  const [times = []] = await session.columns(
    `(SELECT min(time) FROM (${some})) UNION ALL (SELECT max(time) FROM (${some})) UNION ALL (${some} LIMIT 1000)`,
    'interactions.time',
  );
  remarkTimes({ time: Float64Array.from(times, Number), notes });
}

const NUMBERS = ['time', 'weight'] as const;

async function* chunksOf(
  session: DuckSession,
  source: DataSource,
  { users, items, rows, notes }: Pick<UserStream, 'users' | 'items' | 'rows' | 'notes'>,
  size: number,
): AsyncGenerator<Dataset, void, undefined> {
  const hasLabel = source.interactions.label !== undefined;
  const further = NUMBERS.filter((name) => source.interactions[name] !== undefined);
  const casts = further.map((name) => (name === 'time' ? ", coalesce(r.time, 'nan')" : `, r.${name}::FLOAT`)).join('');
  const types = [
    Int32Array,
    Int32Array,
    Float32Array,
    ...further.map((name) => (name === 'time' ? Float64Array : Float32Array)),
  ];
  const buffers = types.map((type) => new Buffered(type));
  const dropped: Dropped = { id: rows, time: 0, label: 0, duplicate: 0 };
  const taken = (length: number): Dataset => {
    const [user, item, label, ...numbers] = buffers.map((buffer) => buffer.take(length));
    const raw: RawInteractions = {
      user: user as Int32Array,
      item: item as Int32Array,
      label: label as Float32Array,
      time: undefined,
      ...(Object.fromEntries(further.map((name, k) => [name, numbers[k]])) as object),
      users,
      items,
      context: contextTable([], length),
    };
    const { dataset, dropped: own } = assembleUsers(raw, source, hasLabel);
    dropped.id -= length;
    for (const rule of ['time', 'label', 'duplicate'] as const) dropped[rule] += own[rule];
    return dataset;
  };
  const sql = `SELECT u.id::INTEGER, i.id::INTEGER, coalesce(r.label, 'nan')::FLOAT${casts} ${FROM} ORDER BY u.id, r.rowid`;
  /** The number of buffered rows before those of the last user, who may have further rows in the next chunk. */
  let whole = 0;
  for await (const columns of session.chunks(sql, types, 'interactions')) {
    const [user] = columns as [Int32Array];
    const before = buffers[0].length;
    const last = user[user.length - 1];
    if (before === 0 || last !== buffers[0].values[before - 1]) whole = before + user.indexOf(last);
    columns.forEach((column, k) => buffers[k].push(column));
    if (buffers[0].length < size || whole === 0) continue;
    yield taken(whole);
    whole = 0;
  }
  if (buffers[0].length > 0) yield taken(buffers[0].length);
  noteDropped(dropped, rows, source, hasLabel, notes);
}

/** A growing buffer of numbers, which are added at the end and taken from the beginning. */
class Buffered {
  values: Int32Array | Float32Array | Float64Array;
  length = 0;
  readonly #type: typeof Int32Array | typeof Float32Array | typeof Float64Array;

  constructor(type: typeof Int32Array | typeof Float32Array | typeof Float64Array) {
    this.#type = type;
    this.values = new type(4096);
  }

  push(more: Int32Array | Float32Array | Float64Array): void {
    const end = this.length + more.length;
    if (end > this.values.length) {
      const grown = new this.#type(Math.max(end, 2 * this.values.length));
      grown.set(this.values.subarray(0, this.length));
      this.values = grown;
    }
    this.values.set(more, this.length);
    this.length = end;
  }

  /** Removes the first `count` numbers and returns them. */
  take(count: number): Int32Array | Float32Array | Float64Array {
    const taken = this.values.slice(0, count);
    this.values.copyWithin(0, count, this.length);
    this.length -= count;
    return taken;
  }
}
