/** The kernels outside Node: every instruction set against the reference, and NEON under emulation where that is possible. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';

const root = packageRoot();
const sources = [
  'test/native/kernels.cc',
  ...readdirSync(join(root, 'native/kernels'))
    .filter((f) => f.endsWith('.cc'))
    .map((f) => `native/kernels/${f}`),
];
const has = (program: string) => spawnSync(program, ['--version']).status === 0;

function compileAndRun(compiler: string, flags: string[], runner: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-kernels-'));
  try {
    const program = join(folder, 'kernels');
    execFileSync(compiler, ['-std=c++20', '-O2', ...flags, '-o', program, ...sources], { cwd: root });
    const [command, ...args] = [...runner, program];
    return execFileSync(command, args, { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('kernels of this machine agree with the reference', async (t) => {
  const compiler = process.env['CXX'] ?? 'c++';
  if (!has(compiler)) return t.plan(0, `no C++ compiler (${compiler})`);
  const output = compileAndRun(compiler, [], []);
  assert.match(output, /float32: \d+ values agree[^]*float64: \d+ values agree/);
});

test('NEON kernels agree with the reference', async (t) => {
  if (process.arch === 'arm64') return t.plan(0, 'the test above has run them');
  if (process.env['INNERLOOP_TEST_ALL'] !== '1') return t.plan(0, 'a step of npm run test:all');
  if (!has('aarch64-linux-gnu-g++') || !has('qemu-aarch64')) {
    return t.plan(0, 'needs aarch64-linux-gnu-g++ and qemu-aarch64 (Debian: g++-aarch64-linux-gnu, qemu-user)');
  }
  const output = compileAndRun('aarch64-linux-gnu-g++', ['-static'], ['qemu-aarch64']);
  assert.match(output, /neon float32: \d+ values agree\nneon float64: \d+ values agree/);
});
