/** The service that `serve-load.ts` asks, in a process of its own: a ridge model over 10,000 items, state in SQLite. Prints its address. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveLearner } from '../lib/index.js';
import { serve } from '../lib/service/index.js';
import { LOAD_ITEMS, servedLearner } from './served-learner.js';

const folder = mkdtempSync(join(tmpdir(), 'innerloop-load-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const model = join(folder, 'model.safetensors');
await saveLearner(await servedLearner(LOAD_ITEMS, 4, 'bench.load'), model);
const running = await serve({ model, state: join(folder, 'state.db'), port: 0, logLevel: 'silent', maxPeople: 20_000 });
const before = process.cpuUsage();
process.stdout.write(`${running.url}\n`);
// What it used of the processor while it served is told when it is asked to end.
process.on('SIGTERM', () => {
  const { user, system } = process.cpuUsage(before);
  void running.close().then(() => process.stdout.write(`${(user + system) / 1e6}\n`, () => process.exit(0)));
});
