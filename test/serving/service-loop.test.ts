/** A service for forty thousand users, who come, rate, are stored and forgotten; `bench/service.ts` is the same for 100,000. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { loopLearner, serve } from '../../bench/service-loop.js';

test('users are adapted, updated and evicted in flat memory', async (t) => {
  const learner = await loopLearner();
  const users = 40_000;
  const { progress, delay } = await serve(learner, { users, held: 500 });
  const last = progress[progress.length - 1];
  assert.equal(progress.length, 10);
  assert.deepEqual([last.users, last.updates, last.lists, last.evicted], [users, users, users / 20, users - 500]);
  // What 500 users take is there after the first tenth; the heap grows for some ten thousand users, to what collections leave it.
  const most = (tenths: typeof progress) => Math.max(...tenths.map(({ rss }) => rss));
  const grown = most(progress.slice(5)) - most(progress.slice(0, 5));
  t.comment(
    `grown by ${grown.toFixed(0)} MB in the second half; event loop late by ${delay.p99.toFixed(1)} ms at most in 99 %`,
  );
  assert.ok(grown < 24, `${grown} MB`);
  assert.ok(Math.max(...progress.map(({ external }) => external)) < 64);
  assert.ok(delay.p50 > 0 && delay.p99 < 500, `${delay.p99} ms`);
});
