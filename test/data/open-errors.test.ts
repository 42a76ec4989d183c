import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Dataset } from '../../lib/foundation/contract.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { datasetFromColumns, openDataset } from '../../lib/data/index.js';
import { file, folder, open, ratings, rejects, throws } from '../fixtures/interactions.js';

test('files: missing, no match, a folder, an unknown kind, remote', async () => {
  const from = (path: string): Promise<Dataset> =>
    open({ interactions: { from: path, user: 'u', item: 'i', label: 'r' } });
  await rejects(from('nowhere.csv'), 'MISSING_FILE', /interactions\.from/, /nowhere\.csv/);
  await rejects(from('none*.csv'), 'MISSING_FILE', /no file matches .*none\*\.csv/);
  await rejects(from('.'), 'MISSING_FILE', /folder/);
  await rejects(from(file('x', 'data.xlsx')), 'UNSUPPORTED', /\.parquet/);
  await rejects(from('https://example.org/x.csv'), 'UNSUPPORTED');
  await rejects(from(file('not parquet', 'broken.parquet')), 'INVALID_DATA');
  await rejects(from(file('{"u": 1', 'broken.json')), 'INVALID_DATA');
});

test('columns: the nearest and the available are named', async () => {
  await rejects(
    open(ratings('u,i,rating\n1,a,1\n', { label: 'ratng' })),
    'MISSING_COLUMN',
    /"ratng"/,
    /did you mean "rating"/,
    /"u", "i", "rating"/,
    /interactions\.label/,
  );
  await rejects(
    open(ratings('u,i,r\n1,a,1\n', { features: [{ name: 'ctx', kind: 'dense' }] })),
    'MISSING_COLUMN',
    /features\[0\]\.name/,
  );
  await rejects(
    open(ratings('u,i,r\n1,a,1\n', { features: [{ name: 'c', kind: 'dense', sql: 'r + nope' }] })),
    'MISSING_COLUMN',
    /nope/,
    /features\[0\]\.sql/,
  );
});

test('empty tables', async () => {
  await rejects(open(ratings('u,i,r\n')), 'EMPTY_DATA', /interactions/);
  await rejects(open(ratings('')), 'EMPTY_DATA', /is empty/);
  const items = { sql: "SELECT 'a' AS id WHERE false", id: 'id', features: [] };
  await rejects(open({ ...ratings('u,i,r\n1,a,1\n'), items }), 'EMPTY_DATA', /items\.sql/);
  throws(() => datasetFromColumns({ user: [], item: [], label: [] }), 'EMPTY_DATA', /user/);
});

test('values: text for a number, NaN, infinity, missing ids, with the row of the first', async () => {
  await rejects(
    open(ratings('u,i,r\n1,a,1\n1,b,good\n1,c,bad\n')),
    'INVALID_DATA',
    /text where a number belongs/,
    /"r", row 2 /,
    /"good"/,
  );
  await rejects(open(ratings('u,i,r\n1,a,1\n1,b,nan\n')), 'INVALID_DATA', /no value in column "r"/, /row 2 /, /"nan"/);
  await rejects(open(ratings('u,i,r\n1,a,inf\n')), 'INVALID_DATA', /not finite/, /row 1 /);
  await rejects(open(ratings('u,i,r\n1,a,1e39\n')), 'INVALID_DATA', /not finite|float32/, /1e39/);
  await rejects(open(ratings('u,i,r\n1,a,1\n,b,1\n')), 'INVALID_DATA', /"u", row 2 /);
  await rejects(open(ratings('u,i,r\n1,a,1\n1,"",1\n')), 'INVALID_DATA', /"i", row 2 /);
  await rejects(
    open(ratings('u,i,r,t\n1,a,1,5\n1,b,1,soon\n', { time: 't' })),
    'INVALID_DATA',
    /interactions\.time/,
    /row 2 /,
    /"soon"/,
  );
  await rejects(open(ratings('u,i,r,t\n1,a,1,5\n1,b,1,\n', { time: 't' })), 'INVALID_DATA', /"t", row 2 /);
  const sql = "SELECT 'u' u, 'i' i, unnest([1.0, 'nan'::DOUBLE]) r";
  await rejects(open({ interactions: { sql, user: 'u', item: 'i', label: 'r' } }), 'INVALID_DATA', /row 2 /);
  await rejects(
    open({ interactions: { sql: "SELECT 'u' u, 'i' i, [1] r", user: 'u', item: 'i', label: 'r' } }),
    'INVALID_DATA',
    /INTEGER\[\]/,
  );
  await rejects(
    open(ratings('u,i,r,x\n1,a,1,2\n1,b,1,tall\n', { features: [{ name: 'x', kind: 'dense' }] })),
    'INVALID_DATA',
    /row 2 /,
    /"tall"/,
    /features\[0\]/,
  );
});

