/**
 * A training run to be killed: keeps a checkpoint, says when an epoch is done, and ends with a saved model. Everything it
 * writes depends on its arguments alone.
 *
 *     node victim.js <checkpoint> <epochs> [threads] [width]
 *
 * With VICTIM_PAUSE it waits after that epoch until the file VICTIM_GO is there, so that what is done to it in between has happened
 * before it goes on, on a machine of any speed.
 */
import { existsSync } from 'node:fs';
import {
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  InnerloopError,
  maml,
  saveLearner,
  splitTasks,
  train,
} from '../../lib/index.js';
import { packageVersion } from '../../lib/learner/manifest.js';
import { adam } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';

const [checkpoint, epochs, threads = '2', width = '24'] = process.argv.slice(2);
const ITEMS = 300;

const [user, item, label]: number[][] = [[], [], []];
for (let u = 0; u < 60; u++) {
  const stream = random(2, 'user', u);
  const taste = stream.normal();
  for (const i of stream.shuffle(Int32Array.from({ length: ITEMS }, (_, n) => n)).subarray(0, 14)) {
    (user.push(u), item.push(i), label.push(3 + taste * Math.sin(i) + 0.1 * stream.normal()));
  }
}
const dataset = datasetFromColumns({ user, item, label });
const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', validation: 0.2, seed: 1, tasks: { query: 4 } });
const inputs = describeInputs(dataset, [{ name: 'item', dim: Number(width) }], trainRows);
const model = defineModel(
  { inputs, body: { kind: 'mlp', hidden: [8] }, head: { loss: 'mse' } },
  { threads: Number(threads) },
);
const learner = createLearner({
  model,
  algorithm: maml({ steps: 2, learningRate: 0.1, rates: 'perStep' }),
  optimizer: adam({ learningRate: 0.01 }),
  seed: 3,
});

// Not before: another user may not be able to read the program, or its version.
packageVersion();
if (process.env['VICTIM_UID'] !== undefined) {
  process.setgid!(Number(process.env['VICTIM_UID']));
  process.setuid!(Number(process.env['VICTIM_UID']));
}

try {
  process.stdout.write('begins\n');
  for await (const { epoch } of train(learner, sets['train'], {
    epochs: Number(epochs),
    metaBatch: 8,
    validation: sets['validation'],
    checkpoint,
  })) {
    process.stdout.write(`epoch ${epoch}\n`);
    if (process.env['VICTIM_PAUSE'] === String(epoch))
      while (!existsSync(process.env['VICTIM_GO']!)) await new Promise((done) => setTimeout(done, 2));
  }
  await saveLearner(learner, `${checkpoint}.model`);
  process.stdout.write('done\n');
} catch (error) {
  // The one error that a user may see; anything else is a bug and prints its stack.
  if (!(error instanceof InnerloopError)) throw error;
  process.stdout.write(`${error.code} ${error.message}\n`);
  process.exitCode = 3;
}
