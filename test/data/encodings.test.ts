/** Texts that are not UTF-8: the likeliest encoding is named with a line read so, and the lines pasted give the right ids. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { DataSource } from '../../lib/data/index.js';
import { file, folder, pairs } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';

/** Bytes of `u,i` tables in encodings that Node.js does not write. */
const CASES: [string, string, string[]][] = [
  ['gbk', '312cd6d0cec4', ['1/中文']],
  ['latin-1', '312c436166e90a322c4dfc6e6368656e', ['1/Café', '2/München']],
  ['latin-1', '312c6e61ef766520962093713f94', ['1/naïve – “q?”']],
  ['gbk', '312cd6d0cec4b5e7d3b00a322cb0d4cdf5b1f0bca7', ['1/中文电影', '2/霸王别姬']],
  ['windows-1251', '312cc8f0eeede8ff20f1f3e4fce1fb', ['1/Ирония судьбы']],
  ['koi8-r', '312ce9d2cfcec9d120d3d5c4d8c2d9', ['1/Ирония судьбы']],
  ['shift_jis', '312c90e782c690e7907182cc905f894282b5', ['1/千と千尋の神隠し']],
  ['euc-kr', '312cb1e2bbfdc3e60a322cbfc3b5e5bab8c0cc', ['1/기생충', '2/올드보이']],
  ['big5', '312caad7aaeac2c3c073', ['1/臥虎藏龍']],
  ['windows-1250', '312c437ab36f7769656b207a20bf656c617a61', ['1/Człowiek z żelaza']],
];

for (const [encoding, hex, want] of CASES)
  test(`${encoding}: ${want[0]}`, async () => {
    const bytes = Buffer.concat([Buffer.from('u,i\n'), Buffer.from(hex, 'hex'), Buffer.from('\n')]);
    const source: DataSource = { interactions: { from: file(bytes), user: 'u', item: 'i' } };
    const { dataset, errors } = await openPasted(source, folder);
    assert.deepEqual(pairs(dataset), want);
    assert.match(errors[0], new RegExp(`^[^\`]*\`"encoding": "${encoding}"\` \\(a line then is `));
    assert.ok(errors[0].includes(want[0].split('/')[1]), errors[0]);
  });

test('of several files the advice is about the first that is not UTF-8', async () => {
  file('u,i\n1,Alien\n', 'parts/1.csv');
  file(Buffer.concat([Buffer.from('u,i\n2,'), Buffer.from('c8f0eeede8ff20f1f3e4fce1fb0a', 'hex')]), 'parts/2.csv');
  const source: DataSource = { interactions: { from: 'parts/*.csv', user: 'u', item: 'i' } };
  const { dataset, errors } = await openPasted(source, folder);
  assert.deepEqual(pairs(dataset), ['1/Alien', '2/Ирония судьбы']);
  assert.match(errors[0], /parts\/2\.csv.*"encoding": "windows-1251"` \(a line then is "2,Ирония судьбы"\)/);
});
