/** The state of the service: interactions, people, items, and recommendations that were given, all in one database. */
import { invalid } from '../../foundation/check.js';
import type { FeatureValues } from '../../batch/given-features.js';
import type { Database, Row, Statement, Value } from './database.js';
import { openPostgres } from './postgres.js';
import type { RowTable } from './row-texts.js';
import { openSqlite } from './sqlite.js';
import { prepareTables } from './tables.js';
import { Writer } from './writer.js';

/** An interaction as it is stored. */
export interface Interaction {
  /** The person's id. */
  user: string;
  /** The item's id. */
  item: string;
  /** The label: a rating, or 1 for a click or purchase and 0 for a dislike. */
  value: number;
  /** Weight ≥ 0 in the adaptation. */
  weight: number;
  /** Milliseconds since 1970. */
  time: number;
  /** The sender's id of the interaction; interactions with the same id are stored once. */
  event: string | null;
  /** Features of the interaction. */
  context: FeatureValues | null;
  /** Id of the recommendation that it answers. */
  recommendation: string | null;
}
/** What is kept of a person beside the interactions. */
export interface PersonRecord {
  /** The person's id. */
  id: string;
  /** Features by column. */
  features: FeatureValues;
  /** The group in which popularity is counted. */
  segment: string | null;
  /** Whether the person is served as an unknown one. */
  hidden: boolean;
}
/** What is kept of an item that was added or changed. */
export interface ItemRecord {
  /** The item's id. */
  id: string;
  /** Features by column. */
  features: FeatureValues;
  /** Id of the person who offers the item, to whom it is not recommended. */
  owner: string | null;
  /** Whether no list contains the item. */
  hidden: boolean;
}
/** A list that was given, which later feedback refers to. */
export interface RecommendationRecord {
  /** The list's id. */
  id: string;
  /** The person that it was given to; null for a session without an account. */
  user: string | null;
  /** Milliseconds since 1970. */
  time: number;
  /** The recommended items, the best first. */
  items: readonly string[];
  /** The source that made the list, such as `history` or `popular`. */
  source: string;
  /** The person's variant in each experiment, by experiment. */
  variants: Readonly<Record<string, string>>;
}

/**
 * Opens the state at `sqlite:PATH`, a path, or `postgres://…`, and creates its tables if there are none.
 * @param isOwned whether a file of SQLite is refused to other services until it is closed
 */
