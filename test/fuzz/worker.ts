/**
 * One target in a process of its own, so that a crash is a finding and not the end:
 *
 *     node worker.js <target> <seed> <first case> <seconds> <progress file>
 *
 * A case is made from (target, seed, number) alone: with 0 seconds exactly the first case is run, to repeat a finding.
 */
import { openSync, writeSync } from 'node:fs';
import { random } from '../../lib/foundation/random.js';
import { programs } from './programs.js';
import { TARGETS } from './targets.js';

const [target, seed, first, seconds, progress] = process.argv.slice(2);
const run = { ...TARGETS, programs }[target]!;
const fd = progress === undefined ? undefined : openSync(progress, 'w');
/** No case has a reason to hold more; a sanitizer keeps what is freed for a while. */
const MOST_MEMORY = process.env['INNERLOOP_PREBUILD'] === undefined ? 1.5e9 : 6e9;

let accepted = 0;
let number = Number(first);
const end = performance.now() + 1000 * Number(seconds);
do {
  // Before the case: a process that dies has said at which.
  if (fd !== undefined) writeSync(fd, String(number).padEnd(16), 0);
  try {
    if (await run(random(Number(seed), `fuzz.${target}`, number))) accepted++;
    if (process.memoryUsage.rss() > MOST_MEMORY)
      throw new Error(`the process holds ${process.memoryUsage.rss()} bytes`);
  } catch (error) {
    process.stderr.write(`case ${number}: ${(error as Error)?.stack ?? String(error)}\n`);
    process.exit(1);
  }
  number++;
} while (performance.now() < end);
process.stdout.write(JSON.stringify({ cases: number - Number(first), accepted }));
