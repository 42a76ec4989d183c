/** Crashes at a small scale; `npm run test:crash` tries them at full size. */
import { test } from 'tap';
import { EXPERIMENTS } from './experiments.js';

for (const [name, experiment] of Object.entries(EXPERIMENTS)) {
  test(name, async (t) => {
    const report = await experiment({ kills: 4, stride: 23, seed: 1 });
    if ('skipped' in report) t.plan(0, `${report.skipped}`);
    else
      t.comment(
        Object.entries(report.counts)
          .map(([what, n]) => `${n} ${what}`)
          .join(', '),
      );
  });
}
