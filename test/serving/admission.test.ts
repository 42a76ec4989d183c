/** Calls that wait are bounded: those beyond are refused at once, with a code of their own. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { ridge } from '../../lib/algorithms/registry.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import type { Learner } from '../../lib/learner/learner.js';
import { servedLearner } from '../fixtures/catalog.js';

const SUPPORT = { items: [1, 2, 3], labels: [5, 1, 3] };
const isBusy = (error: unknown) =>
  error instanceof InnerloopError && error.code === 'BUSY' && error.field === 'learner.maxCalls';

/** How many of some calls at a time are taken. */
async function taken(count: number, call: () => Promise<unknown>): Promise<number> {
  const results = await Promise.allSettled(Array.from({ length: count }, call));
  for (const result of results) if (result.status === 'rejected') assert.ok(isBusy(result.reason), `${result.reason}`);
  return results.filter(({ status }) => status === 'fulfilled').length;
}

test('a learner takes so many calls at a time, of any kind, and again when they are done', async () => {
  const learner: Learner = await servedLearner({ algorithm: ridge() });
  assert.equal(learner.maxCalls, 4096);
  const me = await learner.adapt(SUPPORT);
  learner.maxCalls = 3;
  for (const call of [
    () => learner.adapt(SUPPORT),
    () => learner.adaptMany([SUPPORT, SUPPORT, SUPPORT, SUPPORT, SUPPORT]),
    () => learner.predictMany([SUPPORT, SUPPORT], [5]),
    () => learner.recommendMany([me, me, me, me, me]),
    () => me.predict([5]),
    () => me.predict([5], { uncertainty: true }),
    () => me.recommend(),
    () => me.explain(5),
    () => me.update(9, 4),
  ]) {
    assert.equal(await taken(10, call), 3, call.toString());
    assert.equal(await taken(3, call), 3, 'they are free again');
  }
  // What fails is no longer there either.
  assert.equal(await taken(1, () => learner.adapt({ items: [1], labels: [4] })), 1);
  for (let i = 0; i < 5; i++)
    await assert.rejects(learner.adapt({ items: [1], labels: [400] }), /outside of the ratings/);
  assert.equal(await taken(3, () => me.recommend()), 3);
  // A mixture of calls counts together, and what is at once does not wait.
  const first = [me.recommend(), learner.adapt(SUPPORT), learner.adaptMany([SUPPORT])];
  await assert.rejects(me.predict([5]), isBusy);
  learner.adaptSync(SUPPORT);
  await Promise.all(first);
  assert.throws(() => (learner.maxCalls = 0), /learner\.maxCalls/);
  assert.throws(() => (learner.maxCalls = NaN), /learner\.maxCalls/);
});
