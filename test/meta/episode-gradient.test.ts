/** Gradients over episodes of classes: against finite differences, and what they refuse. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { HeadSpec } from '../../lib/foundation/contract.js';
import { episodeGradient } from '../../lib/meta/episode-gradient.js';
import { createLearner } from '../../lib/learner/learner.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { refuses, rejects } from '../fixtures/family.js';
import { combine, derivative, direction, dot, norm } from '../fixtures/random-model.js';
import { spec, tasksOf, MSE } from '../fixtures/graph-tasks.js';

const EPISODE: HeadSpec = { loss: 'episode', classes: 4 };

test('the episode gradient is the derivative of its loss, an absent class included', async () => {
  const model = defineModel(spec(EPISODE), { precision: 'float64' });
  const tasks = tasksOf(EPISODE);
  const params = model.initialize(3);
  const batch = packTasks(model, tasks);
  for (const method of ['prototypical', 'matching'] as const) {
    const { gradient, taskLosses, probabilities } = await episodeGradient(model, params, batch, { method });
    const u = direction(params, random(9, method));
    const { slope } = await derivative(
      async (x) => (await episodeGradient(model, combine(params, 1, u, x), batch, { method })).loss,
      1e-4,
    );
    assert.ok(Math.abs(slope - dot(gradient, u)) <= 1e-8 * norm(gradient), `${slope} is not ${dot(gradient, u)}`);
    probabilities.forEach(({ shape: [n, classes], data }, t) => {
      const present = new Set(Array.from(tasks[t].support.labels));
      let loss = 0;
      for (let r = 0; r < n; r++) {
        const p = data.subarray(r * classes, (r + 1) * classes);
        let sum = 0;
        for (const value of p) sum += value;
        assert.ok(Math.abs(sum - 1) < 1e-12);
        if (present.size > 0)
          p.forEach((value, c) => assert.ok(present.has(c) || value < 1e-9, `class ${c} has no rows but ${value}`));
        loss -= Math.log(p[tasks[t].query.labels[r]]) / n;
      }
      assert.ok(Math.abs(loss - taskLosses[t]) < 1e-6 * Math.max(1, loss), `${loss} is not ${taskLosses[t]}`);
    });
  }
});

test('the episode head and gradient refuse what they cannot use', async () => {
  const model = defineModel(spec(EPISODE));
  const params = model.initialize(1);
  const batch = packTasks(model, tasksOf(EPISODE));
  await rejects(
    episodeGradient(model, params, batch, { method: 'siamese' as 'matching' }),
    'INVALID_OPTION',
    /options\.method/,
  );
  await rejects(
    episodeGradient(model, params, batch, { methd: 'matching' } as never),
    'UNKNOWN_OPTION',
    /did you mean method\?/,
  );
  const ratings = defineModel(spec(MSE));
  await rejects(
    episodeGradient(ratings, ratings.initialize(1), packTasks(ratings, tasksOf(MSE)), { method: 'matching' }),
    'INVALID_OPTION',
    /model\.head\.loss/,
  );
  const two = defineModel({ ...spec(EPISODE), episode: { classes: 2 } });
  await rejects(
    episodeGradient(two, two.initialize(1), packTasks(two, tasksOf(EPISODE)), { method: 'matching' }),
    'INVALID_OPTION',
    /classes from 0 to 1/,
  );
  await rejects(
    metaGradient(model, params, batch, { steps: 1, learningRate: 0.1, adapt: 'all', order: 2 }),
    'INVALID_OPTION',
    /model\.head\.loss/,
  );
  refuses(() => defineModel({ ...spec(MSE), episode: { classes: 2 } }), 'INVALID_OPTION', /model\.episode/);
  refuses(() => createLearner({ model, algorithm: ALGORITHMS.protoNets() }), 'INVALID_OPTION', /model\.head\.loss/);
  refuses(
    () =>
      packTasks(model, [{ ...tasksOf(EPISODE)[1], query: { ...tasksOf(EPISODE)[1].query, labels: [0.5, 1, 1, 1] } }]),
    'INVALID_OPTION',
    /query\.labels\[0\]/,
  );
});
