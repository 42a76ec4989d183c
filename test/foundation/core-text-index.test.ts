/** Look-up of texts in the core: what the index of JavaScript finds, whatever the texts are made of. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { addon } from '../../lib/foundation/addon.js';
import { CoreTextIndex, giveBack, joinTexts } from '../../lib/foundation/core-text-index.js';
import { TextIndex } from '../../lib/foundation/text-index.js';
import { coreIndex, coreIndexAtHand, createVocabulary } from '../../lib/data/vocabulary.js';

const found = (index: CoreTextIndex, texts: readonly string[]) => [...index.idsOf(joinTexts(texts)!)];

test('the core finds what JavaScript finds, in texts with zeros, lone surrogates and equal beginnings too', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.constantFrom(
      'a',
      'ab',
      'a\0',
      '\0',
      '\ud800',
      '\udc00',
      '\ud800\udc00',
      '\udc00\ud800',
      'é',
      'e\u0301',
      '€',
      '𝄞',
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(text), fc.array(text), async (own, others) => {
      const texts = ['', ...own];
      const asked = [...own, ...others, 'toString', ...own];
      assert.deepEqual(found(await CoreTextIndex.over(texts), asked), [...new TextIndex(texts).idsOf(asked)]);
    }),
  );
});

test('an index of many texts is made in turns with the event loop', async () => {
  const texts = ['', ...Array.from({ length: 50_000 }, (_, i) => `item-${String(i).padStart(12, '0')}`)];
  let turns = 0;
  const count = () => {
    turns++;
    again = setImmediate(count);
  };
  let again = setImmediate(count);
  const index = await CoreTextIndex.over(texts);
  clearImmediate(again);
  assert.ok(turns > 10, `${turns} turns`);
  const asked = [...texts.slice(1).reverse(), 'item-000000050000'];
  assert.deepEqual(
    found(index, asked),
    asked.map((_, i) => (i < 50_000 ? 50_000 - i : 0)),
  );
});

test('a single text may be longer than what is added at a time', async () => {
  const long = 'ü'.repeat(200_000);
  const index = await CoreTextIndex.over(['', 'a', long, 'b']);
  assert.deepEqual(found(index, ['b', long, `${long}ü`, 'a']), [3, 2, 0, 1]);
});

test('what is no text, or is empty, is not joined', async () => {
  for (const none of ['', 7, null, undefined, {}, ['a']]) assert.equal(joinTexts(['a', none]), undefined);
  const { joined, count } = joinTexts([])!;
  assert.deepEqual([joined, count], ['', 0]);
});

test('lengths are used again only after they were given back', async () => {
  const [first, second] = [joinTexts(['a', 'bcd'])!, joinTexts(['ef'])!];
  assert.notEqual(first.lengths, second.lengths);
  assert.deepEqual([...first.lengths.subarray(0, first.count)], [1, 3]);
  giveBack(first.lengths);
  assert.equal(joinTexts(['g'])!.lengths, first.lengths);
  const many = joinTexts(Array.from({ length: 5000 }, () => 'hi'))!;
  assert.deepEqual([...many.lengths], Array<number>(5000).fill(2));
  giveBack(many.lengths);
  assert.notEqual(joinTexts(['h'])!.lengths, many.lengths, 'what is for many texts is not kept');
});

test('an index that could not be made is made at the next call', async () => {
  const { texts } = addon() as { texts: { create: (count: number) => unknown } };
  const { create } = texts;
  texts.create = () => {
    throw Object.assign(new Error('out of memory'), { code: 'NATIVE' });
  };
  const vocabulary = createVocabulary(['', 'a', 'b']);
  try {
    const both = [coreIndex(vocabulary), coreIndex(vocabulary)];
    for (const each of both) await assert.rejects(each, { name: 'InnerloopError', code: 'NATIVE', message: /memory/ });
  } finally {
    texts.create = create;
  }
  assert.equal(coreIndexAtHand(vocabulary), undefined);
  const index = await coreIndex(vocabulary);
  assert.deepEqual(found(index, ['b', 'c', 'a']), [2, 0, 1]);
  assert.equal(coreIndexAtHand(vocabulary), index);
});
