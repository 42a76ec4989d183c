/** PostgreSQL by a connection string, through the optional peer `pg`. */
import { InnerloopError } from '../../foundation/errors.js';
import { missingPeer } from '../peers.js';
import type { Database, Row, Statement, Value } from './database.js';

interface Client {
  query(text: string, values?: readonly Value[]): Promise<{ rows: Row[] }>;
  release(error?: boolean): void;
}
interface Pool {
  connect(): Promise<Client>;
  query(text: string, values?: readonly Value[]): Promise<{ rows: Row[] }>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): void;
}
interface Driver {
  Pool: new (options: object) => Pool;
  types: {
    builtins: { INT8: number };
    getTypeParser: (oid: number, format?: string) => unknown;
  };
}

/** Connections held at most; a service of one process needs few. */
const CONNECTIONS = 8;

export async function openPostgres(url: string): Promise<Database> {
  const driver = await load();
  const { types } = driver;
  // Counts and times are below 2^53: numbers, not the texts that pg makes of 64-bit integers.
  const own = {
    getTypeParser: (oid: number, format?: string) =>
      oid === types.builtins.INT8 && format !== 'binary' ? Number : types.getTypeParser(oid, format),
  };
  const pool = new driver.Pool({ connectionString: url, max: CONNECTIONS, types: own, connectionTimeoutMillis: 5000 });
  // An idle connection that the server ends is opened again when it is needed.
  pool.on('error', () => undefined);
  const database: Database = {
    kind: 'postgres',
    all: (sql, params = []) => guarded(async () => (await pool.query(numbered(sql), params)).rows),
    transaction: (statements) => guarded(() => transaction(pool, statements)),
    close: () => pool.end(),
  };
  try {
    await database.all('SELECT 1');
  } catch (error) {
    await pool.end();
    throw error;
  }
  return database;
}

async function load(): Promise<Driver> {
  // By a name that the compiler does not follow: its types are no dependency either.
  const name: string = 'pg';
  try {
    const loaded = (await import(name)) as Driver & { default?: Driver };
    return loaded.default ?? loaded;
  } catch (error) {
    throw missingPeer('pg', error);
  }
}

async function transaction(pool: Pool, statements: readonly Statement[]): Promise<Row[][]> {
  const client = await pool.connect();
  let isBroken = false;
  try {
    await client.query('BEGIN');
    const results: Row[][] = [];
    for (const { sql, params } of statements) results.push((await client.query(numbered(sql), params)).rows);
    await client.query('COMMIT');
    return results;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => (isBroken = true));
    throw error;
  } finally {
    client.release(isBroken);
  }
}

/** Messages of the driver hold no connection string: a password gets into no log. */
async function guarded<X>(action: () => Promise<X>): Promise<X> {
  try {
    return await action();
  } catch (error) {
    throw new InnerloopError('IO', `PostgreSQL: ${(error as Error).message}`, { field: 'state' });
  }
}

const texts = new Map<string, string>();

/** `?` as `$1`, `$2`, … */
function numbered(sql: string): string {
  let text = texts.get(sql);
  if (text === undefined) {
    let n = 0;
    text = sql.replace(/\?/g, () => `$${++n}`);
    if (texts.size > 200) texts.clear();
    texts.set(sql, text);
  }
  return text;
}
