/** Weights by age, and where tastes change over time. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml, ridge } from '../../lib/algorithms/registry.js';
import { interestDrift, withRecency } from '../../lib/scenarios/index.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { refuses } from '../fixtures/family.js';
import { assertPlain, cell, world, learnerFor } from '../fixtures/taste-world.js';

test('withRecency: weights halve with every half-life, and an old row counts as part of one', async () => {
  const dataset = world({ users: 30, items: 30, rows: 12 });
  const weighted = withRecency(dataset, 8, 4);
  weighted.weight!.forEach((weight, row) =>
    assert.ok(Math.abs(weight - Math.min(1, 2 ** ((dataset.time![row] - 8) / 4))) < 1e-7),
  );
  withRecency(weighted, 8, 4).weight!.forEach((weight, row) =>
    assert.ok(Math.abs(weight - weighted.weight![row] ** 2) < 1e-6, 'times the weights there are'),
  );
  // Weights of ½ throughout are half the rows to a closed form, and nothing to a mean.
  const tasks = buildTasks(dataset, { query: 4 });
  for (const [algorithm, same] of [
    [ridge(), false],
    [maml({ steps: 2, learningRate: 0.1 }), true],
  ] as const) {
    const learner = learnerFor(dataset, tasks.supportRows, algorithm);
    const [plain, half] = await Promise.all(
      [dataset, { ...dataset, weight: new Float32Array(dataset.size).fill(0.5) }].map((each) =>
        learner.outputs({ ...tasks, dataset: each }, 'after'),
      ),
    );
    const distance = plain.reduce((sum, output, i) => sum + Math.abs(output - half[i]), 0) / plain.length;
    assert.ok(same ? distance < 1e-5 : distance > 1e-3, `${algorithm.name} ${distance}`);
  }
  refuses(() => withRecency(dataset, 1, 0), 'INVALID_OPTION', /halfLife/);
});

test('interest drift: recency helps where tastes turn, and costs where they stay', async () => {
  const turning = (_: number, time: number, [a, b]: number[]) => {
    const angle = 6 * time;
    return [a * Math.cos(angle) - b * Math.sin(angle), a * Math.sin(angle) + b * Math.cos(angle)];
  };
  const measured: number[] = [];
  for (const tasteAt of [turning, undefined]) {
    const dataset = world({ users: 60, items: 80, rows: 60, tasteAt, noise: () => 0.3 });
    const scenario = await interestDrift(dataset, {
      learner: (rows) => learnerFor(dataset, rows, ridge()),
      tasks: { query: { fraction: 0.3 } },
      blocks: 5,
      halfLife: 4,
      train: { epochs: 8, metaBatch: 16 },
      metric: 'mae',
    });
    assertPlain(scenario);
    const [still, adapted, recent] = ['static', 'adapted', 'adapted, recent'].map((method) =>
      cell(scenario, method, 'mae'),
    );
    if (tasteAt === undefined) assert.ok(adapted < 0.6 * still, `${adapted} adapted, ${still} not`);
    assert.equal(scenario.charts[0].series[0].x.length, 5);
    measured.push(recent / adapted);
  }
  assert.ok(measured[0] < 0.9, `turning tastes: recency multiplies the error by ${measured[0]}`);
  assert.ok(measured[1] > 1, `steady tastes: recency multiplies the error by ${measured[1]}`);
});
