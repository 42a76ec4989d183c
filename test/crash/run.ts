/**
 * `npm run test:crash [-- --kills 200 --seed 1]`: all experiments at full size, with the counts of what was tried. Fails if one
 * fails; what cannot be tried on this machine is skipped by name.
 */
import { parseArgs } from 'node:util';
import { EXPERIMENTS } from './experiments.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const scale = { kills: Number(values.kills), stride: 1, seed: Number(values.seed) };
let [tried, failed, skipped] = [0, 0, 0];
for (const [name, experiment] of Object.entries(EXPERIMENTS)) {
  if (values.only !== undefined && !name.includes(values.only)) continue;
  const started = performance.now();
  try {
    const report = await experiment(scale);
    const seconds = `${((performance.now() - started) / 1000).toFixed(1)} s`;
    if ('skipped' in report) {
      skipped++;
      console.log(`SKIPPED ${name}: ${report.skipped}`);
    } else {
      tried++;
      console.log(
        `ok      ${name} (${seconds}): ${Object.entries(report.counts)
          .map(([what, n]) => `${n} ${what}`)
          .join(', ')}`,
      );
    }
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${(error as Error).stack}`);
  }
}
console.log(`crash: ${tried} experiments passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || tried === 0 ? 1 : 0;
