/** The service that `serve-load.ts` asks, in a process of its own: a ridge model over 10,000 items, state in SQLite. Prints its address. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  ridge,
  saveLearner,
  splitTasks,
  train,
} from '../lib/index.js';
import { random } from '../lib/foundation/random.js';
import { serve } from '../lib/service/index.js';

export const ITEMS = 10_000;

const folder = mkdtempSync(join(tmpdir(), 'innerloop-load-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const model = join(folder, 'model.safetensors');
await trained();
const running = await serve({ model, state: join(folder, 'state.db'), port: 0, logLevel: 'silent', maxPeople: 20_000 });
const before = process.cpuUsage();
process.stdout.write(`${running.url}\n`);
// What it used of the processor while it served is told when it is asked to end.
process.on('SIGTERM', () => {
  const { user, system } = process.cpuUsage(before);
  void running.close().then(() => process.stdout.write(`${(user + system) / 1e6}\n`, () => process.exit(0)));
});

async function trained(): Promise<void> {
  const stream = random(1, 'bench.load');
  const rows = 4 * ITEMS;
  const dataset = datasetFromColumns({
    user: Int32Array.from({ length: rows }, (_, r) => Math.floor(r / 20)),
    item: Int32Array.from({ length: rows }, (_, r) => (r * 7919) % ITEMS),
    label: Float32Array.from({ length: rows }, () => 1 + stream.below(5)),
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', seed: 1, tasks: { min: 20, query: 10 } });
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 16 }], trainRows);
  const network = defineModel(
    { inputs, body: { kind: 'mlp', hidden: [16], activation: 'identity' }, head: { loss: 'mse' } },
    { threads: 2 },
  );
  const learner = createLearner({ model: network, algorithm: ridge(), seed: 1 });
  for await (const epoch of train(learner, sets['train'], { epochs: 1 })) void epoch;
  await saveLearner(learner, model);
}
