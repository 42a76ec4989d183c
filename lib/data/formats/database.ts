/** Reads tables of SQLite, PostgreSQL and Excel workbooks through DuckDB's extensions. */
import { InnerloopError, show } from '../../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from '../duckdb.js';
import type { DuckSession } from '../duckdb.js';
import type { FoundTable } from '../open-files.js';
import type { FileOptions } from '../table-source.js';
import { advice } from '../table-source.js';

const EXTENSIONS = { sqlite: 'sqlite', postgres: 'postgres', xlsx: 'excel' } as const;

/**
 * Loads DuckDB's extension and returns the SQL that reads the table. An extension that is not installed is not downloaded: reading
 * a local file must not use the network.
 */
export async function databaseTable(
  session: DuckSession,
  kind: keyof typeof EXTENSIONS,
  source: string,
  options: FileOptions,
  field: string,
): Promise<FoundTable> {
  const where = `${field}.from`;
  const extension = EXTENSIONS[kind];
  try {
    await session.run(`LOAD ${extension}`, where);
  } catch (cause) {
    throw new InnerloopError('UNSUPPORTED', `DuckDB's extension ${extension} is not installed here`, {
      field: where,
      value: withoutPassword(source),
      expected: `it, once, on a machine with access: duckdb -c "INSTALL ${extension}"; or the table in a file: ${alternative(kind, source, options)}, and from: that file (.csv or .parquet)`,
      cause,
    });
  }
  if (kind === 'xlsx') {
    const sheet = options.sheet === undefined ? '' : `, sheet = ${quoteLiteral(options.sheet)}`;
    return {
      format: 'table',
      sql: `read_xlsx(${quoteLiteral(source)}, all_varchar = true, header = ${options.header ?? true}${sheet})`,
    };
  }
  // A column of SQLite may hold values of any type: all are read as text and converted by the rules for texts in files.
  if (kind === 'sqlite') await session.run('SET GLOBAL sqlite_all_varchar = true', where);
  if (options.path === undefined)
    throw new InnerloopError('INVALID_OPTION', 'which table of the database?', {
      field: `${field}.path`,
      value: undefined,
      expected: `the name of a table; ${advice(field, { path: 'ratings' })}`,
    });
  const [schema, table] = options.path.includes('.') ? options.path.split('.', 2) : ['public', options.path];
  return {
    format: 'table',
    sql:
      kind === 'sqlite'
        ? `sqlite_scan(${quoteLiteral(source)}, ${quoteLiteral(options.path)})`
        : `postgres_scan(${quoteLiteral(source)}, ${quoteLiteral(schema)}, ${quoteLiteral(table)})`,
  };
}

/** A text quoted as one word of a shell's command line. */
const word = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** The connection string without its password: error messages are logged, and must not contain it. */
const withoutPassword = (source: string): string =>
  source.replace(/(:\/\/[^:@/]*):[^@/]*@/, '$1@').replace(/(password\s*=\s*)('[^']*'|\S+)/gi, '$1…');

function alternative(kind: keyof typeof EXTENSIONS, source: string, { path = 'ratings', sheet }: FileOptions): string {
  const table = path.split('.').map(quoteIdentifier).join('.');
  if (kind === 'sqlite')
    return `sqlite3 -csv -header ${word(source)} ${word(`SELECT * FROM ${table}`)} > ${word(`${path}.csv`)}`;
  if (kind === 'postgres')
    return `psql ${word(withoutPassword(source))} -c ${word(`\\copy ${table} TO '${path}.csv' CSV HEADER`)}`;
  return `save the sheet${sheet === undefined ? '' : ` ${show(sheet)}`} as CSV UTF-8`;
}
