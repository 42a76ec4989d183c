/** Reads JSON: an array of objects, or one object a line. Values mapped to ids, labels and times keep their spelling. */
import { createWriteStream, statSync } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InnerloopError, show } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { contents, fileList, head } from './files.js';
import type { FoundFile } from './files.js';
import type { FoundFiles } from './open-files.js';
import { advice } from './table-source.js';
import { resolveName } from './text-table.js';
import type { Wanted } from './text-table.js';

/** Types that DuckDB infers for some texts and would write back in another spelling. */
const RESPELT = /\b(DATE|TIME|TIMESTAMP|TIMESTAMP_S|TIMESTAMP_MS|TIMESTAMP_NS|UUID)( WITH TIME ZONE)?(?=[,)[]|$)/g;
/** Types that DuckDB may write in other digits than the file has. */
const REWRITTEN = /^(DOUBLE|FLOAT|HUGEINT|UHUGEINT|DECIMAL.*|JSON)$/;

interface Json {
  sql: string;
  types: Map<string, string>;
}

/**
 * Makes the SQL that reads JSON files, with the type of each column.
 * @param inSql whether the user's SQL selects from it, so that columns in `wanted` may be missing
 */
export async function jsonRelation(
  session: DuckSession,
  found: FoundFiles,
  field: string,
  wanted: Wanted,
  inSql = false,
): Promise<Json> {
  const where = `${field}.from`;
  let { files } = found;
  for (const file of files)
    if ((await head(session, file, 1 << 16, where)).bytes.toString('utf8').trim() === '')
      throw new InnerloopError('EMPTY_DATA', `${file.path} is empty`, { field: where, expected: 'at least one row' });
  let json = await readJson(session, files, found.options.path, wanted, field);
  // If a number is an id, the file is rewritten with all numbers in quotes, so that DuckDB keeps their digits.
  const isRewritten = wanted.columns.some(({ name, as }) => {
    const column = as === 'number' ? undefined : resolveName([...json.types.keys()], name);
    return column !== undefined && REWRITTEN.test(json.types.get(column)!);
  });
  if (isRewritten) {
    const quoted: FoundFile[] = [];
    for (const file of files) quoted.push(await quoteNumbers(session, file, where));
    files = quoted;
    json = await readJson(session, files, found.options.path, wanted, field, json.types);
  }
  if (!inSql && found.options.path === undefined) checkNested(json.types, wanted, field);
  return json;
}

/** @param typed types of the columns before their numbers were put in quotes, which they are to keep */
async function readJson(
  session: DuckSession,
  files: readonly FoundFile[],
  path: string | undefined,
  wanted: Wanted,
  field: string,
  typed?: ReadonlyMap<string, string>,
): Promise<Json> {
  const where = `${field}.from`;
  const list = fileList(files.map((file) => file.path));
  const largest = Math.max(...files.map((file) => statSync(file.path).size));
  const options =
    path === undefined ? '' : `, maximum_object_size = ${Math.min(Math.max(largest + 1, 1 << 24), 2 ** 31)}`;
  // A column's type is inferred from all rows: from the first ones alone, a text in a later row would be a cast error.
  const types = await describe(session, `read_json(${list}, sample_size = -1${options})`, where);
  const names = new Map(wanted.columns.map(({ name, as }) => [resolveName([...types.keys()], name), as]));
  for (const [name, type] of types) {
    const as = names.get(name);
    const kept = typed?.get(name);
    if (path !== undefined && path.split('.')[0] === name) types.set(name, type.replace(RESPELT, 'VARCHAR'));
    else if (as !== undefined && as !== 'number' && (type.search(RESPELT) === 0 || typed !== undefined))
      types.set(name, 'VARCHAR');
    else if (kept !== undefined) types.set(name, kept);
  }
  const columns = Array.from(types, ([name, type]) => `${quoteLiteral(name)}: ${quoteLiteral(type)}`);
  const table = `read_json(${list}, columns = {${columns.join(', ')}}${options})`;
  if (path !== undefined) return unnested(session, table, types, path, field);
  return { sql: table, types };
}

/** Makes one row for each entry of the list at `path`, with the columns beside the list repeated in each. */
async function unnested(
  session: DuckSession,
  table: string,
  types: ReadonlyMap<string, string>,
  path: string,
  field: string,
): Promise<Json> {
  const steps = path.split('.');
  if (!types.has(steps[0]))
    throw new InnerloopError('INVALID_OPTION', `there is no ${show(steps[0])}`, {
      field: `${field}.path`,
      value: path,
      expected: `a path that starts with one of ${[...types.keys()].map(show).join(', ')}`,
    });
  const list = steps.map(quoteIdentifier).join('.');
  const outer = [...types.keys()].filter((name) => name !== steps[0]);
  let inner: Map<string, string>;
  try {
    inner = await describe(session, `(SELECT unnest(${list}, max_depth := 2) FROM ${table})`, `${field}.path`);
  } catch (cause) {
    throw new InnerloopError('INVALID_OPTION', 'no list of objects', {
      field: `${field}.path`,
      value: path,
      expected: `the path of a list; the file has ${Array.from(types, ([name, type]) => `${show(name)} (${type})`).join(', ')}`,
      cause,
    });
  }
  // The entries of a list of texts or numbers have no names: they become the column that the list was.
  if (!isListOfObjects(types, steps)) {
    const name = steps.at(-1)!;
    const entry = quoteIdentifier(outer.includes(name) ? path : name);
    const beside = outer.map(quoteIdentifier);
    return {
      sql: `(SELECT ${[...beside, `unnest(${list}) AS ${entry}`].join(', ')} FROM ${table})`,
      types: new Map([
        ...outer.map((own) => [own, types.get(own)!] as const),
        [outer.includes(name) ? path : name, [...inner.values()][0] ?? 'VARCHAR'] as const,
      ]),
    };
  }
  // A field of an entry that has the name of a column beside the list gets the list's name as a prefix.
  const own = (name: string): string => (outer.includes(name) ? `${steps.at(-1)!}.${name}` : name);
  const picked = [...inner.keys()].map((name) => `entry.${quoteIdentifier(name)} AS ${quoteIdentifier(own(name))}`);
  const sql = `(SELECT ${[...outer.map(quoteIdentifier), ...picked].join(', ')} FROM (SELECT ${[...outer.map(quoteIdentifier), `unnest(${list}) AS entry`].join(', ')} FROM ${table}))`;
  return {
    sql,
    types: new Map([
      ...outer.map((name) => [name, types.get(name)!] as const),
      ...Array.from(inner, ([name, type]) => [own(name), type] as const),
    ]),
  };
}

