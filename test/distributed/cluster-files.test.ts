/** The example files for clusters use options that `innerloop train` has. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { main } from '../fixtures/command.js';

const folder = join(packageRoot(), 'examples', 'cluster');

test('every option of the example files is one of innerloop train', async () => {
  const help = spawnSync(process.execPath, [main, 'train', '--help'], { encoding: 'utf8' }).stdout;
  const files = readdirSync(folder);
  assert.deepEqual(files, ['kubernetes.yaml', 'slurm.sh']);
  for (const file of files) {
    const text = readFileSync(join(folder, file), 'utf8');
    const command = text.slice(text.indexOf('innerloop train')).split(/volumeMounts|^$/m)[0];
    const options = command.match(/--[a-z-]+/g) ?? [];
    assert.ok(options.length >= 6, file);
    for (const option of options) assert.ok(help.includes(`${option} `), `${file}: ${option}`);
    assert.match(text, /--resume/);
  }
});

test('the SLURM file is a shell script', async () => {
  const { status, stderr } = spawnSync('bash', ['-n', join(folder, 'slurm.sh')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
