/** The contract between evaluation and serving: the same rows give the same numbers, for all bodies, inputs, losses and learners. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { lossOf } from '../../lib/model/losses.js';
import { scoresOf } from '../../lib/model/scores.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import type { PersonalModel } from '../../lib/serving/personal-model.js';
import { CASES, LIKED, mlp, RATED, trained } from '../fixtures/every-model.js';
import { make, path, rejects } from '../fixtures/family.js';

for (const one of CASES) {
  const [name, { dataset, split, context }, , , head] = one;
  test(`${name}: what is measured is what is served, and after a file too`, async () => {
    const learner = await trained(one);
    const { test: tasks } = split.sets;
    const measured = scoresOf(head, await learner.outputs(tasks, 'after'), 0);
    const file = path();
    await saveLearner(learner, file);
    const heads = head.also ?? [];
    for (const serving of [learner, await loadLearner(file)]) {
      for (let t = 0; t < tasks.size; t++) {
        const rowsOf = (offsets: Int32Array, rows: Int32Array) => [...rows.subarray(offsets[t], offsets[t + 1])];
        const support = rowsOf(tasks.supportOffsets, tasks.supportRows);
        const query = rowsOf(tasks.queryOffsets, tasks.queryRows);
        const itemOf = (row: number) => dataset.items.keys.values[dataset.item[row]];
        const dwell = (row: number) =>
          (dataset.context.columns.find((c) => c.name === 'dwell')!.data as Float32Array)[row];
        const request = {
          items: support.map(itemOf),
          labels: support.map((row) => dataset.label[row]),
          user: tasks.keys[t],
          context: support.map((row) => context[row]),
          weights: support.map((row) => dataset.weight![row]),
          ...(heads.length > 0 && { also: { dwell: support.map(dwell) } }),
        };
        if (lossOf(head).ranks === true && !request.labels.includes(1)) {
          await rejects(serving.adapt(request), 'INVALID_OPTION', /at least one label 1/);
          continue;
        }
        const me = await serving.adapt(request);
        const served = await me.predict(query.map(itemOf), { context: query.map((row) => context[row]) });
        query.forEach((_, q) => {
          const expected = measured[tasks.queryOffsets[t] + q];
          assert.ok(
            Math.abs(served[q] - expected) <= 2e-4 * Math.max(1, Math.abs(expected)),
            `task ${t}, query ${q}: measured ${expected}, served ${served[q]}`,
          );
        });
      }
    }
  });
}

test('a model that reads features of interactions says so; what is left out is the default of training', async () => {
  const { dataset } = RATED;
  const learner = await trained(CASES[0]);
  const [a, b, c] = ['i0', 'i1', 'i2'];
  const needs = /missing: the model reads price, price.present, place, with, vector of interactions/;
  await rejects(
    learner.adapt({ items: [a], labels: [5] }),
    'INVALID_OPTION',
    new RegExp(`support.context: ${needs.source}`),
  );
  const me = await learner.adapt({ items: [a, b], labels: [5, 1], context: {} });
  await rejects(me.predict([c]), 'INVALID_OPTION', new RegExp(`options.context: ${needs.source}`));
  await rejects(me.recommend(), 'INVALID_OPTION', new RegExp(`options.context: ${needs.source}`));
  await rejects(me.explain(c), 'INVALID_OPTION', new RegExp(`options.context: ${needs.source}`));
  const places = dataset.context.columns.find(({ name }) => name === 'place')!;
  assert.ok(places.kind === 'categorical');
  const counts = new Map<string, number>();
  for (const place of places.data)
    counts.set(places.vocabulary.values[place], (counts.get(places.vocabulary.values[place]) ?? 0) + 1);
  counts.delete('');
  const [[usual]] = [...counts].sort(([, x], [, y]) => y - x);
  const scores = await me.predict([c], { context: {} });
  assert.deepEqual(await me.predict([c], { context: { place: usual } }), scores);
  assert.notDeepEqual(await me.predict([c], { context: [{ place: null }] }), scores, 'missing is not the usual');
  const other = [...counts.keys()].find((place) => place !== usual)!;
  assert.notDeepEqual(await me.predict([c], { context: { place: other } }), scores);
  assert.deepEqual(me.predictSync([c], { context: {} }), scores);
  const [first] = await me.recommend({ context: {}, count: 1 });
  assert.equal(first.score, (await me.predict([first.item], { context: {} }))[0]);
  const why = await me.explain(c, { context: { price: 4000 } });
  assert.equal(why.length, 2);
  await rejects(me.predict([c], { context: { prise: 3 } }), 'UNKNOWN_OPTION', /context\.prise.*did you mean price/);
  await rejects(
    me.predict([c], { context: { price: '3' } }),
    'INVALID_OPTION',
    /^options\.context\.price: not a finite number/,
  );
  await rejects(
    learner.adapt({ items: [a, b], labels: [5, 1], context: [{}, { price: '3' }] }),
    'INVALID_OPTION',
    /^support\.context\[1\]\.price: not a finite number/,
  );
  await rejects(me.predict([c], { context: { vector: [1, 2] } }), 'INVALID_OPTION', /vector: has 2 numbers/);
  await rejects(me.predict([c], { context: [{}, {}] }), 'INVALID_OPTION', /not one object a row.*1 objects/);
  await rejects(me.recommend({ context: [{}] as never }), 'INVALID_OPTION', /one object for all items/);
});

test('an interaction that comes later has features of its own', async () => {
  const learner = await trained(CASES[0]);
  const asked = async (me: PersonalModel) => [...(await me.predict(['i3'], { context: {} }))];
  const usual = await learner.adapt({ items: ['i0'], labels: [5], context: {} });
  const both = await learner.adapt({ items: ['i0', 'i1'], labels: [5, 1], context: {} });
  assert.deepEqual(await asked(await usual.update('i1', 1)), await asked(both), 'the defaults are those of any');
  // What was told of all before does not hold for it without a word.
  const dear = await learner.adapt({ items: ['i0'], labels: [5], context: { price: 4000 } });
  await rejects(dear.update('i1', 1), 'INVALID_OPTION', /^options\.context: missing.*\{\} for the defaults/);
  await rejects(dear.update('i1', 1, { context: { prise: 1 } }), 'UNKNOWN_OPTION', /^options\.context\.prise/);
  const each = await learner.adapt({ items: ['i0', 'i1'], labels: [5, 1], context: [{ price: 4000 }, {}] });
  assert.deepEqual(await asked(await dear.update('i1', 1, { context: {} })), await asked(each));
});

test('a new user who is told by features is served as a known one of the same features without history', async () => {
  const { people, split } = RATED;
  const learner = await trained(CASES[0]);
  const known = split.sets['test'].keys[0];
  const features = people[Number(known.slice(1))];
  const score = async (who: object) =>
    (await (await learner.adapt({ items: [], labels: [], ...who })).predict(['i3', 'i4'], { context: {} })).join();
  const expected = await score({ user: known });
  assert.equal(await score({ features }), expected);
  assert.equal(await score({ user: 'nobody', features }), expected);
  assert.equal(await score({ user: known, features: {} }), expected);
  assert.notEqual(await score({}), expected);
  const older = { ...features, age: 90 };
  assert.equal(await score({ user: known, features: { age: 90 } }), await score({ features: older }));
  assert.notEqual(await score({ features: older }), expected);
  await rejects(
    learner.adapt({ items: [], labels: [], features: { agee: 3 } }),
    'UNKNOWN_OPTION',
    /support\.features\.agee.*did you mean age/,
  );
});

test('ratings outside of the range of training are refused, clipped or allowed, by option, and after a file too', async () => {
  const learner = await trained(CASES[0]);
  const file = path();
  await saveLearner(learner, file);
  for (const serving of [learner, await loadLearner(file)]) {
    const score = async (label: number, outside?: 'clip' | 'allow') =>
      (
        await (
          await serving.adapt({ items: ['i1'], labels: [label], context: {}, ...(outside && { outside }) })
        ).predict(['i2'], { context: {} })
      )[0];
    await rejects(
      score(500),
      'INVALID_OPTION',
      /support\.labels\[0\]: outside of the ratings of the training data; got 500; expected 1 to 5/,
    );
    assert.equal(await score(500, 'clip'), await score(5));
    assert.equal(await score(-3, 'clip'), await score(1));
    assert.notEqual(await score(500, 'allow'), await score(5));
  }
});

test('a label too far outside of the range of training is named, where it makes the adaptation diverge', async () => {
  const learner = await trained(['', RATED, [{ name: 'item', dim: 4 }], mlp, { loss: 'mse' }, make('maml')]);
  const far = (label: number) => ({ items: ['i1', 'i2'], labels: [3, label], outside: 'allow' as const });
  const near = { items: ['i1'], labels: [3] };
  const clip = /-?1e\+\d+; expected .*1 to 5; outside: 'clip'/.source;
  for (const label of [1e30, -1e30]) {
    await rejects(learner.adapt(far(label)), 'DIVERGED', new RegExp(`^support\\.labels\\[1\\]: .*${clip}`));
    assert.throws(() => learner.adaptSync(far(label)), { code: 'DIVERGED', field: 'support.labels[1]', value: label });
    await rejects(learner.adaptMany([near, far(label)]), 'DIVERGED', /^supports\[1\]\.labels\[1\]/);
    await rejects(learner.predictMany([near, far(label)], ['i4']), 'DIVERGED', /^users\[1\]\.labels\[1\]/);
  }
  await rejects(
    learner.adapt(far(1e300)),
    'INVALID_OPTION',
    /^support\.labels\[1\]: too large for float32; got 1e\+300/,
  );
});

test('dislikes under bpr move the scores; without a liked item they are refused', async () => {
  for (const loss of ['bpr', 'listwise'] as const) {
    const learner = await trained(['', LIKED, [{ name: 'item', dim: 4 }], mlp, { loss }, make('maml')]);
    const score = async (items: string[], labels: number[]) =>
      (await (await learner.adapt({ items, labels })).predict(['i2', 'i7', 'i9'])).join();
    assert.notEqual(await score(['i7', 'i2'], [1, 0]), await score(['i7'], [1]));
    await rejects(score(['i2'], [0]), 'INVALID_OPTION', /support\.labels.*at least one label 1/);
    const plain = await trained(['', LIKED, [{ name: 'item', dim: 4 }], mlp, { loss }, make('maml'), { negatives: 0 }]);
    await rejects(
      plain.adapt({ items: ['i2', 'i7'], labels: [0, 1] }),
      'INVALID_OPTION',
      /a label 1 before those that it is to be ranked above/,
    );
  }
});
