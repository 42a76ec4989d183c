/**
 * `node dist/test/sanitize/soak.js [minutes]`: serves, trains, saves and loads until the time is over (default 60 minutes), aborts
 * some of it, and looks at memory and at the results once a minute. Fails as soon as memory has doubled or a result has changed.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { random } from '../../lib/foundation/random.js';
import { learnerOf, make, path, ratings, run, tiny } from '../fixtures/family.js';

const minutes = Number(process.argv[2] ?? 60);
const end = performance.now() + 60_000 * minutes;
const counts = { adaptations: 0, trainings: 0, loads: 0, aborts: 0 };
const learner = learnerOf(make('maml'), { at: ratings });
await run(learner, ratings.train, { epochs: 2 });
const PROBE = { items: [1, 2, 3], labels: [5, 3, 1] };
const expected = JSON.stringify(await (await learner.adapt(PROBE)).recommend());
const stream = random(Date.now(), 'soak');

/** Ends quietly by itself, or by its signal. */
async function quietly(action: Promise<unknown>): Promise<void> {
  await action.catch((error: unknown) => {
    if (!(error instanceof InnerloopError && error.code === 'ABORTED')) throw error;
    counts.aborts++;
  });
}

async function round(): Promise<void> {
  const signal = stream.below(10) === 0 ? AbortSignal.timeout(stream.below(5)) : undefined;
  const users = Array.from({ length: 1 + stream.below(8) }, async () => {
    const me = await learner.adapt(
      { items: [stream.below(20), 20 + stream.below(20)], labels: [stream.below(6), 3] },
      { signal },
    );
    await me.recommend({ count: 5, signal });
    counts.adaptations++;
  });
  await Promise.all(users.map(quietly));
  if (stream.below(50) === 0)
    await quietly(run(learnerOf(make('maml')), tiny.train, { epochs: 1, signal }).then(() => counts.trainings++));
  if (stream.below(50) > 0) return;
  const file = path();
  await saveLearner(learner, file);
  const loaded = await loadLearner(file);
  assert.equal(JSON.stringify(await (await loaded.adapt(PROBE)).recommend()), expected);
  rmSync(file);
  counts.loads++;
}

let [base, next] = [0, performance.now()];
while (performance.now() < end) {
  await round();
  if (performance.now() < next) continue;
  next += 60_000;
  const rss = process.memoryUsage.rss();
  // After the first minute everything has been in use.
  if (base === 0 && performance.now() > end - 60_000 * (minutes - 1)) base = rss;
  assert.ok(base === 0 || rss < 2 * base, `memory grew from ${base} to ${rss} bytes`);
  assert.equal(JSON.stringify(await (await learner.adapt(PROBE)).recommend()), expected, 'a result changed');
  console.log(`${(rss / 2 ** 20).toFixed(0)} MiB, ${JSON.stringify(counts)}`);
}
console.log(`soak: ${minutes} minutes, ${JSON.stringify(counts)}`);
