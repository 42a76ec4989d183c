import { checkNotAborted } from '../foundation/abort.js';
import { resolve } from 'node:path';
import type { CategoricalColumn, Column, Dataset, FeatureTable } from '../foundation/contract.js';
import { withHistory } from './history.js';
import { InnerloopError } from '../foundation/errors.js';
import { assemble } from './assemble.js';
import { resolveOptions } from '../foundation/options.js';
import { contextTable, placeMatrix } from './columns.js';
import { DuckSession, scatter } from './duckdb.js';
import { resolveFeatures } from './feature-spec.js';
import type { ResolvedFeature } from './feature-spec.js';
import { createDictionary, readFeatures } from './features.js';
import { ingestEntities, ingestIds, ingestInteractions } from './ingest.js';
import type { CopiedTable } from './copied.js';
import type { CopiedInteractions } from './ingest.js';
import { remarkListedIds } from './listed-ids.js';
import { checkMatch } from './match.js';
import { OPEN_OPTIONS } from './options.js';
import type { OpenOptions } from './option-types.js';
import { at } from './relation.js';
import { remarkLabels, remarkTimes } from './remarks.js';
import { advice } from './table-source.js';
import { keepOrder } from './times.js';
import { presentText } from './values.js';
import { readIds, readMatrix } from './matrix.js';
import { checkSource } from './source.js';
import type { DataSource, EntitySource } from './source.js';
import { createVocabulary } from './vocabulary.js';

export type { OpenOptions };

/**
 * Reads interactions, and optionally features of users and items, through DuckDB into typed columns.
 *
 * Ids are texts, so leading zeros are kept. Vocabularies are sorted by value if all texts are integers, else by code point; id 0
 * stands for "missing or unknown". Users and items of the interactions and of the feature tables are all kept: a user or item that
 * is in no feature table has all features missing, and an item without interactions can still be recommended. Interactions keep the
 * order of the file. The same source gives the same bytes in every run.
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
  const { baseDirectory = '.', threads, signal } = resolveOptions(options, 'options', OPEN_OPTIONS);
  checkReading(signal);
  const session = await DuckSession.open({ baseDirectory: resolve(baseDirectory), threads, signal });
  try {
    return await read(session, source);
  } finally {
    session.close();
  }
}

async function read(session: DuckSession, source: DataSource): Promise<Dataset> {
  const { notes } = session;
  const features = resolveFeatures(source.interactions.features, 'interactions.features', 'interactions');
  const { missingId = 'error' } = source;
  const part = source.interactions.part === undefined ? [] : [partFeature(source.interactions.part)];
  const interactions = await ingestInteractions(
    session,
    source.interactions,
    [...features.filter(isInTable), ...part],
    source,
  );
  const users = await readEntities(session, 'user', source.users, interactions, source.interactions.user, notes);
  const items = await readEntities(session, 'item', source.items, interactions, source.interactions.item, notes);
  if (missingId === 'error') {
    await checkIds(session, 'user', interactions, source.interactions.user);
    await checkIds(session, 'item', interactions, source.interactions.item);
  }

  const { rows } = interactions;
  const user = new Int32Array(rows);
  const item = new Int32Array(rows);
  const label = new Float32Array(rows);
  const numbers = {
    time: source.interactions.time === undefined ? undefined : new Float64Array(rows),
    count: source.interactions.count === undefined ? undefined : new Float32Array(rows),
    weight: source.interactions.weight === undefined ? undefined : new Float32Array(rows),
  };
  const more = Object.entries(numbers).flatMap(([name, values]) => (values === undefined ? [] : [{ name, values }]));
  const casts = more
    .map(({ name, values }) =>
      values instanceof Float32Array
        ? `, r.${name}::FLOAT`
        : source.missingTime === 'drop'
          ? `, coalesce(r.${name}, 'nan')`
          : `, r.${name}`,
    )
    .join('');
  // The joins may reorder rows, so every row carries its position and is written there. Rows without an id keep id 0.
  await session.transfer(
    `SELECT r.rowid::INTEGER, u.id, i.id, coalesce(r.label, 'nan')::FLOAT${casts}
     FROM raw_interactions r JOIN user_ids u ON u.key = r.user JOIN item_ids i ON i.key = r.item`,
    [scatter(user), scatter(item), scatter(label), ...more.map(({ values }) => scatter(values))],
    'interactions',
  );
  const { time } = numbers;
  if (time !== undefined && interactions.isExact)
    await orderTimes(session, time, source.interactions.timeFormat === 'ns', notes);
  await session.run(
    'CREATE TEMP VIEW context AS SELECT rowid AS position, * FROM raw_interactions',
    'interactions.features',
  );
  const columns = await readFeatures(session, 'context', interactions.features, rows, 0, notes);
  const parts = part.length === 0 ? undefined : (columns.get(PART)![0] as CategoricalColumn);
  if (parts !== undefined) checkParts(parts, source.interactions.part!);
  const inOrder = () => Promise.resolve(Int32Array.from({ length: rows }, (_, row) => row));
  for (const feature of features.filter(isInFile))
    columns.set(feature.name, await readFile(session, feature, inOrder, rows, 0, notes));
  const context = contextTable(ordered(features, columns), rows);
  const raw = { user, item, label, ...numbers, part: parts, users, items, context };
  const { label: mapped, timeFormat } = source.interactions;
  const dataset = assemble(raw, { ...source, hasLabel: mapped !== undefined }, notes);
  if (mapped !== undefined) remarkLabels(dataset, interactions.relation.rules.nulls);
  if (timeFormat === undefined) remarkTimes(dataset);
  // If most users have a single row, a cell of the item column may hold all of a user's items.
  const isOneRow = rows < 1.5 * (users.rows - 1);
  for (const [name, { keys }] of [['user', users] as const, ['item', items] as const])
    remarkListedIds(name, keys.values.slice(1), isOneRow, source.interactions, notes);
  return withHistories(dataset, features);
}

/** The internal name under which the column of parts is read as a feature; the leading NUL keeps it apart from other names. */
const PART = '\0part';

