/**
 * Runs the user's SQL over files. DuckDB would guess layout and types of a text file from a sample. So the files that a query reads
 * are found in its syntax tree and replaced by views that read them as `from` does, with types that hold for the whole file.
 * Columns that become ids are text, unless all their values are integers that DuckDB writes exactly as the file does.
 */
import { InnerloopError, show } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { openFiles } from './open-files.js';
import { jsonRelation } from './read-json.js';
import { textTable } from './read-text.js';
import { callOf, filesOf, sourcesOf } from './sql-files.js';
import type { FileCall } from './sql-files.js';
import { inferTypes, typedSelect } from './typed-columns.js';
import type { Wanted } from './text-table.js';
import { isInteger } from './values.js';
import type { ValueRules } from './values.js';

export async function sqlRelation(
  session: DuckSession,
  source: string,
  field: string,
  wanted: Wanted,
  rules: ValueRules,
): Promise<{ sql: string; types: Map<string, string> }> {
  const where = `${field}.sql`;
  const { baseDirectory } = session.options;
  if (baseDirectory.includes(',') && baseDirectory !== process.cwd()) {
    throw new InnerloopError('UNSUPPORTED', 'SQL cannot resolve paths against a folder with a comma in its name', {
      field: where,
      value: baseDirectory,
      expected: 'another base directory, or from in place of sql',
    });
  }
  const statement = source.trim().replace(/;\s*$/, '');
  const ids = wanted.columns.filter(({ as }) => as === 'text').map(({ name }) => name);
  const { text, calls } = await readCalls(session, statement, ids, field, rules);
  // A statement may end in a line comment: the line break after it keeps the bracket out of the comment.
  const sql = `(\n${text}\n)`;
  const [names = [], types = []] = await session.columns(`DESCRIBE SELECT * FROM ${sql}`, where);
  const described = new Map(names.map((name, i) => [String(name), String(types[i])]));
  // In a call with options that only DuckDB has, DuckDB may have guessed integers: 007 would have become 7.
  const stated = ['all_varchar', 'columns', 'types', 'dtypes', 'column_types'];
  const isGuessed = calls.some(
    ({ isFunction, isPlain, names: given }) => isFunction && !isPlain && !stated.some((key) => given.includes(key)),
  );
  for (const { name, field: option, as } of wanted.columns) {
    const type = described.get(name);
    if (
      as !== 'text' ||
      calls.length === 0 ||
      type === undefined ||
      type === 'VARCHAR' ||
      (isInteger(type) && !isGuessed) ||
      /^(ENUM|JSON|"NULL"|.*\[\d*\]$)/.test(type)
    )
      continue;
    throw new InnerloopError(
      'INVALID_DATA',
      `the query makes ${show(name)} a ${type}, which is not how the file writes it`,
      {
        field: option,
        value: name,
        expected: `text; read the file as text and cast what is to be a number: \`${asTextCall(calls[0])}\``,
      },
    );
  }
  return { sql, types: described };
}

const asTextCall = ({ path, isJson }: FileCall): string =>
  isJson
    ? `SELECT … FROM read_json(${quoteLiteral(path)}, columns = {…: 'VARCHAR'})`
    : `SELECT … FROM read_csv(${quoteLiteral(path)}, all_varchar = true)`;

/** Creates a view for every text file that the statement reads, and replaces calls of readers by the view's name. */
async function readCalls(
  session: DuckSession,
  statement: string,
  ids: readonly string[],
  field: string,
  rules: ValueRules,
): Promise<{ text: string; calls: FileCall[] }> {
  const where = `${field}.sql`;
  const [serialized] = await session.row(`SELECT json_serialize_sql(${quoteLiteral(statement)})`, where);
  const tree = JSON.parse(String(serialized)) as { error: boolean };
  if (tree.error) {
    const mentioned = /read_(csv|json|ndjson)\w*\s*\(|'[^']*\.(csv|tsv|json|ndjson|jsonl)(\.gz)?'/i.exec(statement);
    // A statement without text files needs no view; if its syntax is wrong, DuckDB explains it when it runs.
    if (mentioned === null) return { text: statement, calls: [] };
    await session.columns(`DESCRIBE SELECT * FROM (\n${statement}\n)`, where);
    throw new InnerloopError(
      'UNSUPPORTED',
      'a statement other than SELECT reads a text file, whose types DuckDB would guess',
      {
        field: where,
        value: mentioned[0],
        expected: "a SELECT, with the file read as `SELECT … FROM read_csv('file.csv', all_varchar = true)`",
      },
    );
  }
  const calls = filesOf(tree);
  const texts = sourcesOf(tree, ids);
  let bytes = Buffer.from(statement);
  // Calls are replaced from the end on, so that the positions of earlier calls stay valid.
  for (const call of [...calls].sort((a, b) => b.location - a.location)) {
    const span = call.isFunction ? callOf(bytes, call.location) : undefined;
    if (call.isFunction && (!call.isPlain || span === undefined)) {
      bytes = wholeSample(bytes, call, span);
      continue;
    }
    const view = call.isFunction ? `innerloop ${field} ${call.location}` : call.path;
    const select = await fileSelect(session, call, texts, field, rules);
    await session.run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(view)} AS SELECT * FROM ${select}`, where);
    if (span !== undefined)
      bytes = Buffer.concat([bytes.subarray(0, span[0]), Buffer.from(quoteIdentifier(view)), bytes.subarray(span[1])]);
  }
  return { text: bytes.toString(), calls };
}

/** Makes a call that keeps options of DuckDB infer types from all rows instead of a sample. */
function wholeSample(bytes: Buffer, call: FileCall, span: [number, number] | undefined): Buffer<ArrayBuffer> {
  if (span === undefined || call.names.includes('sample_size') || call.names.includes('auto_detect'))
    return Buffer.from(bytes);
  return Buffer.concat([
    bytes.subarray(0, span[1] - 1),
    Buffer.from(', sample_size = -1'),
    bytes.subarray(span[1] - 1),
  ]);
}

/** The SQL that reads one text file of a query, with columns in `texts` as text unless they hold integers. */
async function fileSelect(
  session: DuckSession,
  call: FileCall,
  texts: ReadonlySet<string>,
  field: string,
  rules: ValueRules,
): Promise<string> {
  const where = `${field}.sql`;
  const source = { from: call.path, ...call.options, format: call.isJson ? ('json' as const) : ('csv' as const) };
  const named = [...texts].map((name) => ({ name, field: where, as: 'text' as const }));
  const found = await openFiles(session, source, field);
  if (found.format === 'json')
    return (await jsonRelation(session, found, field, { columns: named, typed: true }, true)).sql;
  if (found.format !== 'csv') throw new Error('SQL reads text files here');
  let table;
  try {
    table = await textTable(session, found, call.path, field, { columns: [], typed: true });
  } catch (error) {
    if (!(error instanceof InnerloopError) || error.expected?.includes('write in') !== true) throw error;
    throw new InnerloopError(error.code, error.message, {
      value: call.path,
      expected: `in place of the file, what it is: \`read_csv(${quoteLiteral(call.path)}, delim = ',', header = false, all_varchar = true)\` with its own delimiter and header`,
      cause: error,
    });
  }
  const { sql, dialect } = table;
  if (call.isText) return sql;
  const types = new Map(dialect.names.map((name) => [name, 'VARCHAR']));
  const inferred = await inferTypes(session, sql, dialect.names, rules, where);
  for (const [name, type] of inferred) if (type === 'BIGINT' || !texts.has(name)) types.set(name, type);
  return typedSelect(sql, types, rules);
}
