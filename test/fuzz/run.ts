/**
 * `npm run test:fuzz [-- --seconds 20 --seed 1 --only learner --sanitize]`: every target for so many seconds, with the counts of
 * what was tried; with --sanitize on the addon with AddressSanitizer. The seed is the date unless given, so that every day tries
 * something else; a finding prints how to repeat it.
 */
import { parseArgs } from 'node:util';
import { prepare } from '../sanitize/sanitize.js';
import { environment, fuzz, fuzzNative } from './fuzz.js';
import { fuzzCore, NATIVE_TARGETS } from './native.js';
import { TARGETS } from './targets.js';

const today = String(Math.floor(Date.now() / 86_400_000));
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    seed: { type: 'string', default: today },
    only: { type: 'string', default: '' },
    sanitize: { type: 'boolean', default: false },
  },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];

let [passed, failed, skipped, cases] = [0, 0, 0, 0];
async function report(
  name: string,
  run: () => Promise<{ cases: number; accepted: number } | { skipped: string }>,
): Promise<void> {
  if (!name.includes(values.only)) return;
  try {
    const result = await run();
    if ('skipped' in result) {
      skipped++;
      return console.log(`SKIPPED ${name}: ${result.skipped}`);
    }
    passed++;
    cases += result.cases;
    const refused = result.cases - result.accepted;
    console.log(
      `ok      ${name}: ${result.cases} cases${refused > 0 ? `, ${result.accepted} accepted, ${refused} refused by a typed error` : ''}`,
    );
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${(error as Error).message}`);
  }
}

if (values.sanitize) {
  const sanitizer = await prepare('address');
  if ('skipped' in sanitizer) throw new Error(`--sanitize: ${sanitizer.skipped}`);
  Object.assign(environment, sanitizer.environment);
}
console.log(`fuzz: ${seconds} s a target, seed ${seed}${values.sanitize ? ', with AddressSanitizer' : ''}`);
for (const name of [...Object.keys(TARGETS), 'programs']) await report(name, () => fuzz(name, seconds, seed));
await report('native calls', () => fuzzNative(seconds, seed));
for (const name of NATIVE_TARGETS) {
  await report(`native ${name}`, async () => {
    const sanitizer = await prepare('address');
    if ('skipped' in sanitizer) return sanitizer;
    const run = fuzzCore(sanitizer, name, seconds, seed);
    return { cases: run, accepted: run };
  });
}
console.log(`fuzz: ${cases} cases; ${passed} targets passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
