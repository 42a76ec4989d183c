import assert from 'node:assert/strict';
import { test } from 'tap';
import { philox4x32, random } from '../../lib/foundation/random.js';

test('philox: the published known answers', async () => {
  // kat_vectors of Random123, philox4x32-10: counter, key -> output.
  const vectors: [number[], number[], number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [Array<number>(4).fill(0xffffffff), [0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [c, k, expected] of vectors) {
    const out = new Uint32Array(4);
    philox4x32(out, c[0], c[1], c[2], c[3], k[0], k[1]);
    assert.deepEqual([...out], expected);
  }
});

test('random: streams depend on seed, stage and index, and on nothing else', async () => {
  const draw = (seed: number, stage: string, index: number): number => random(seed, stage, index).uint32();
  assert.equal(draw(1, 'tasks', 7), draw(1, 'tasks', 7));
  const all = new Set<number>();
  for (const seed of [0, 1, 2 ** 32, 2 ** 53 - 1])
    for (const stage of ['a', 'b']) for (const index of [0, 1, 2 ** 32]) all.add(draw(seed, stage, index));
  assert.equal(all.size, 24);
  const used = random(3, 'x');
  used.uniform();
  assert.equal(used.child('y', 1).uint32(), random(3, 'x').child('y', 1).uint32());
});

test('random: one fixed stream, so that a seed means the same for ever', async () => {
  const stream = random(42, 'pinned', 5);
  assert.deepEqual([stream.uint32(), stream.below(1000), stream.uniform(), stream.normal()], PINNED);
});
const PINNED = [1138579583, 972, 0.9193167081773407, 1.0616685258952547];

test('random: uniform, below and normal have their distributions', async () => {
  const stream = random(1, 'distribution');
  const n = 60000;
  let sum = 0;
  for (let k = 0; k < n; k++) {
    const x = stream.uniform();
    assert.ok(x >= 0 && x < 1);
    sum += x;
  }
  assert.ok(Math.abs(sum / n - 0.5) < 5 / Math.sqrt(12 * n));
  const counts = new Array<number>(6).fill(0);
  for (let k = 0; k < n; k++) counts[stream.below(6)]++;
  const chiSquare = counts.reduce((total, count) => total + (count - n / 6) ** 2 / (n / 6), 0);
  assert.ok(chiSquare < 25, `χ² of 5 degrees of freedom: ${chiSquare}`);
  let mean = 0;
  let square = 0;
  let fourth = 0;
  for (let k = 0; k < n; k++) {
    const x = stream.normal();
    mean += x / n;
    square += (x * x) / n;
    fourth += x ** 4 / n;
  }
  assert.ok(
    Math.abs(mean) < 0.02 && Math.abs(square - 1) < 0.03 && Math.abs(fourth - 3) < 0.25,
    `${mean} ${square} ${fourth}`,
  );
});

test('random: below is unbiased where modulo is not', async () => {
  // For n = 3·2³⁰ plain `x mod n` and plain multiply-high both favour a third of the range by 2 to 1.
  const stream = random(9, 'bias');
  const n = 3 * 2 ** 30;
  let low = 0;
  const residues = [0, 0, 0];
  for (let k = 0; k < 30000; k++) {
    const x = stream.below(n);
    assert.ok(x < n);
    if (x < 2 ** 30) low++;
    residues[x % 3]++;
  }
  assert.ok(Math.abs(low / 30000 - 1 / 3) < 0.015);
  for (const count of residues) assert.ok(Math.abs(count / 30000 - 1 / 3) < 0.015, String(residues));
});

test('random: shuffle permutes its range only, every permutation equally often', async () => {
  const seen = new Map<string, number>();
  for (let index = 0; index < 6000; index++) {
    const array = Int32Array.of(9, 1, 2, 3, 9);
    random(4, 'shuffle', index).shuffle(array, 1, 4);
    assert.equal(array[0], 9);
    assert.equal(array[4], 9);
    const key = array.slice(1, 4).join('');
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  assert.equal(seen.size, 6);
  for (const count of seen.values()) assert.ok(count > 850 && count < 1150, String(count));
});