export async function openState(location: string, isOwned = false): Promise<State> {
  const expected = 'a file for SQLite, or postgres://user@host/database';
  if (location === '') throw invalid('state', 'missing', location, expected);
  const isPostgres = /^postgres(ql)?:\/\//.test(location);
  if (!isPostgres && /^\w+:\/\//.test(location))
    // An address may have a password in it.
    throw invalid('state', 'no such kind of database', location.slice(0, location.indexOf('//') + 2), expected);
  const database = isPostgres
    ? await openPostgres(location)
    : await openSqlite(location.replace(/^sqlite:/, ''), isOwned);
  try {
    await prepareTables(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  return new State(database);
}

/** What the service keeps in its database: interactions, people, items, recommendations and experiments. */
export class State {
  /** The database that holds it. */
  readonly database: Database;
  /** Collects writes into transactions: a write is acknowledged when its transaction is on disk. */
  readonly writer: Writer;

  constructor(database: Database) {
    this.database = database;
    this.writer = new Writer(database);
  }

  /** Adds interactions; when the promise is fulfilled, they are on disk. @returns how many were new */
  async add(interactions: readonly Interaction[]): Promise<number> {
    const rows = await this.writer.write(interactions.map(insertInteraction));
    return rows.reduce((sum, { length }) => sum + length, 0);
  }

  /** The latest `most` interactions of a person, in the order in which they were added. */
  async history(person: string, most: number): Promise<Interaction[]> {
    const rows = await this.database.all(
      'SELECT event, person, item, value, weight, time, context, recommendation FROM interactions WHERE person = ? ORDER BY seq DESC LIMIT ?',
      [person, most],
    );
    return rows.reverse().map(interactionOf);
  }

  /** A person's record; undefined for somebody who has none. */
  async person(id: string): Promise<PersonRecord | undefined> {
    const [row] = await this.database.all('SELECT id, features, segment, hidden FROM people WHERE id = ?', [id]);
    return row && personOf(row);
  }
  /** Writes a person's record in place of the one that is there. */
  async putPerson(person: PersonRecord): Promise<void> {
    await this.writer.write([putPerson(person)]);
  }

  /** Deletes everything about a person in one transaction. @returns how many interactions were deleted */
  async forget(person: string): Promise<number> {
    const from = ['interactions', 'people', 'recommendations', 'outcomes'];
    const rows = await this.writer.write([
      { sql: 'SELECT COUNT(*) AS n FROM interactions WHERE person = ?', params: [person] },
      ...from.map((table) => ({
        sql: `DELETE FROM ${table} WHERE ${table === 'people' ? 'id' : 'person'} = ?`,
        params: [person],
      })),
    ]);
    return Number(rows[0][0]['n']);
  }

  /**
   * Deletes interactions and recommendations of earlier times.
   * @param before milliseconds since 1970
   * @returns how many interactions were deleted
   */
  async forgetBefore(before: number): Promise<number> {
    const rows = await this.writer.write([
      { sql: 'SELECT COUNT(*) AS n FROM interactions WHERE time < ?', params: [before] },
      { sql: 'DELETE FROM interactions WHERE time < ?', params: [before] },
      { sql: 'DELETE FROM recommendations WHERE time < ?', params: [before] },
    ]);
    return Number(rows[0][0]['n']);
  }

  /** The records of items that were added, changed or hidden. @param ids the items to look for; default: all */
  async items(ids?: readonly string[]): Promise<ItemRecord[]> {
    const where = ids === undefined ? '' : `WHERE id IN (${ids.map(() => '?').join(', ')})`;
    const rows = await this.database.all(`SELECT id, features, owner, hidden FROM items ${where} ORDER BY id`, ids);
    return rows.map(itemOf);
  }
  /** Writes the records of items in place of those that are there. */
  async putItems(items: readonly ItemRecord[]): Promise<void> {
    await this.writer.write(items.map(putItem));
  }

  /**
   * The `most` items with most interactions and their counts, the most frequent first. People who are hidden do not count.
   * @param segment counts only the interactions of people in this group
   */
  async popular(segment: string | undefined, most: number): Promise<{ item: string; count: number }[]> {
    const [from, params]: [string, Value[]] =
      segment === undefined
        ? ['interactions i LEFT JOIN people p ON p.id = i.person WHERE COALESCE(p.hidden, 0) = 0', []]
        : ['interactions i JOIN people p ON p.id = i.person WHERE p.hidden = 0 AND p.segment = ?', [segment]];
    // One text takes the event loop half of what as many rows do, which come from another thread.
    const together =
      this.database.kind === 'sqlite' ? 'json_group_array(json_array(item, n))' : 'json_agg(json_build_array(item, n))';
    const [{ top }] = await this.database.scan(
      `SELECT CAST(${together} AS TEXT) AS top FROM (SELECT i.item AS item, COUNT(*) AS n FROM ${from} GROUP BY i.item ORDER BY n DESC, i.item LIMIT ?) counted`,
      [...params, most],
    );
    return parsed<[string, number][]>(top ?? '[]').map(([item, count]) => ({ item, count }));
  }

  /** A recommendation that was given; undefined if there is none with this id. */
  async recommendation(id: string): Promise<RecommendationRecord | undefined> {
    const [row] = await this.database.all(
      'SELECT id, person, time, items, source, variants FROM recommendations WHERE id = ?',
      [id],
    );
    return row && recommendationOf(row);
  }

  /** Ends all writes and closes the database. */
  async close(): Promise<void> {
    await this.writer.idle();
    await this.database.close();
  }
}

// ------------------------------------------------------------------------------------------ records and rows

const json = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));
const parsed = <T>(value: Value): T => JSON.parse(String(value)) as T;

/** The clause that says what an insertion does if the row exists already. @internal */
export const ON_CONFLICT = {
  interactions: 'ON CONFLICT (event) DO NOTHING',
  people:
    'ON CONFLICT (id) DO UPDATE SET features = excluded.features, segment = excluded.segment, hidden = excluded.hidden',
  items:
    'ON CONFLICT (id) DO UPDATE SET features = excluded.features, owner = excluded.owner, hidden = excluded.hidden',
} as const;

export function insertInteraction(row: Interaction): Statement {
  return {
    sql: `INSERT INTO interactions (event, person, item, value, weight, time, context, recommendation) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ${ON_CONFLICT.interactions} RETURNING seq`,
    params: [row.event, row.user, row.item, row.value, row.weight, row.time, json(row.context), row.recommendation],
  };
}
export function putPerson({ id, features, segment, hidden }: PersonRecord): Statement {
  return {
    sql: `INSERT INTO people (id, features, segment, hidden) VALUES (?, ?, ?, ?) ${ON_CONFLICT.people}`,
    params: [id, JSON.stringify(features), segment, Number(hidden)],
  };
}
export function putItem({ id, features, owner, hidden }: ItemRecord): Statement {
  return {
    sql: `INSERT INTO items (id, features, owner, hidden) VALUES (?, ?, ?, ?) ${ON_CONFLICT.items}`,
    params: [id, JSON.stringify(features), owner, Number(hidden)],
  };
}
/** The table of recommendations, whose rows are written many at a time. */
export const RECOMMENDATIONS: RowTable = {
  name: 'recommendations',
  columns: { id: 'TEXT', person: 'TEXT', time: 'BIGINT', items: 'TEXT', source: 'TEXT', variants: 'TEXT' },
  onConflict: 'ON CONFLICT (id) DO NOTHING',
};
/** A row of `RECOMMENDATIONS`. */
export function textOfRecommendation({ id, user, time, items, source, variants }: RecommendationRecord): string {
  return JSON.stringify([id, user, time, items, source, variants]);
}

export function interactionOf(row: Row): Interaction {
  const { event, person, item, value, weight, time, context, recommendation } = row;
  return {
    user: String(person),
    item: String(item),
    value: Number(value),
    weight: Number(weight),
    time: Number(time),
    event: event === null ? null : String(event),
    context: context === null ? null : parsed(context),
    recommendation: recommendation === null ? null : String(recommendation),
  };
}
export function personOf({ id, features, segment, hidden }: Row): PersonRecord {
  return {
    id: String(id),
    features: parsed(features),
    segment: segment === null ? null : String(segment),
    hidden: Number(hidden) === 1,
  };
}
export function itemOf({ id, features, owner, hidden }: Row): ItemRecord {
  return {
    id: String(id),
    features: parsed(features),
    owner: owner === null ? null : String(owner),
    hidden: Number(hidden) === 1,
  };
}
function recommendationOf({ id, person, time, items, source, variants }: Row): RecommendationRecord {
  return {
    id: String(id),
    user: person === null ? null : String(person),
    time: Number(time),
    items: parsed(items),
    source: String(source),
    variants: parsed(variants),
  };
}
