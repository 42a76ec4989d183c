/**
 * The service that `serve-load.ts` asks, in a process of its own: a ridge model over 10,000 items, state in SQLite. Prints its address.
 * The first argument is the number of worker threads.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveLearner } from '../lib/index.js';
import { serve } from '../lib/service/index.js';
import { LOAD_ITEMS, servedLearner } from './served-learner.js';

const folder = mkdtempSync(join(tmpdir(), 'innerloop-load-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const model = join(folder, 'model.safetensors');
await saveLearner(await servedLearner(LOAD_ITEMS, 4, 'bench.load'), model);
const workers = Number(process.argv[2] ?? 0);
const state = join(folder, 'state.db');
const running = await serve({ model, state, workers, port: 0, logLevel: 'silent', maxPeople: 20_000 });
/** Seconds of processor time of this thread, which takes requests; Linux counts them in hundredths. NaN elsewhere. */
const ownSeconds = () => {
  try {
    const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8');
    // The name of the thread, in parentheses, may contain spaces; user and system time are the 12th and 13th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return NaN;
  }
};
const [before, ownBefore] = [process.cpuUsage(), ownSeconds()];
process.stdout.write(`${running.url}\n`);
// What it used of the processor while it served is told when it is asked to end.
process.on('SIGTERM', () => {
  const { user, system } = process.cpuUsage(before);
  const own = ownSeconds() - ownBefore;
  void running.close().then(() => process.stdout.write(`${(user + system) / 1e6} ${own}\n`, () => process.exit(0)));
});
