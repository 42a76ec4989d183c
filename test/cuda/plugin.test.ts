/** The device plugin by emulation, through its C interface, without the addon: plugin.cc says what is checked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { attempt, emulations, missing, scratch } from './plugins.js';

const root = packageRoot();
const noCompiler = attempt('c++', ['--version']);

function run(library: string, setting: string): string {
  const { status, error, stdout, stderr } = spawnSync(join(scratch, 'plugin'), [library], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, INNERLOOP_EMULATE: setting },
  });
  assert.equal(status, 0, error?.message ?? `${stdout}${stderr}`);
  return stdout;
}

test(
  'the plugin by emulation: gradients by differences, a symmetric Hessian, training, refusals; the same bits in any order of lanes and with hardly any shared memory',
  { skip: missing ?? (noCompiler === undefined ? false : 'no C++ compiler') },
  async () => {
    const source = join('test', 'cuda', 'plugin.cc');
    assert.equal(attempt('c++', ['-std=c++20', '-O1', source, '-o', join(scratch, 'plugin'), '-ldl']), undefined);
    const results = ['', 'backwards', '4096'].map((setting) => run(emulations[0].library, setting));
    assert.ok(results[0].split('\n').length > 800);
    assert.equal(results[1], results[0]);
    assert.equal(results[2], results[0]);
  },
);

/** As native/cuda/CMakeLists.txt has them. */
const SOURCES = ['plugin', 'host/objects', 'host/operations', 'host/gradient', 'host/plan', 'host/runtime'];
const SANITIZE = ['-std=c++20', '-O1', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

test(
  'the plugin by emulation under AddressSanitizer and UndefinedBehaviorSanitizer',
  {
    skip:
      process.env['INNERLOOP_TEST_ALL'] === undefined
        ? 'a step of npm run test:all'
        : (missing ?? (noCompiler === undefined ? false : 'no C++ compiler')),
  },
  async () => {
    const library = join(scratch, 'sanitized.so');
    const sources = SOURCES.map((name) => join('native', 'cuda', `${name}.cc`));
    const build = (args: string[]) => assert.equal(attempt('c++', [...SANITIZE, ...args]), undefined);
    build(['-shared', '-fPIC', '-DINNERLOOP_BUILDING_PLUGIN', ...sources, '-o', library]);
    build([join('test', 'cuda', 'plugin.cc'), '-o', join(scratch, 'plugin'), '-ldl']);
    for (const setting of ['', '4096']) assert.ok(run(library, setting).split('\n').length > 800);
  },
);