function isListOfObjects(types: ReadonlyMap<string, string>, steps: readonly string[]): boolean {
  let type = types.get(steps[0])!;
  for (const step of steps.slice(1)) {
    const struct = /^STRUCT\(([^]*)\)$/.exec(type);
    type = struct === null ? '' : (fieldsOf(struct[1]).find(([name]) => name === step)?.[1] ?? '');
  }
  return /^STRUCT\([^]*\)\[\]$/.test(type);
}

/** Refuses a mapped column that is inside a list, with the path to write, and JSON that is not made of objects. */
function checkNested(types: ReadonlyMap<string, string>, wanted: Wanted, field: string): void {
  const own = wanted.columns.map(({ name }) => types.get(resolveName([...types.keys()], name) ?? ''));
  if (own.length > 0 && own.every((type) => /^(STRUCT\("0" |MAP\()/.test(type ?? '')))
    throw noObjects('columns, each an object of its rows', wanted.columns[0].name, field);
  for (const { name, field: option } of wanted.columns) {
    if (resolveName([...types.keys()], name) !== undefined) continue;
    for (const [column, type] of types) {
      const path = pathOf(type, name, column);
      if (path === undefined) continue;
      throw new InnerloopError('MISSING_COLUMN', `${show(name)} is inside the list ${show(path)}`, {
        field: option,
        value: name,
        expected: advice(field, { path }),
      });
    }
    const names = [...types.keys()];
    const shape =
      names.length === 1 && names[0] === 'json'
        ? 'lists'
        : names.includes('columns') && names.includes('data')
          ? 'columns beside data'
          : [...types.values()].every((type) => /^(STRUCT|MAP)\(|\[\]$/.test(type))
            ? 'values by their keys'
            : undefined;
    if (shape !== undefined) throw noObjects(shape, name, field);
  }
}

const noObjects = (shape: string, name: string, field: string) =>
  new InnerloopError('INVALID_DATA', `the JSON holds ${shape}, not objects with named fields`, {
    field: `${field}.from`,
    value: name,
    expected: "an array of objects, or one a line; in Python DataFrame.to_json(…, orient='records', lines=True)",
  });

/** The path of a list of objects with a field `name` inside a type; undefined if there is none. */
function pathOf(type: string, name: string, path: string): string | undefined {
  const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const isField = new RegExp(`(^|[(,] ?)"?${quoted}"? `, 'i');
  const isList = /^STRUCT\(([^]*)\)\[\]$/.exec(type);
  if (isList !== null) return isField.test(`(${isList[1]}`) ? path : undefined;
  const struct = /^STRUCT\(([^]*)\)$/.exec(type);
  if (struct === null) return undefined;
  for (const [key, own] of fieldsOf(struct[1])) {
    const found = pathOf(own, name, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The fields of a STRUCT as DuckDB writes them: `a BIGINT, "b c" STRUCT(d VARCHAR)[]`. */
function fieldsOf(text: string): [string, string][] {
  const fields: [string, string][] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '"') quoted = !quoted;
    else if (!quoted && c === '(') depth++;
    else if (!quoted && c === ')') depth--;
    else if (i === text.length || (!quoted && depth === 0 && c === ',')) {
      const part = /^\s*(?:"((?:[^"]|"")*)"|(\S+))\s+([^]*)$/.exec(text.slice(from, i));
      if (part !== null) fields.push([part[1]?.replaceAll('""', '"') ?? part[2], part[3].trim()]);
      from = i + 1;
    }
  }
  return fields;
}

/** Writes a copy of the file with every number in quotes. */
async function quoteNumbers(session: DuckSession, file: FoundFile, field: string): Promise<FoundFile> {
  const path = session.temporaryFile('json');
  let inText = false;
  let escaped = false;
  let inNumber = false;
  const isDigit = (c: number): boolean =>
    (c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46 || c === 101 || c === 69;
  const quote = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const out = Buffer.allocUnsafe(chunk.length * 3);
      let n = 0;
      for (const c of chunk) {
        if (inNumber && !isDigit(c)) {
          out[n++] = 34;
          inNumber = false;
        } else if (!inNumber && !inText && ((c >= 48 && c <= 57) || c === 45)) {
          out[n++] = 34;
          inNumber = true;
        }
        if (inText && escaped) escaped = false;
        else if (inText && c === 92) escaped = true;
        else if (c === 34) inText = !inText;
        out[n++] = c;
      }
      done(null, out.subarray(0, n));
    },
  });
  await pipeline(await contents(file, field), quote, createWriteStream(path));
  return { path, compression: 'none' };
}

async function describe(session: DuckSession, sql: string, field: string): Promise<Map<string, string>> {
  const [names = [], types = []] = await session.columns(`DESCRIBE SELECT * FROM ${sql}`, field);
  return new Map(names.map((name, i) => [String(name), String(types[i])]));
}