test('a bad value far behind the first rows is found too', async () => {
  let text = 'u,i,r,x\n';
  for (let k = 0; k < 50000; k++) text += `1,${k},1,1\n`;
  await rejects(open(ratings(`${text}1,z,oops,1\n`)), 'INVALID_DATA', /row 50001 /, /"oops"/);
  await rejects(
    open(ratings(`${text}1,z,oops,1\n`, { features: [{ name: 'e', kind: 'dense', sql: 'x + 1' }] })),
    'INVALID_DATA',
    /row 50001 /,
    /"oops"/,
  );
});

test('feature tables: duplicate and missing ids, lists as categories', async () => {
  const users = (text: string): unknown => ({
    ...ratings('u,i,r\n1,a,1\n'),
    users: { from: file(text), id: 'id', features: [] },
  });
  await rejects(open(users('id,x\n1,1\n2,1\n1,2\n')), 'INVALID_DATA', /rows 1 and 3/, /users\.id/, /"1"/);
  await rejects(open(users('id,x\n1,1\n,1\n')), 'INVALID_DATA', /"id", row 2 /);
  const items = { sql: "SELECT 'a' AS id, ['x'] AS g", id: 'id', features: [{ name: 'g', kind: 'categorical' }] };
  await rejects(open({ ...ratings('u,i,r\n1,a,1\n'), items }), 'INVALID_DATA', /bag/);
});

test('lines with other numbers of fields', async () => {
  await rejects(
    open(ratings('u,i,r\n1,a,1\n1,b,2,5,6\n1,c,1\n')),
    'INVALID_DATA',
    /other numbers of fields than the 3 of the first line/,
    /line 3/,
  );
  const text = Array.from({ length: 30000 }, (_, k) => `${k},a,1`).join('\n');
  await rejects(open(ratings(`u,i,r\n${text}\n1,b,2,5\n`)), 'INVALID_DATA', /line 30002/);
});

test('bad SQL: the message is short and ours', async () => {
  const sql = (text: string): Promise<Dataset> =>
    open({ interactions: { sql: text, user: 'u', item: 'i', label: 'r' } });
  await rejects(sql('SELEC 1'), 'INVALID_DATA', /interactions\.sql/, /syntax error/);
  await rejects(sql('SELECT 1; SELECT 2'), 'INVALID_DATA');
  await rejects(sql("SELECT * FROM 'absent.csv'"), 'MISSING_FILE', /absent\.csv/);
  await rejects(sql('SELECT * FROM absent_table'), 'INVALID_DATA');
  await rejects(sql("SELECT 1 u, 2 i, CAST('x' AS INTEGER) r"), 'INVALID_DATA', /Conversion/);
  await rejects(
    open(ratings('u,i,r\n1,a,1\n', { features: [{ name: 'c', kind: 'dense', sql: 'r +' }] })),
    'INVALID_DATA',
    /features\[0\]\.sql/,
  );
});

