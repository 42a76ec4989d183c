/** The device plugin by emulation, through its C interface, without the addon: plugin.cc says what is checked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';

const root = packageRoot();
const scratch = mkdtempSync(join(tmpdir(), 'innerloop-cuda-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  assert.equal(status, 0, error?.message ?? `${stdout}${stderr}`);
  return stdout;
}
const has = (command: string) => spawnSync(command, ['--version']).status === 0;
const missing = process.platform !== 'linux' ? 'Linux' : ['cmake', 'c++'].find((command) => !has(command));

test(
  'the plugin by emulation: gradients by differences, a symmetric Hessian, training, refusals; the same bits in any order of lanes and with hardly any shared memory',
  { skip: missing === undefined ? false : `no ${missing}` },
  async () => {
    const folder = join('build', 'cuda-emulate');
    run('cmake', ['-S', join('native', 'cuda'), '-B', folder, '-DINNERLOOP_CUDA=emulate']);
    run('cmake', ['--build', folder, '--parallel']);
    const program = join(scratch, 'plugin');
    run('c++', ['-std=c++20', '-O1', join('test', 'cuda', 'plugin.cc'), '-o', program, '-ldl']);
    const results = ['', 'backwards', '4096'].map((setting) =>
      run(program, [join(folder, 'innerloop_emulation.so')], { INNERLOOP_EMULATE: setting }),
    );
    assert.ok(results[0].split('\n').length > 800);
    assert.equal(results[1], results[0]);
    assert.equal(results[2], results[0]);
  },
);
