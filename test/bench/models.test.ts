/** Cases of `npm run bench -- --only models`: each gives what float64 gives, in a process as the benchmark starts it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { readAgainst } from '../../bench/model-timings.js';
import { MODEL_CASES } from '../../bench/models.js';
import type { ModelsResult } from '../../bench/trials/models.js';

const root = packageRoot();

test('every case runs, beside another build, after its gradient was compared', async () => {
  const trial = join(root, 'dist', 'bench', 'trials', 'models.js');
  for (const { name, tasks } of MODEL_CASES) {
    const request = JSON.stringify({ case: name, roots: [root, root], threads: 1, seconds: 0.001 });
    const { stdout, stderr, status } = spawnSync(process.execPath, [trial, request], { encoding: 'utf8' });
    assert.equal(status, 0, `${name}: ${stderr}`);
    const result = JSON.parse(stdout.trim().split('\n')[1]) as ModelsResult;
    assert.equal(result.tasks, tasks);
    assert.equal(result.times.length, 2);
    for (const { wall, best } of result.times) assert.ok(best > 0 && best <= wall, name);
  }
});

test('what a measurement is compared with is a built checkout or a result file', async () => {
  assert.deepEqual(readAgainst(root), { root });
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-bench-'));
  try {
    assert.throws(() => readAgainst(folder), /no checkout that is built/);
    assert.throws(() => readAgainst(join(folder, 'none.json')), /there is no/);
    const file = join(folder, 'result.json');
    writeFileSync(file, '{"measured": {}}');
    assert.throws(() => readAgainst(file), /holds no measurement "models"/);
    const rows = [{ case: 'mf', tasksPerCpuSecond: 1, tasksPerSecond: 2, ratios: [] }];
    writeFileSync(file, JSON.stringify({ measured: { models: rows } }));
    assert.deepEqual(readAgainst(file), { rows, name: file });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
