/** Opens a PostgreSQL database by its connection string, through the optional peer `pg`. */
import { missingPeer } from '../peers.js';
import { unavailable } from './database.js';
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

/** The most connections that are held; a service is one process and needs few. */
const CONNECTIONS = 8;

export async function openPostgres(url: string): Promise<Database> {
  const driver = await load();
  const { types } = driver;
  // pg returns 64-bit integers as texts. Counts and times are below 2^53, so they are converted to numbers.
  const own = {
    getTypeParser: (oid: number, format?: string) =>
      oid === types.builtins.INT8 && format !== 'binary' ? Number : types.getTypeParser(oid, format),
  };
  const pool = new driver.Pool({ connectionString: url, max: CONNECTIONS, types: own, connectionTimeoutMillis: 5000 });
  // If the server closes an idle connection, the pool opens a new one when it needs it, so the error is ignored.
  pool.on('error', () => undefined);
  const all: Database['all'] = (sql, params = []) =>
    guarded(async () => (await pool.query(numbered(sql), params)).rows);
  const database: Database = {
    kind: 'postgres',
    all,
    // Each query has a connection of its own while it runs.
    scan: all,
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
  // The name is a variable so that the compiler does not look for the package, whose types are not installed.
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

/** Passes on the driver's message only, which does not contain the connection string, so that no password is logged. */
async function guarded<X>(action: () => Promise<X>): Promise<X> {
  try {
    return await action();
  } catch (error) {
    throw unavailable(`PostgreSQL: ${(error as Error).message}`);
  }
}

const texts = new Map<string, string>();

/** The statement with `$1`, `$2`, … in place of the parameters `?`. */
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
