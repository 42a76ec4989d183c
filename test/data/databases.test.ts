/**
 * SQLite, PostgreSQL and workbooks. With DuckDB's extension they are read; without it the error says how to bring the table into
 * a file, and these tests do that and read the file. What cannot be tried is skipped by name.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { DuckSession } from '../../lib/data/duckdb.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { file, folder, open, pairs, rejects } from '../fixtures/interactions.js';
import { zip } from '../fixtures/zip.js';

const has = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0;

async function isInstalled(extension: string): Promise<boolean> {
  const session = await DuckSession.open({ baseDirectory: folder, threads: undefined, signal: undefined });
  try {
    await session.run(`LOAD ${extension}`, 'extension');
    return true;
  } catch {
    return false;
  } finally {
    session.close();
  }
}
const installed = {
  sqlite: await isInstalled('sqlite'),
  postgres: await isInstalled('postgres'),
  excel: await isInstalled('excel'),
};
const without = (extension: keyof typeof installed): string | false =>
  installed[extension] ? false : `DuckDB's extension ${extension} is not installed here`;

const interactions = (from: string, more: object = {}) => ({
  interactions: { from, user: 'user', item: 'item', label: 'rating', ...more },
});
const WANTED = ['007/1e5=4.5', '7/B b=3'];
const read = async (source: unknown): Promise<string[]> => {
  const d = await open(source);
  return pairs(d).map((pair, k) => `${pair}=${d.label[k]}`);
};
/** The command that the refusal of a source gives. */
async function advised(source: unknown, pattern: RegExp): Promise<string> {
  const error: unknown = await open(source).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof InnerloopError);
  assert.equal(error.code, 'UNSUPPORTED');
  return pattern.exec(error.message)![1];
}
const shell = (command: string, env: NodeJS.ProcessEnv = {}): string =>
  execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } });

// ------------------------------------------------------------------------------------------------------------ SQLite

const TABLE = `CREATE TABLE "the ratings" ("user" TEXT, item TEXT, rating REAL);
INSERT INTO "the ratings" VALUES ('007', '1e5', 4.5), ('7', 'B b', 3);`;
const noSqlite = has('sqlite3') ? false : 'the command sqlite3 is not here';
const sqlite = (): string => {
  if (!existsSync(join(folder, 'it s.db'))) execFileSync('sqlite3', [join(folder, 'it s.db'), TABLE]);
  return 'it s.db';
};

test(
  'SQLite without the extension: the command of the error, run, gives a file that is read',
  {
    skip: noSqlite || (installed.sqlite && 'the extension is installed here'),
  },
  async () => {
    const source = interactions(sqlite(), { path: 'the ratings' });
    shell(await advised(source, /(sqlite3 .*\.csv')/));
    assert.deepEqual(await read(interactions('the ratings.csv')), WANTED);
  },
);

test('SQLite through the extension', { skip: noSqlite || without('sqlite') }, async () => {
  assert.deepEqual(await read(interactions(sqlite(), { path: 'the ratings' })), WANTED);
  await rejects(open(interactions(sqlite())), 'INVALID_OPTION', /"path"/);
});

// -------------------------------------------------------------------------------------------------------- PostgreSQL

const debian = '/usr/lib/postgresql';
const versions = existsSync(debian) ? readdirSync(debian) : [];
const bin = versions.length === 0 ? '' : join(debian, versions[0], 'bin');
/** PostgreSQL refuses to run as root. */
const asOther = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--'] : [];
const noPostgres =
  !existsSync(join(bin, 'initdb')) || !has('psql')
    ? 'PostgreSQL is not here'
    : asOther.length > 0 && !has('runuser')
      ? 'PostgreSQL does not run as root, and there is no runuser'
      : false;

/** A server in a folder of its own, reached by a socket in it alone. */
async function withServer(action: (url: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'innerloop-postgres-'));
  chmodSync(home, 0o777);
  const run = (...args: string[]): void => {
    const [command, ...rest] = [...asOther, ...args];
    execFileSync(command, rest, { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] });
  };
  const data = join(home, 'data');
  try {
    run(join(bin, 'initdb'), '-D', data, '-A', 'trust', '-U', 'ann', '--no-sync');
    run(join(bin, 'pg_ctl'), '-D', data, '-l', join(home, 'log'), '-w', '-o', `-k ${home} -h '' -F`, 'start');
    const url = `postgresql://ann:secret@/postgres?host=${encodeURIComponent(home)}`;
    execFileSync('psql', [url, '-q', '-c', TABLE], { stdio: ['ignore', 'ignore', 'inherit'] });
    await action(url);
  } finally {
    if (existsSync(join(data, 'postmaster.pid'))) run(join(bin, 'pg_ctl'), '-D', data, '-m', 'immediate', 'stop');
    if (asOther.length > 0 && existsSync(data)) run('rm', '-rf', data);
    rmSync(home, { recursive: true, force: true });
  }
}

test(
  'PostgreSQL without the extension: the command of the error, run against a server, gives a file that is read',
  {
    skip: noPostgres || (installed.postgres && 'the extension is installed here'),
  },
  () =>
    withServer(async (url) => {
      const source = interactions(url, { path: 'the ratings' });
      await rejects(open(source), 'UNSUPPORTED', /INSTALL postgres/, /^(?![^]*secret)/);
      shell(await advised(source, /(psql '.*HEADER')/), { PGPASSWORD: 'secret' });
      assert.deepEqual(await read(interactions('the ratings.csv')), WANTED);
    }),
);

test('PostgreSQL through the extension', { skip: noPostgres || without('postgres') }, () =>
  withServer(async (url) => assert.deepEqual(await read(interactions(url, { path: 'the ratings' })), WANTED)),
);

// --------------------------------------------------------------------------------------------------------- workbooks

function workbook(rows: readonly (readonly (string | number)[])[]): Buffer {
  const cell = (value: string | number): string =>
    typeof value === 'number' ? `<c><v>${value}</v></c>` : `<c t="inlineStr"><is><t>${value}</t></is></c>`;
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const relations = 'http://schemas.openxmlformats.org/package/2006/relationships';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const types = 'application/vnd.openxmlformats-officedocument.spreadsheetml';
  return zip({
    '[Content_Types].xml': `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="${types}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${types}.worksheet+xml"/></Types>`,
    '_rels/.rels': `<Relationships xmlns="${relations}"><Relationship Id="r1" Type="${office}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="ratings" sheetId="1" r:id="r1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships xmlns="${relations}"><Relationship Id="r1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    'xl/worksheets/sheet1.xml': `<worksheet xmlns="${main}"><sheetData>${rows.map((row) => `<row>${row.map(cell).join('')}</row>`).join('')}</sheetData></worksheet>`,
  });
}

const SHEET = [
  ['user', 'item', 'rating'],
  ['007', '1e5', 4.5],
  ['7', 'B b', 3],
] as const;

test(
  'a workbook without the extension says how to save its sheet',
  {
    skip: installed.excel && 'the extension is installed here',
  },
  async () => {
    const source = interactions(file(workbook(SHEET), 'book.xlsx'), { sheet: 'ratings' });
    await rejects(open(source), 'UNSUPPORTED', /INSTALL excel/, /save the sheet "ratings" as CSV UTF-8/);
  },
);

test('a workbook through the extension', { skip: without('excel') }, async () => {
  assert.deepEqual(await read(interactions(file(workbook(SHEET), 'own.xlsx'), { sheet: 'ratings' })), WANTED);
});
