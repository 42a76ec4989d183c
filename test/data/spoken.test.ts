/** What is read as it stands and spoken of: numbers that float32 rounds, ids that look like lists; and zstd files on any Node.js. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { datasetFromColumns } from '../../lib/data/index.js';
import type { DataSource } from '../../lib/data/index.js';
import { hasZstd } from '../../lib/data/zstd.js';
import { file, folder, open, pairs, ratings, rejects, throws } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';
import { zstd } from '../fixtures/zstd.js';

const positives = (text: string | Buffer, name?: string, more: object = {}): DataSource => ({
  interactions: { from: file(text, name), user: 'u', item: 'i', ...more },
});

test('whole numbers that float32 rounds are counted and shown; fractions, and numbers that it holds, are not', async () => {
  const rounded = ratings('u,i,r\n1,a,16777216\n1,b,16777217\n1,c,33554433\n1,d,0.1\n');
  const d = await open(rounded);
  assert.deepEqual([...d.label], [16777216, 16777216, 33554432, Math.fround(0.1)]);
  assert.match(d.notes.join('\n'), /interactions\.label: 2 numbers .* such as 16777217 to 16777216;/);
  const beyond = await open(ratings('u,i,r\n1,a,9007199254740993\n1,b,1\n'));
  assert.match(beyond.notes.join('\n'), /1 number has .* such as 9007199254740993 to 9007199254740992;/);
  const counted = await open(ratings('u,i,r,n\n1,a,1,16777217\n1,b,2,3\n', { count: 'n' }));
  assert.match(counted.notes.join('\n'), /interactions\.count: 1 number has/);
  assert.deepEqual((await open(ratings('u,i,r\n1,a,16777216\n1,b,0.123456789\n'))).notes, []);
  const inMemory = datasetFromColumns({ user: [1, 1], item: [1, 2], label: [16777217, 3], weight: [1, 33554433] });
  assert.match(inMemory.notes.join('\n'), /label: 1 number has .*\n.*weight: 1 number has .* 33554433 to 33554432/);
});

test('a sum of duplicates that float32 cannot hold is refused', (t) => {
  throws(
    () => datasetFromColumns({ user: [1, 1], item: [7, 7], label: [3e38, 3e38], duplicates: 'sum' }),
    'INVALID_DATA',
    /user "1" and item "7"/,
  );
  t.end();
});

test('ids that look like lists are named with the SQL that makes a row of each; titles and places are left alone', async () => {
  for (const [text, items] of [
    ['u,i\n1,"a b c"\n2,"b d"\n3,x y\n', ['1/a', '1/b', '1/c', '2/b', '2/d', '3/x', '3/y']],
    ['u,i\n1,1|2\n1,2|3\n2,07\n', ['1/1', '1/2', '1/3', '2/07']],
    ['u,i\n1,"[1, 2]"\n2,"[\'x\', ""007""]"\n', ['1/1', '1/2', '2/x', '2/007']],
    ['u,i\n1,"N1 N2"\n1,"N3 N4"\n', ['1/N1', '1/N2', '1/N3', '1/N4']],
  ] as const) {
    const source = positives(text);
    const { notes } = await open(source);
    const [advised] = notes.filter((note) => note.includes('look like lists'));
    const { sql } = JSON.parse(`{${/write in interactions: `([^`]+)` in place of from/.exec(advised)![1]}}`) as {
      sql: string;
    };
    assert.deepEqual(pairs(await open({ interactions: { sql, user: 'u', item: 'i' } })), items, text);
  }
  const semicolons = await open(positives('u;i\n1;a,b\n2;c,d\n', undefined, { delimiter: ';' }));
  assert.match(semicolons.notes.join('\n'), /in sql: `SELECT \* REPLACE \(unnest\(string_split\("i", ','\)\)/);
  const titles = await open(positives('u,i\n1,The Wall\n1,Toy Story\n2,The Wall\n2,Toy Story\n'));
  assert.deepEqual(titles.notes, []);
});

test('zstd files are held against the same rules as all others, whatever Node.js can take apart', async () => {
  const text = 'u,i\r\n1,"a ""b"""\r\n2,"x, y"\r\n';
  assert.deepEqual(pairs(await open(positives(zstd([text]), 'quotes.csv.zst'))), ['1/a "b"', '2/x, y']);
  await rejects(open(positives(zstd(['u,i\n1,"a\n2,b\n']), 'unclosed.csv.zst')), 'INVALID_DATA', /never closed/);
  const { notes } = await open(positives(zstd(['u,i\n1,a\n# x,b\n']), 'hashes.csv.zst'));
  assert.match(notes.join('\n'), /begin with #/);
  const matrix = {
    from: file(zstd(['3 7:1 9:1\n']), 'pairs.libsvm.zst'),
    user: 'index1',
    item: 'index2',
    label: 'label',
  };
  assert.deepEqual(pairs(await open({ interactions: matrix })), ['7/9']);
  const mixed = positives(zstd(['u,i\r\n1,a\n2,b\r\n']), 'mixed.csv.zst');
  const latin = positives(zstd([Buffer.from('u,i\n1,caf\xe9\n', 'latin1')]), 'latin.csv.zst');
  if (hasZstd) {
    assert.deepEqual(pairs(await open(mixed)), ['1/a', '2/b']);
    assert.deepEqual(pairs((await openPasted(latin, folder)).dataset), ['1/café']);
  } else {
    await rejects(open(mixed), 'INVALID_DATA', /more than one way/, /zstd -d/);
    await rejects(open(latin), 'INVALID_DATA', /not UTF-8/, /zstd -d/);
  }
});
