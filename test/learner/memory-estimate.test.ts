/**
 * What `estimateTraining` promises, against what a run takes: every learner in processes of their own, whose allocations
 * allocations.c counts. A few shapes here; with INNERLOOP_TEST_ALL every learner in every shape, as `npm run test:all` does.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { generateInteractions } from '../../bench/generate-interactions.js';
import { writeShards } from '../../lib/tasks/index.js';
import { NAMES } from '../fixtures/family.js';
import { SHAPES } from './memory-run.js';
import type { measure, measureShards, Run, Shape, ShardRun } from './memory-run.js';

const folder = mkdtempSync(join(tmpdir(), 'innerloop-memory-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const compiler = process.env['CC'] ?? 'cc';
const library = join(folder, 'allocations.so');
const source = join(packageRoot(), 'test', 'learner', 'allocations.c');
const built = spawnSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, source], { encoding: 'utf8' });
const isGlibc =
  process.report.getReport !== undefined && process.platform === 'linux' && 'glibcVersionRuntime' in headerOf();
const skip = !isGlibc
  ? 'allocations are counted with glibc alone'
  : built.status !== 0
    ? `${compiler} could not build test/learner/allocations.c`
    : false;

function headerOf(): object {
  return (process.report.getReport() as unknown as { header: object }).header;
}

function run<R = Awaited<ReturnType<typeof measure>>>(options: Run | ShardRun): R {
  const script = fileURLToPath(new URL('memory-run.js', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script, JSON.stringify(options)], {
    encoding: 'utf8',
    env: { ...process.env, ALLOCATIONS: join(folder, 'counts'), LD_PRELOAD: library },
  });
  rmSync(join(folder, 'counts'), { force: true });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as R;
}

const shapes = Object.keys(SHAPES) as Shape[];
/** What a learner's memory goes to differs in `deep`, what state and data take does not depend on the learner. */
const chosen = (name: string): Shape[] =>
  process.env['INNERLOOP_TEST_ALL'] === '1' || name === 'maml' || name === 'ridge' ? shapes : ['deep'];

for (const algorithm of NAMES) {
  test(`${algorithm}: the memory that is promised is within half as much again of what a run takes`, { skip }, (t) => {
    for (const shape of chosen(algorithm)) {
      const { estimate, taken } = run({ algorithm, shape, threads: 2, metaBatch: shape === 'small' ? 4000 : 16 });
      const ratio = estimate.total / taken;
      const parts = Object.entries(estimate).map(([part, bytes]) => `${part} ${(bytes / 1e6).toFixed(1)}`);
      const text = `${shape}: ${(taken / 1e6).toFixed(1)} MB taken, ${ratio.toFixed(2)} of it promised (${parts.join(', ')})`;
      t.comment(text);
      assert.ok(ratio > 1 / 1.5 && ratio < 1.5, text);
    }
    t.end();
  });
}

test(
  'a training on shards takes what is promised, and the process what it holds and that',
  { skip, timeout: 300_000 },
  async (t) => {
    const [file, shards] = [join(folder, 'rows.parquet'), join(folder, 'shards')];
    await generateInteractions(1_000_000, file, 'parquet');
    await writeShards(
      { interactions: { from: file, user: 'user', item: 'item', label: 'rating', time: 'time' } },
      shards,
      {
        split: { protocol: 'users', tasks: { min: 5, max: 200, query: { fraction: 0.2 } } },
        rows: 20_000,
      },
    );
    const runShards = (collect: boolean) =>
      run<Awaited<ReturnType<typeof measureShards>>>({ shards, metaBatch: 256, collect });
    const { estimate, taken } = runShards(true);
    const { resident } = runShards(false);
    assert.ok(estimate.reading > 2.5e6 && estimate.held > 20e6);
    const parts = Object.entries(estimate).map(([part, bytes]) => `${part} ${(bytes / 1e6).toFixed(1)}`);
    for (const [name, said, took] of [
      ['training', estimate.total, taken],
      ['process', resident.said, resident.most],
    ] as const) {
      const text = `${name}: ${(took / 1e6).toFixed(1)} MB taken, ${(said / took).toFixed(2)} of it promised (${parts.join(', ')})`;
      t.comment(text);
      assert.ok(said / took > 1 / 1.5 && said / took < 1.5, text);
    }
  },
);