test('options: unknown names with the nearest, wrong types, contradictions', async () => {
  const base = ratings('u,i,r\n1,a,1\n');
  await rejects(open({ ...base, duplicate: 'last' }), 'UNKNOWN_OPTION', /source\.duplicate/, /did you mean duplicates/);
  await rejects(open({ ...base, duplicates: 'newest' }), 'INVALID_OPTION', /"newest"/);
  await rejects(open({ ...base, missingLabel: 0 }), 'INVALID_OPTION');
  await rejects(
    open({ interactions: { ...base.interactions, sql: 'SELECT 1' } }),
    'INVALID_OPTION',
    /exactly one of from and sql/,
  );
  await rejects(open({ interactions: { ...base.interactions, user: 3 } }), 'INVALID_OPTION', /interactions\.user/);
  await rejects(open({ interactions: { ...base.interactions, tme: 't' } }), 'UNKNOWN_OPTION', /did you mean time/);
  await rejects(open({}), 'INVALID_OPTION', /interactions/);
  await rejects(open(null), 'INVALID_OPTION');
  const feature = (spec: unknown): Promise<Dataset> =>
    open({ interactions: { ...base.interactions, features: [spec] } });
  await rejects(feature({ name: 'c', kind: 'category' }), 'INVALID_OPTION', /features\[0\]\.kind/);
  await rejects(feature({ name: 'c', kind: 'dense', minCount: 2 }), 'INVALID_OPTION', /does not apply to a dense/);
  await rejects(feature({ name: 'r', kind: 'categorical', mincount: 2 }), 'UNKNOWN_OPTION', /did you mean minCount/);
  await rejects(feature({ name: 'r', kind: 'categorical', minCount: 0 }), 'INVALID_OPTION');
  await rejects(feature({ name: 'r', kind: 'dense', column: 'r', sql: 'r' }), 'INVALID_OPTION');
  await rejects(
    open({
      interactions: {
        ...base.interactions,
        features: [
          { name: 'r', kind: 'dense' },
          { name: 'r', kind: 'dense' },
        ],
      },
    }),
    'INVALID_OPTION',
    /used twice/,
  );
  await rejects(openDataset(base, { thread: 2 } as never), 'UNKNOWN_OPTION', /did you mean threads/);
  await rejects(openDataset(base, { threads: 0 }), 'INVALID_OPTION');
});

test('abort: before and during', async () => {
  await rejects(
    openDataset(ratings('u,i,r\n1,a,1\n'), { baseDirectory: folder, signal: AbortSignal.abort() }),
    'ABORTED',
  );
  const controller = new AbortController();
  const sql =
    'SELECT a.range u, b.range i, 1 r FROM range(100000) a, range(10000) b WHERE hash(a.range, b.range) % 1000000007 = 1';
  const promise = openDataset(
    { interactions: { sql, user: 'u', item: 'i', label: 'r' } },
    { signal: controller.signal },
  );
  setTimeout(() => controller.abort(), 50);
  await rejects(promise, 'ABORTED');
});

test('without @duckdb/node-api the error names the command that installs it', async () => {
  // A copy of the compiled package in a folder from which no node_modules can be reached.
  const copy = join(folder, 'no-duckdb');
  cpSync(fileURLToPath(new URL('../../lib', import.meta.url)), join(copy, 'lib'), { recursive: true });
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
  const lib = (await import(
    pathToFileURL(join(copy, 'lib/data/index.js')).href
  )) as typeof import('../../lib/data/index.js');
  await assert.rejects(lib.openDataset(ratings('u,i,r\n1,a,1\n')), {
    code: 'UNSUPPORTED',
    message: /npm install @duckdb\/node-api/,
  });
  assert.equal(lib.datasetFromColumns({ user: [1], item: [2], label: [3] }).size, 1);
});

test('datasetFromColumns: errors name the field and the row', async () => {
  const base = { user: ['a', 'b'], item: [1, 2], label: [1, 2] };
  const fails = (more: object, code: ErrorCode, pattern: RegExp): void =>
    throws(() => datasetFromColumns({ ...base, ...more }), code, pattern);
  fails({ item: [1] }, 'INVALID_OPTION', /item: has 1 entries.*2 entries/);
  fails({ user: ['a', ''] }, 'INVALID_DATA', /row 2/);
  fails({ user: ['a', null] }, 'INVALID_DATA', /row 2/);
  fails({ label: [1, Number.NaN] }, 'INVALID_DATA', /row 2/);
  fails({ label: [1, null] }, 'INVALID_DATA', /missingLabel/);
  fails({ label: [1, '5'] }, 'INVALID_DATA', /"5"/);
  fails({ time: [1, Infinity] }, 'INVALID_DATA', /time.*row 2/);
  fails({ times: [1, 2] }, 'UNKNOWN_OPTION', /did you mean time/);
  fails({ userFeatures: { id: ['a', 'a'], features: {} } }, 'INVALID_DATA', /rows 1 and 2/);
  fails({ features: { x: { kind: 'dense', values: [1] } } }, 'INVALID_OPTION', /features\.x\.values/);
  fails({ features: { x: { kind: 'dense', values: [[1, 2], [1]] } } }, 'INVALID_DATA', /row 2/);
});