function partFeature(column: string): ResolvedFeature {
  const [feature] = resolveFeatures([{ name: PART, kind: 'categorical', column }], 'interactions.part', 'interactions');
  return { ...feature, field: 'interactions.part' };
}

function checkParts(parts: CategoricalColumn, column: string): void {
  const row = parts.data.indexOf(0);
  if (row < 0) return;
  throw new InnerloopError('INVALID_DATA', `no value in column ${JSON.stringify(column)}, row ${row + 1}`, {
    field: 'interactions.part',
    value: null,
    expected: `one of ${parts.vocabulary.values.slice(1).join(', ')} in every row`,
  });
}

/** Moves times apart that doubles round to the same value, so that the order of the file's digits is kept. */
async function orderTimes(
  session: DuckSession,
  time: Float64Array,
  areNanoseconds: boolean,
  notes: string[],
): Promise<void> {
  const rank = new Int32Array(time.length);
  await session.transfer(
    `SELECT rowid::INTEGER, (dense_rank() OVER (ORDER BY time_exact, time) - 1)::INTEGER FROM raw_interactions`,
    [scatter(rank)],
    'interactions.time',
  );
  // Missing times sort last; they stay missing.
  const missing = Array.from(time.keys()).filter((row) => Number.isNaN(time[row]));
  const moved = keepOrder(time, rank) - Number(missing.length > 0);
  for (const row of missing) time[row] = Number.NaN;
  const what = 'times have more digits than a double holds';
  notes.push(
    moved === 0
      ? `interactions.time: ${what}; no two of them became equal`
      : `interactions.time: ${what}; ${moved} were moved up by the least that keeps their order${areNanoseconds ? '' : `. For nanoseconds since 1970, ${advice('interactions', { timeFormat: 'ns' })}`}`,
  );
}

