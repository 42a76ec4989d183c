/** Items that tell most about a user, and asking about them first. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml, ridge } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { random } from '../../lib/foundation/random.js';
import { askFirst, evidenceCandidates } from '../../lib/scenarios/index.js';
import { buildTasks, splitTasks } from '../../lib/tasks/index.js';
import { rejects } from '../fixtures/family.js';
import { query, support } from '../fixtures/tasks.js';
import { assertPlain, cell, world, learnerFor, trained } from '../fixtures/taste-world.js';

test('evidence: popularity × mean gradient norm of one interaction, as written out by the public gradients', async () => {
  const dataset = world({ users: 12, items: 9, rows: 6 });
  const tasks = buildTasks(dataset, { query: 2 });
  const learner = learnerFor(dataset, tasks.supportRows, maml({ steps: 1, learningRate: 0.05, adapt: ['mlp.1.*'] }));
  learner.labelOffset = 3;
  const found = await evidenceCandidates(learner, tasks, { count: 9 });
  const rows = new Set([...tasks.keys.keys()].flatMap((t) => [...support(tasks, t), ...query(tasks, t)]));
  const traits = dataset.items.columns[0].data;
  const expected = new Map<string, { popularity: number; norm: number }>();
  for (let item = 1; item < dataset.items.rows; item++) {
    const own = [...rows].filter((row) => dataset.item[row] === item);
    let norm = 0;
    for (const row of own) {
      const example = {
        inputs: { traits: [[...traits.subarray(2 * item, 2 * item + 2)]] },
        labels: [dataset.label[row] - 3],
      };
      const batch = packTasks(learner.model, [{ support: example, query: example }]);
      const { gradient } = await metaGradient(learner.model, learner.parameters(), batch, {
        steps: 0,
        learningRate: 0,
        adapt: ['mlp.1.*'],
        order: 1,
      });
      norm +=
        Math.sqrt(
          [...gradient['mlp.1.weight'].data, ...gradient['mlp.1.bias'].data].reduce((sum, g) => sum + g * g, 0),
        ) / own.length;
    }
    expected.set(dataset.items.keys.values[item], { popularity: own.length, norm });
  }
  const most = {
    popularity: Math.max(...[...expected.values()].map(({ popularity }) => popularity)),
    norm: Math.max(...[...expected.values()].map(({ norm }) => norm)),
  };
  assert.equal(found.length, 9);
  for (const { item, popularity, norm, score } of found) {
    assert.equal(popularity, expected.get(item)!.popularity / most.popularity);
    assert.ok(
      Math.abs(norm - expected.get(item)!.norm / most.norm) < 1e-4,
      `${norm} ${expected.get(item)!.norm / most.norm}`,
    );
    assert.equal(score, popularity * norm);
  }
  assert.deepEqual(
    found.map(({ score }) => score),
    found.map(({ score }) => score).sort((a, b) => b - a),
  );
  assert.deepEqual(await evidenceCandidates(learner, tasks, { count: 3 }), found.slice(0, 3));
  const few = await evidenceCandidates(learner, tasks, { count: 9, perItem: 1 });
  assert.deepEqual(new Set(few.map(({ item }) => item)), new Set(found.map(({ item }) => item)));
  await rejects(evidenceCandidates(learner, tasks, { count: 0 }), 'INVALID_OPTION', /evidence\.count/);
});

test('asking first: what users are likely to know brings more answers and a smaller error than asking at random', async () => {
  // Items differ in how many users know them.
  const stream = random(5, 'known');
  const base = world({ users: 120, items: 60, rows: 60 });
  const kept = [...base.user.keys()].filter(
    (row) => stream.uniform() < (Number(base.items.keys.values[base.item[row]]) < 15 ? 0.9 : 0.2),
  );
  const column = base.items.columns[0];
  assert.ok(column.kind === 'dense');
  const dataset = datasetFromColumns({
    user: kept.map((row) => base.users.keys.values[base.user[row]]),
    item: kept.map((row) => base.items.keys.values[base.item[row]]),
    label: kept.map((row) => base.label[row]),
    itemFeatures: {
      id: base.items.keys.values.slice(1),
      features: {
        traits: {
          kind: 'dense',
          values: Array.from({ length: 60 }, (_, i) => [...column.data.subarray(2 * i + 2, 2 * i + 4)]),
          standardize: false,
        },
      },
    },
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', test: 0.4, seed: 1, tasks: { query: 6 } });
  const learner = await trained(learnerFor(dataset, trainRows, ridge()), sets['train']);
  const candidates = await evidenceCandidates(learner, sets['train'], { count: 60 });
  const scenario = await askFirst(learner, candidates, sets['test'], { questions: [2, 5, 60], metrics: ['mae'] });
  assertPlain(scenario);
  const at = (method: string, count: number) => cell(scenario, method, `mae, ${count} asked`);
  for (const count of [2, 5])
    assert.ok(
      at('popularity × norm', count) < 0.9 * at('random', count),
      `${count}: ${at('popularity × norm', count)} ${at('random', count)}`,
    );
  for (const method of ['popularity', 'norm', 'random'])
    assert.equal(at(method, 60), at('popularity × norm', 60), 'who is asked everything answers everything');
  const whole = await evaluate(learner, sets['test'], { metrics: ['mae'] });
  assert.equal(at('random', 60), whole.methods[1].metrics['mae'].mean);
  await rejects(askFirst(learner, [], sets['test']), 'EMPTY_DATA', /candidates/);
});
