import { resolve } from 'node:path';
import type { Column, Dataset, FeatureTable } from './contract.js';
import { InnerloopError } from './errors.js';
import { assemble } from './interactions/assemble.js';
import { checkInteger, checkObject, checkSignal, checkString } from './check.js';
import { contextTable } from './interactions/columns.js';
import { DuckSession, scatter } from './interactions/duckdb.js';
import { createDictionary, readFeatures } from './interactions/features.js';
import { ingestEntities, ingestInteractions } from './interactions/ingest.js';
import type { RawTable } from './interactions/ingest.js';
import { checkSource } from './interactions/source.js';
import type { DataSource } from './interactions/source.js';
import { createVocabulary } from './interactions/vocabulary.js';

export { datasetFromColumns } from './interactions/columnar.js';
export type { ColumnFeature, ColumnSource, EntityColumns } from './interactions/columnar.js';
export type {
  DataRules,
  DataSource,
  DuplicateRule,
  EntitySource,
  FeatureSpec,
  InteractionSource,
  TableSource,
} from './interactions/source.js';

export interface OpenOptions {
  /** Folder that relative paths start from, in `from` and in SQL. Default: the process's working directory. */
  baseDirectory?: string;
  /** DuckDB's threads. Default: all cores. The dataset does not depend on it. */
  threads?: number;
  /** Stops the reading; the promise rejects with code ABORTED. */
  signal?: AbortSignal;
}

/**
 * Reads interactions, and optionally features of users and items, through DuckDB into typed columns.
 *
 * Ids are text (leading zeros survive). Vocabularies are in one order: by value if all texts are integers, else by code
 * point; id 0 is "missing or unknown". Users and items of either table are kept: those without features have all of
 * them missing, those without interactions can still be recommended. Interactions keep the order of the file. The same
 * source gives the same bytes in every run.
 *
 * ```ts
 * const dataset = await openDataset({
 *   interactions: { from: 'ratings.csv', user: 'userId', item: 'movieId', label: 'rating', time: 'timestamp' },
 *   items: { from: 'movies.csv', id: 'movieId', features: [{ name: 'genres', kind: 'bag' }] },
 * });
 * ```
 *
 * @throws {InnerloopError} UNSUPPORTED (`@duckdb/node-api` is not installed), INVALID_OPTION, UNKNOWN_OPTION,
 * MISSING_FILE, MISSING_COLUMN, EMPTY_DATA, INVALID_DATA (with the row, counted from 1 without the header), ABORTED, IO
 */
export async function openDataset(source: DataSource, options: OpenOptions = {}): Promise<Dataset> {
  checkSource(source);
  checkOptions(options);
  const session = await DuckSession.open({
    baseDirectory: resolve(options.baseDirectory ?? '.'),
    threads: options.threads,
    signal: options.signal,
  });
  try {
    return await read(session, source);
  } finally {
    session.close();
  }
}

async function read(session: DuckSession, source: DataSource): Promise<Dataset> {
  const notes: string[] = [];
  const interactions = await ingestInteractions(session, source.interactions, source.missingLabel === 'drop');
  const users = await readEntities(
    session,
    'user',
    source.users && (await ingestEntities(session, source.users, 'users')),
    notes,
  );
  const items = await readEntities(
    session,
    'item',
    source.items && (await ingestEntities(session, source.items, 'items')),
    notes,
  );

  const { rows } = interactions;
  const user = new Int32Array(rows);
  const item = new Int32Array(rows);
  const label = new Float32Array(rows);
  const time = source.interactions.time === undefined ? undefined : new Float64Array(rows);
  // The joins may reorder rows; every row carries its position and is written there.
  await session.transfer(
    `SELECT r.rowid::INTEGER, u.id, i.id, coalesce(r.label, 'nan')::FLOAT${time === undefined ? '' : ', r.time'}
     FROM raw_interactions r JOIN user_ids u ON u.key = r.user JOIN item_ids i ON i.key = r.item`,
    [scatter(user), scatter(item), scatter(label), ...(time === undefined ? [] : [scatter(time)])],
    'interactions',
  );
  let context: Column[] = [];
  if (interactions.features.length > 0) {
    await session.run(
      'CREATE TEMP VIEW context AS SELECT rowid AS position, * FROM raw_interactions',
      'interactions.features',
    );
    context = await readFeatures(session, 'context', interactions.features, rows, 0, notes);
  }
  return assemble({ user, item, label, time, users, items, context: contextTable(context, rows) }, source, notes);
}

/** Creates `<name>_ids` (key of the interactions, row), and the feature table in the vocabulary's order. */
async function readEntities(
  session: DuckSession,
  name: 'user' | 'item',
  table: RawTable | undefined,
  notes: string[],
): Promise<FeatureTable> {
  const dictionary = `${name}_dictionary`;
  const keysTable = `${name}_keys`;
  await session.run(
    `CREATE TEMP TABLE ${keysTable} AS SELECT key, CAST(key AS VARCHAR) AS value FROM (SELECT DISTINCT ${name} AS key FROM raw_interactions)`,
    'interactions',
  );
  const ids = `SELECT value FROM ${keysTable}${table === undefined ? '' : ` UNION ALL SELECT id FROM ${table.name}`}`;
  const values = await createDictionary(session, dictionary, ids, 1, 'interactions');
  await session.run(
    `CREATE TEMP TABLE ${name}_ids AS SELECT k.key, d.id FROM ${keysTable} k JOIN ${dictionary} d ON d.value = k.value`,
    'interactions',
  );
  const rows = values.length;
  const keys = createVocabulary(values);
  if (table === undefined) return { rows, keys, columns: [] };
  const field = `${name}s.features`;
  const known = `${name}_features`;
  await session.run(
    `CREATE TEMP TABLE ${known} AS SELECT d.id AS position, r.* EXCLUDE (id) FROM ${table.name} r JOIN ${dictionary} d ON d.value = r.id`,
    field,
  );
  if (rows - 1 > table.rows)
    notes.push(
      `${rows - 1 - table.rows} of ${rows - 1} ${name}s have no row in the ${name} table; their features are missing`,
    );
  return { rows, keys, columns: await readFeatures(session, known, table.features, rows, 1, notes) };
}

function checkOptions(options: unknown): void {
  checkObject(options, 'options', ['baseDirectory', 'threads', 'signal']);
  if (options['baseDirectory'] !== undefined) checkString(options['baseDirectory'], 'options.baseDirectory');
  if (options['threads'] !== undefined) checkInteger(options['threads'], 'options.threads', 1, 1024);
  const { signal } = options;
  checkSignal(signal, 'options.signal');
  if (signal?.aborted === true)
    throw new InnerloopError('ABORTED', 'reading the data was aborted', {
      field: 'options.signal',
      cause: signal.reason,
    });
}