/** Throws for the first interaction without an id. */
export async function checkIds(
  session: DuckSession,
  name: 'user' | 'item',
  { relation }: CopiedInteractions,
  column: string,
): Promise<void> {
  const field = `interactions.${name}`;
  const [row, count, text] = await session.row(
    `SELECT min(r.rowid)::DOUBLE, count(*)::DOUBLE, arg_min(CAST(r.${name} AS VARCHAR), r.rowid) FROM raw_interactions r
     WHERE r.${name} IS NULL OR r.${name} IN (SELECT key FROM ${name}_keys WHERE value IS NULL)`,
    field,
  );
  if (typeof row !== 'number') return;
  throw new InnerloopError(
    'INVALID_DATA',
    `no value in column ${JSON.stringify(column)}, ${at(relation, row)}; ${Number(count)} rows have none`,
    {
      field,
      value: text,
      expected: `a value in every row; to leave such rows out, ${advice('the data', { missingId: 'drop' })}; if ${JSON.stringify(text ?? '')} is an id, name what is missing: ${advice('interactions', { nulls: [] })}`,
    },
  );
}

function withHistories(dataset: Dataset, features: readonly ResolvedFeature[]): Dataset {
  for (const { kind, name, of, maxLength, minLabel } of features)
    if (kind === 'sequence') dataset = withHistory(dataset, { name, of, maxLength, minLabel });
  return dataset;
}

const isInFile = ({ file }: ResolvedFeature): boolean => file !== undefined;
const isInTable = (feature: ResolvedFeature): boolean => !isInFile(feature) && feature.kind !== 'sequence';

/** The columns of all features, in the order in which the source names the features. */
function ordered(features: readonly ResolvedFeature[], columns: ReadonlyMap<string, Column[]>): Column[] {
  return features.flatMap(({ name }) => columns.get(name) ?? []);
}

/** Creates `<name>_ids` (key of the interactions, row), and the feature table in the vocabulary's order. */
export async function readEntities(
  session: DuckSession,
  name: 'user' | 'item',
  source: EntitySource | undefined,
  { relation }: CopiedInteractions,
  column: string,
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
  // Each distinct spelling is read once: blanks around it are trimmed, and texts that stand for a missing value become null.
  const text = presentText('CAST(key AS VARCHAR)', relation.rules);
  await session.run(
    `CREATE TEMP TABLE ${keysTable} AS SELECT key, ${text} AS value FROM (SELECT DISTINCT ${name} AS key FROM raw_interactions)`,
    'interactions',
  );
  if (table !== undefined && source?.id !== undefined)
    await checkMatch(
      session,
      name,
      { interactions: relation, entities: (table as CopiedTable).relation },
      { interactions: column, entities: source.id },
      notes,
    );
  const texts = `SELECT value FROM ${keysTable}${table === undefined ? '' : ` UNION ALL SELECT id FROM ${table.name}`}`;
  const values = await createDictionary(session, dictionary, texts, 1, 'interactions');
  await session.run(
    `CREATE TEMP TABLE ${name}_ids AS SELECT k.key, d.id FROM ${keysTable} k JOIN ${dictionary} d ON d.value = k.value`,
    'interactions',
  );
  const rows = values.length;
  const keys = createVocabulary(values);
  const quote = /^['“‘`]/.exec(values[1] ?? '')?.[0];
  if (
    quote !== undefined &&
    values.every((value, k) => k === 0 || (value.length > 1 && value.startsWith(quote) && /['”’`]$/.test(value)))
  )
    notes.push(
      `every id of the ${name}s stands in ${quote}…${values[1].at(-1)!}, which is part of the id${quote === values[1].at(-1) ? `; if it is a quote, ${advice('interactions', { quote })}` : ''}`,
    );
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
    // Row 0 stands for "unknown" and takes no features: rows whose id is in no table get position -1 and are left out.
    const byId = () => Promise.resolve(Int32Array.from(ids.get(feature)!, (id) => keys.idOf(id) || -1));
    columns.set(feature.name, await readFile(session, feature, ids.has(feature) ? byId : inOrder, rows, 1, notes));
  }
  const named = new Uint8Array(rows);
  for (const row of await inOrder()) named[row] = 1;
  return { rows, keys, columns: ordered(features, columns), named };
}

/**
 * Reads a feature from its matrix file.
 * @param positions gives the row of the dataset's table that each row of the file becomes
 */
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

/** @throws {InnerloopError} ABORTED before anything is read */
export function checkReading(signal: AbortSignal | undefined): void {
  checkNotAborted(signal, 'reading the data was aborted', 'options.signal');
}
