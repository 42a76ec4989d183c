/** What is done in steps gives what is done at once. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { distinctSteps, sortSteps, sortTexts } from '../../lib/data/vocabulary.js';
import { random } from '../../lib/foundation/random.js';
import { atOnce, inTurns, pieces } from '../../lib/foundation/steps.js';
import { TextNumbers } from '../../lib/foundation/text-numbers.js';

test('texts are sorted in steps into the order of every vocabulary', async () => {
  const stream = random(1, 'test.steps');
  const kinds: ((n: number) => string)[] = [
    (n) => `${n - 500}`,
    (n) => (n % 3 === 0 ? `0${n}` : `${n}`),
    (n) => `item ${n}`,
    (n) => String.fromCodePoint(0xfff0 + (n % 40)) + n,
  ];
  for (const kind of kinds)
    for (const count of [0, 1, 511, 512, 513, 1024, 5000]) {
      const texts = Array.from({ length: count }, () => kind(stream.below(2000)));
      const sorted = sortTexts([...texts]);
      assert.deepEqual(atOnce(sortSteps([...texts])), sorted);
      assert.deepEqual(atOnce(distinctSteps(sorted)), [...new Set(sorted)]);
      assert.deepEqual(await inTurns(sortSteps([...texts])), sorted);
    }
});

test('texts are numbered and counted in order of their first appearance', async () => {
  const stream = random(2, 'test.steps');
  const [numbers, counts] = [new TextNumbers(), new Map<string, number>()];
  for (let i = 0; i < 20_000; i++) {
    const text = ['', 'é', '😀'][i % 3] + String(stream.below(i % 2 === 0 ? 50 : 5000));
    counts.set(text, (counts.get(text) ?? 0) + 1);
    assert.equal(numbers.texts[numbers.add(text)], text);
  }
  assert.deepEqual(numbers.texts, [...counts.keys()]);
  assert.deepEqual(numbers.counts, [...counts.values()]);
  await Promise.resolve();
});

test('work is stopped by a signal between its steps, and what throws ends it', async () => {
  const abort = new AbortController();
  let done = 0;
  const work = inTurns(
    pieces(
      1000,
      () => {
        if (++done === 3) abort.abort();
        const end = performance.now() + 6;
        while (performance.now() < end);
      },
      2048,
    ),
    abort.signal,
  );
  await assert.rejects(work, { code: 'ABORTED' });
  assert.equal(done, 3);
  const failing = pieces(10, () => {
    throw new Error('of the work');
  });
  await assert.rejects(inTurns(failing), /of the work/);
});
