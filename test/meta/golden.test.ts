/** Float64 results of an independent autograd, through the public API, in both precisions. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';
import { addon } from '../../lib/foundation/addon.js';
import type { Precision } from '../../lib/foundation/contract.js';
import { episodeGradient } from '../../lib/meta/episode-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { packTasks } from '../../lib/batch/batch.js';
import { cases, checkGolden, close, closeAll, folder, tensors, TOLERANCE } from '../fixtures/golden.js';
import type { Golden, Plain, PlainTensor } from '../fixtures/golden.js';

test('there are golden cases to check', async () => assert.ok(cases.length >= 19));
for (const golden of cases) {
  const { method } = golden;
  for (const precision of ['float64', 'float32'] as const) {
    test(`golden ${golden.name} ${precision}`, async () =>
      method === undefined
        ? checkGolden(golden, { precision })
        : checkEpisode(golden as unknown as GoldenEpisode, method, precision));
  }
}

// What the vectors are made by gives them again.
const python = ['/usr/bin/python3', 'python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);
// Once, not once for each instruction set.
if (addon().isa === addon().isas[0])
  test('test/golden/make.py computes the vectors', async (t) => {
    if (python === undefined) return t.plan(0, 'no Python with PyTorch (Debian: python3-torch)');
    const { status, stdout, stderr } = spawnSync(python, [join(folder, 'make.py'), '--check'], { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`^${cases.length} of ${cases.length} files agree`, 'm'));
  });

interface GoldenEpisode extends Omit<Golden, 'expected'> {
  expected: { loss: number; taskLosses: number[]; probabilities: number[][][]; gradient: Plain };
}

async function checkEpisode(
  { model: spec, params, tasks, expected }: GoldenEpisode,
  method: 'prototypical' | 'matching',
  precision: Precision,
): Promise<void> {
  const tolerance = TOLERANCE[precision];
  const model = defineModel(spec, { precision });
  const { loss, taskLosses, probabilities, gradient } = await episodeGradient(
    model,
    tensors(params),
    packTasks(model, tasks),
    { method },
  );
  close([loss], [expected.loss], tolerance, 'loss');
  close(taskLosses, expected.taskLosses, tolerance, 'taskLosses');
  assert.equal(probabilities.length, tasks.length);
  probabilities.forEach(({ shape, data }, t) => {
    assert.deepEqual(shape, [tasks[t].query.labels.length, spec.episode!.classes]);
    close(data, expected.probabilities[t].flat(), tolerance, `probabilities ${t}`);
  });
  // A bias that moves every embedding alike moves no distance: its gradient is 0, and what both sides hold is rounding.
  const largest = Math.max(...Object.values(expected.gradient).flatMap(({ data }) => data.map(Math.abs)));
  const isZero = ([, { data }]: [string, PlainTensor]) => data.every((x) => Math.abs(x) < 1e-15 * largest);
  assert.deepEqual(Object.keys(gradient).sort(), Object.keys(expected.gradient).sort());
  for (const [name, { data }] of Object.entries(expected.gradient).filter(isZero)) {
    assert.ok(
      gradient[name].data.every((x) => Math.abs(x) <= tolerance * largest),
      `${name} is not 0`,
    );
    assert.equal(data.length, gradient[name].data.length);
    delete gradient[name];
  }
  closeAll(
    gradient,
    Object.fromEntries(Object.entries(expected.gradient).filter((entry) => !isZero(entry))),
    tolerance,
    'gradient',
  );
}
