/** `innerloop shard` and `train --shards`: the tasks of a configuration on disk, trained on, resumed and measured. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { bytes, config, fails, folder, ok, output, part } from '../fixtures/small-run.js';
import type { Json } from '../fixtures/small-run.js';

const written = config();
const shards = join(folder, 'shards');

test('shard writes the sets of the split; train --shards writes a model and a table; evaluate measures it on the same users', async () => {
  const sharded = ok('shard', '--config', written, '--output', shards, '--rows', '100', '--memory', '256');
  assert.match(sharded.stdout, /train: \d+ tasks, \d+ interactions in \d+ shards/);
  assert.match(sharded.stdout, /test: 12 tasks/);
  assert.match(sharded.stderr, /100 % written/);

  const [out, whole] = [output(), output()];
  const told = ok('train', '--config', written, '--shards', shards, '--output', out);
  assert.match(told.stdout, /maml, not adapted/);
  assert.match(told.stderr, /train: 36 tasks/);
  assert.match(told.stderr, /baselines are fitted on interactions in memory/);
  const manifest = JSON.parse(bytes(out, 'manifest.json').toString()) as { shards: string; best: { epoch: number } };
  assert.equal(manifest.shards, shards);
  assert.ok(manifest.best.epoch >= 1);

  // Two epochs and then four are four.
  ok('train', '--config', written, '--shards', shards, '--output', whole, '--epochs', '2');
  ok('train', '--config', written, '--shards', shards, '--output', whole, '--resume');
  assert.deepEqual(bytes(whole, 'metrics.jsonl').toString().split('\n').length, 5);
  const epochsOf = (run: string) =>
    bytes(run, 'metrics.jsonl')
      .toString()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { epoch: number; loss: number }).epoch);
  assert.deepEqual(epochsOf(whole), epochsOf(out));

  const measured = ok('evaluate', '--model', join(out, 'model.safetensors'), '--config', written, '--json');
  interface Results {
    sets: { methods: { metrics: Record<string, { mean: number }> }[] }[];
  }
  const maeOf = (text: string) => (JSON.parse(text) as Results).sets[0].methods[1].metrics['mae'].mean;
  assert.equal(maeOf(measured.stdout), maeOf(bytes(out, 'evaluation.json').toString()));
});

test('what shards cannot do, another split, and folders that are none are refused by name', async () => {
  const changed = (change: (value: Json) => void) => config(change);
  const train = (path: string, ...more: string[]) => ['train', '--config', path, '--output', output(), ...more];
  fails(2, /INVALID_OPTION folder: has shards/, 'shard', '--config', written, '--output', shards);
  ok('shard', '--config', written, '--output', shards, '--fresh');
  fails(1, /MISSING_FILE/, ...train(written, '--shards', folder));
  const other = changed((value) => (part(value, 'split')['test'] = 0.3));
  fails(2, /INVALID_OPTION split\.test: was 0\.2 where/, ...train(other, '--shards', shards));
  const refit = changed((value) => (part(value, 'training')['refit'] = true));
  fails(1, /UNSUPPORTED training\.refit/, ...train(refit, '--shards', shards));
  const core = changed((value) => (part(value, 'data')['kCore'] = 2));
  fails(1, /UNSUPPORTED data\.kCore/, 'shard', '--config', core, '--output', output());
  const sampling = changed((value) => (part(value, 'training')['sampling'] = 'loss'));
  fails(2, /INVALID_OPTION training\.sampling/, ...train(sampling, '--shards', shards));
  // A shard that is cut is told by its name.
  const [first] = fs.readdirSync(shards).filter((file) => file.startsWith('train-'));
  fs.truncateSync(join(shards, first), 1000);
  fails(1, new RegExp(`INVALID_DATA .*${first}: cut short`), ...train(written, '--shards', shards));
});
