import { resolve } from 'node:path';
import type { Column, Dataset, FeatureTable } from '../foundation/contract.js';
import { withHistory } from './history.js';
import { InnerloopError } from '../foundation/errors.js';
import { assemble } from './assemble.js';
import { checkInteger, checkObject, checkSignal, checkString } from '../foundation/check.js';
import { contextTable, placeMatrix } from './columns.js';
import { DuckSession, scatter } from './duckdb.js';
import { resolveFeatures } from './feature-spec.js';
import type { ResolvedFeature } from './feature-spec.js';
import { createDictionary, readFeatures } from './features.js';
import { ingestEntities, ingestIds, ingestInteractions } from './ingest.js';
import { readIds, readMatrix } from './matrix.js';
import { checkSource } from './source.js';
import type { DataSource, EntitySource } from './source.js';
import { createVocabulary } from './vocabulary.js';


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
  const features = resolveFeatures(source.interactions.features, 'interactions.features', 'interactions');
  const interactions = await ingestInteractions(
    session,
    source.interactions,
    features.filter(isInTable),
    source.missingLabel === 'drop',
  );
  const users = await readEntities(session, 'user', source.users, notes);
  const items = await readEntities(session, 'item', source.items, notes);

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
  await session.run(
    'CREATE TEMP VIEW context AS SELECT rowid AS position, * FROM raw_interactions',
    'interactions.features',
  );
  const columns = await readFeatures(session, 'context', interactions.features, rows, 0, notes);
  const inOrder = () => Promise.resolve(Int32Array.from({ length: rows }, (_, row) => row));
  for (const feature of features.filter(isInFile))
    columns.set(feature.name, await readFile(session, feature, inOrder, rows, 0, notes));
  const context = contextTable(ordered(features, columns), rows);
  const dataset = assemble({ user, item, label, time, users, items, context }, source, notes);
  return withHistories(dataset, features);
}

function withHistories(dataset: Dataset, features: readonly ResolvedFeature[]): Dataset {
  for (const { kind, name, of, maxLength, minLabel } of features)
    if (kind === 'sequence') dataset = withHistory(dataset, { name, of, maxLength, minLabel });
  return dataset;
}

const isInFile = ({ file }: ResolvedFeature): boolean => file !== undefined;
const isInTable = (feature: ResolvedFeature): boolean => !isInFile(feature) && feature.kind !== 'sequence';

/** The columns of all features, in the order in which they were asked for. */
function ordered(features: readonly ResolvedFeature[], columns: ReadonlyMap<string, Column[]>): Column[] {
  return features.flatMap(({ name }) => columns.get(name) ?? []);
}

/** Creates `<name>_ids` (key of the interactions, row), and the feature table in the vocabulary's order. */
async function readEntities(
  session: DuckSession,
  name: 'user' | 'item',
  source: EntitySource | undefined,
  notes: string[],
): Promise<FeatureTable> {
  const side = `${name}s` as const;
  const field = `${side}.features`;
  const features = resolveFeatures(source?.features, field, side);
  const ids = new Map<ResolvedFeature, string[]>();
  for (const feature of features)
    if (feature.ids !== undefined) ids.set(feature, await readIds(session, feature, feature.ids));
  const table =
    source === undefined
      ? undefined
      : source.id === undefined
        ? await ingestIds(session, [...ids.values()], side)
        : await ingestEntities(session, source, features.filter(isInTable), side);

  const dictionary = `${name}_dictionary`;
  const keysTable = `${name}_keys`;
  await session.run(
    `CREATE TEMP TABLE ${keysTable} AS SELECT key, CAST(key AS VARCHAR) AS value FROM (SELECT DISTINCT ${name} AS key FROM raw_interactions)`,
    'interactions',
  );
  const texts = `SELECT value FROM ${keysTable}${table === undefined ? '' : ` UNION ALL SELECT id FROM ${table.name}`}`;
  const values = await createDictionary(session, dictionary, texts, 1, 'interactions');
  await session.run(
    `CREATE TEMP TABLE ${name}_ids AS SELECT k.key, d.id FROM ${keysTable} k JOIN ${dictionary} d ON d.value = k.value`,
    'interactions',
  );
  const rows = values.length;
  const keys = createVocabulary(values);
  if (table === undefined) return { rows, keys, columns: [] };
  const known = `${name}_features`;
  await session.run(
    `CREATE TEMP TABLE ${known} AS SELECT d.id AS position, r.rowid AS origin, r.* EXCLUDE (id) FROM ${table.name} r JOIN ${dictionary} d ON d.value = r.id`,
    field,
  );
  if (rows - 1 > table.rows)
    notes.push(
      `${rows - 1 - table.rows} of ${rows - 1} ${name}s have no row in the ${name} table; their features are missing`,
    );
  const columns = await readFeatures(session, known, table.features, rows, 1, notes);
  const inOrder = async () => {
    const positions = new Int32Array(table.rows);
    await session.transfer(`SELECT origin::INTEGER, position::INTEGER FROM ${known}`, [scatter(positions)], field);
    return positions;
  };
  for (const feature of features.filter(isInFile)) {
    // Id 0 is no entity: features of ids that no table has stay out.
    const byId = () => Promise.resolve(Int32Array.from(ids.get(feature)!, (id) => keys.idOf(id) || -1));
    columns.set(feature.name, await readFile(session, feature, ids.has(feature) ? byId : inOrder, rows, 1, notes));
  }
  return { rows, keys, columns: ordered(features, columns) };
}

/** @param positions the row of the dataset's table that each row of the file becomes */
async function readFile(
  session: DuckSession,
  feature: ResolvedFeature,
  positions: () => Promise<Int32Array>,
  rows: number,
  reserved: number,
  notes: string[],
): Promise<Column[]> {
  const matrix = await readMatrix(session.options.baseDirectory, feature);
  return placeMatrix(feature.name, matrix, await positions(), rows, feature, feature.field, reserved, notes);
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
