/** Every line of the table in docs/guide/data.md, run on a sample of its format. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { file, open } from '../fixtures/interactions.js';
import { npy } from '../fixtures/npy.js';
import { zip } from '../fixtures/zip.js';

const text = (value: string, width: number) => npy(`|S${width}`, [], Buffer.from(value.padEnd(width, '\0')));
const integers = (...values: number[]) => npy('<i4', [values.length], Buffer.from(Int32Array.from(values).buffer));

const samples: Record<string, string | Buffer> = {
  'ratings.dat': '1::7::5::9\n',
  'u.data': '1\t7\t5\t9\n',
  'latin.csv': Buffer.from('user,item,label\n1,Caf\u00e9,5\n', 'latin1'),
  'quotes.tsv': 'user\titem\tlabel\n1\t"7" a\t5\n',
  'pairs.libsvm': '5 1:1 7:1\n',
  'fields.ffm': '5 0:1:1 1:7:1\n',
  'netflix.txt': '7:\n1,5,2005-09-06\n',
  'histories.txt': '1 7\n',
  'comments.csv': 'user,item,label\n# a comment\n1,7,5\n',
  'titled.csv': 'Ratings of 2024\n\nuser,item,label\n1,7,5\n',
  'blanks.txt': 'user   item  label\n1      7     5\n',
  'behaviors.tsv': '1\t1\t11/15/2019 8:55:22 AM\tN9\t7-1\n',
  'matrix.mtx': '%%MatrixMarket matrix coordinate real general\n1 7 1\n1 7 5\n',
  'matrix.npz': zip({
    'row.npy': integers(1),
    'col.npy': integers(7),
    'format.npy': text('coo', 3),
    'shape.npy': integers(2, 8),
    'data.npy': npy('<f8', [1], Buffer.from(Float64Array.of(5).buffer)),
  }),
  'atomic.inter': 'user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t7\t5\t9\n',
  'dicts.json': "{'user': '1', 'item': '7', 'label': 5, 'said': \"it's fine\"}\n",
  'ratings.csv.gz': gzipSync('user,item,label\n1,7,5\n'),
  'archive.zip': zip({ 'README.txt': 'no table', 'export/ratings.csv': 'user,item,label\n1,7,5\n' }),
  'nested.json': '{"user": "1", "items": [{"item": "7", "label": 5}]}\n',
  'words.csv': 'user,item,label\n1,7,yes\n',
  'stars.csv': 'user,item,label\n1,7,5 stars\n',
  'comma.csv': 'user;item;label\n1;7;3,5\n',
  'days.csv': 'user,item,label,time\n1,7,5,31/12/2020\n',
};
const label: Record<string, number> = { 'histories.txt': 1, 'behaviors.tsv': 1, 'words.csv': 1, 'comma.csv': 3.5 };
const item: Record<string, string> = { 'latin.csv': 'Café', 'quotes.tsv': '"7" a' };

const table = readFileSync(join(packageRoot(), 'docs/guide/data.md'), 'utf8');
for (const [, line] of table.matchAll(/\| `(\{"from".*\})` \|/g)) {
  const source = JSON.parse(line) as { from: string; format?: string };
  test(line, async () => {
    file(samples[source.from], source.from);
    const d = await open({
      interactions: {
        user: 'user',
        item: 'item',
        label: source.format === 'histories' ? undefined : 'label',
        ...source,
      },
    });
    const { from } = source;
    assert.deepEqual(
      [d.size, d.users.keys.values[1], d.items.keys.values[1], d.label[0]],
      [1, '1', item[from] ?? '7', label[from] ?? 5],
    );
    if (from === 'days.csv') assert.equal(d.time![0], Date.UTC(2020, 11, 31) / 1000);
  });
}
