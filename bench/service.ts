/**
 * An hour of a service in minutes: `node --expose-gc dist/bench/service.js [users] [file]`, 100,000 users by default, of whom 5,000 are
 * held at a time. Prints the memory after every tenth of them and the histogram of the event loop's delay, and writes both to the file;
 * exits with 1 where the process grew by more than a tenth over the second half.
 */
import { writeFileSync } from 'node:fs';
import { addon } from '../lib/foundation/addon.js';
import { describeMachine } from './machine.js';
import { loopLearner, serve } from './service-loop.js';

const machine = describeMachine(addon());
const users = Number(process.argv[2] ?? 100_000);
const out = process.argv[3];
const learner = await loopLearner();
const started = performance.now();
const cpu = process.cpuUsage();
console.log('   users  updates    lists  evicted   rss, MB  external, MB');
const { progress, delay, histogram } = await serve(learner, {
  users,
  held: Math.min(5000, users / 10),
  report: ({ users: n, updates, lists, evicted, rss, external }) =>
    console.log(
      [n, updates, lists, evicted].map((count) => String(count).padStart(8)).join(' ') +
        [rss, external].map((mb) => mb.toFixed(0).padStart(11)).join(''),
    ),
});
const seconds = (performance.now() - started) / 1000;
const used = process.cpuUsage(cpu);
console.log(
  `${seconds.toFixed(0)} s, ${((used.user + used.system) / 1e6).toFixed(0)} s of processor time; event loop late by, ms: ` +
    Object.entries(delay)
      .map(([name, ms]) => `${name} ${ms.toFixed(1)}`)
      .join(', '),
);
const edges = [1, 2, 3, 5, 8, 12, 20, 40, 80, Infinity];
let below = 0;
const late: { ms: number | null; percent: number }[] = [];
for (const edge of edges) {
  // The share of turns up to an edge, in tenths of a percent.
  let share = 0;
  while (share < 1000 && histogram.percentile((share + 1) / 10) / 1e6 <= edge) share++;
  const part = (edge === Infinity ? 100 : share / 10) - below;
  below += part;
  late.push({ ms: edge === Infinity ? null : edge, percent: Number(part.toFixed(1)) });
  console.log(
    `${edge === Infinity ? '   more' : `≤ ${String(edge).padStart(2)} ms`} ${part.toFixed(1).padStart(6)} % ${'#'.repeat(Math.round(part / 2))}`,
  );
}
const half = progress[Math.floor(progress.length / 2) - 1];
const last = progress[progress.length - 1];
const growth = last.rss / half.rss - 1;
console.log(`memory over the second half: ${(100 * growth).toFixed(1)} %`);
if (out !== undefined) {
  const whole = (values: object) =>
    Object.fromEntries(Object.entries(values).map(([name, x]: [string, number]) => [name, Number(x.toFixed(1))]));
  const report = {
    machine,
    users,
    seconds: Number(seconds.toFixed(1)),
    processorSeconds: Number(((used.user + used.system) / 1e6).toFixed(1)),
    delay: whole(delay),
    // Up to so many milliseconds and more than the edge before; null: more.
    late,
    memory: progress.map(whole),
    growth: Number(growth.toFixed(4)),
  };
  writeFileSync(out, `${JSON.stringify(report, undefined, 2)}\n`);
}
process.exitCode = growth > 0.1 ? 1 : 0;
