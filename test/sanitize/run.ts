/**
 * `npm run test:sanitize [-- --quick] [-- --only address]`: the suite under AddressSanitizer with UndefinedBehaviorSanitizer, on
 * every instruction set of the machine, and under ThreadSanitizer; then leaks. Prints the counts of what was tried.
 */
import { parseArgs } from 'node:util';
import { addon } from '../../lib/foundation/addon.js';
import { leaks } from './leaks.js';
import { isAmong, SANITIZED_NUMERIC, SANITIZED_QUICKLY } from '../fixtures/suites.js';
import { isSanitized, prepare, runFiles } from './sanitize.js';
import type { Kind } from './sanitize.js';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
let [failed, skipped, passed] = [0, 0, 0];

async function step(name: string, run: () => Promise<string>): Promise<void> {
  if (!name.includes(values.only)) return;
  const started = performance.now();
  try {
    const result = await run();
    console.log(`ok      ${name} (${((performance.now() - started) / 1000).toFixed(0)} s): ${result}`);
    passed++;
  } catch (error) {
    console.log(`FAILED  ${name}: ${(error as Error).message}`);
    failed++;
  }
}

for (const kind of ['address', 'thread'] as const satisfies Kind[]) {
  if (!kind.includes(values.only)) continue;
  const sanitizer = await prepare(kind, values.quick);
  if ('skipped' in sanitizer) {
    console.log(`SKIPPED ${kind}: ${sanitizer.skipped}`);
    skipped++;
    continue;
  }
  console.log(`ok      ${kind}: the planted bug was found`);
  const { isa, isas } = addon();
  for (const each of kind === 'address' && !values.quick ? isas : [isa]) {
    const isWanted = (file: string) =>
      each !== isa
        ? isAmong(file, SANITIZED_NUMERIC)
        : values.quick
          ? isAmong(file, SANITIZED_QUICKLY[kind])
          : isSanitized[kind](file);
    await step(`${kind} on ${each}`, async () => {
      const { files, passed: tests, skipped: left } = await runFiles(sanitizer, isWanted, { INNERLOOP_ISA: each });
      return `${tests} tests of ${files} files passed, ${left} skipped, 0 reports`;
    });
  }
}
await step('leaks', async () => {
  const counts = await leaks(
    values.quick ? { adaptations: 1000, trainings: 10 } : { adaptations: 10_000, trainings: 100 },
  );
  return `${counts.adaptations} adaptations and ${counts.trainings} trainings, ${(counts.growth / 2 ** 20).toFixed(1)} MiB more at the end than after the first tenth`;
});
console.log(`sanitize: ${passed} steps passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
