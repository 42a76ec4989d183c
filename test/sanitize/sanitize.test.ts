/**
 * With INNERLOOP_TEST_ALL: the core under AddressSanitizer and UndefinedBehaviorSanitizer, and under ThreadSanitizer, reduced.
 * `npm run test:sanitize`, a part of `npm run test:all`, runs all of it under both and on every instruction set. Always: memory over
 * many adaptations and trainings.
 */
import { test } from 'tap';
import { leaks } from './leaks.js';
import { isAmong, SANITIZED_QUICKLY } from '../fixtures/suites.js';
import { prepare, runFiles } from './sanitize.js';
import type { Counts, Kind } from './sanitize.js';

const EXPLAIN = { address: 'AddressSanitizer and UndefinedBehaviorSanitizer', thread: 'ThreadSanitizer' } as const;
// One run goes on while the other is built.
let built = Promise.resolve();
const runs = (['address', 'thread'] as const satisfies Kind[]).map((kind) => {
  const isLeftOut = process.env['INNERLOOP_TEST_ALL'] === undefined;
  const sanitizer = built.then(() => (isLeftOut ? { skipped: 'a part of npm run test:all' } : prepare(kind, true)));
  built = sanitizer.then(
    () => undefined,
    () => undefined,
  );
  const counts = sanitizer.then(async (it): Promise<Counts | { reason: string }> =>
    'skipped' in it ? { reason: it.skipped } : runFiles(it, (file) => isAmong(file, SANITIZED_QUICKLY[kind])),
  );
  counts.catch(() => undefined); // its test reports it
  return { kind, counts };
});

for (const { kind, counts } of runs) {
  test(`${EXPLAIN[kind]} find nothing but the planted bug`, async (t) => {
    const result = await counts;
    if ('reason' in result) return t.plan(0, `${result.reason}`);
    t.comment(`${result.passed} tests of ${result.files} files passed, ${result.skipped} skipped`);
  });
}

test('adaptations and trainings leave no memory behind', async (t) => {
  const { growth } = await leaks({ adaptations: 1000, trainings: 10 });
  t.comment(`${(growth / 2 ** 20).toFixed(1)} MiB more after 1000 adaptations and 10 trainings`);
});
