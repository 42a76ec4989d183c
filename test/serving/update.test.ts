/** An update of a ridge regression takes its row alone, and is what adapting to all rows is. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml, ridge } from '../../lib/algorithms/registry.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { random } from '../../lib/foundation/random.js';
import { PersonalModel } from '../../lib/serving/personal-model.js';
import { selectionOf } from '../../lib/serving/person.js';
import { packSupport } from '../../lib/serving/support.js';
import type { Support } from '../../lib/serving/support.js';
import { everything, servedLearner } from '../fixtures/catalog.js';
import type { Served } from '../fixtures/catalog.js';

/** Nine weights: up to nine rows the system is solved in its dual form, and then no more. */
const KINDS: [string, Served, Omit<Support, 'items' | 'labels'>][] = [
  ['plain', { algorithm: ridge() }, {}],
  ['full covariance', { algorithm: ridge({ covariance: 'full' }) }, {}],
  ['labels centred on biases', { algorithm: ridge(), rows: { center: 'bias' } }, {}],
  ['full covariance on biases', { algorithm: ridge({ covariance: 'full' }), rows: { center: 'bias' } }, {}],
  ['a user of the table', { algorithm: ridge(), inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] }, { user: 'u7' }],
  [
    'a user by features',
    { algorithm: ridge(), inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] },
    { features: { age: 9 } },
  ],
  [
    'a prior mean by profile, which adapts anew',
    { algorithm: ridge({ profile: ['age', 'item'] }), inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] },
    { user: 'u7' },
  ],
  ['clipped labels', { algorithm: ridge() }, { outside: 'clip' }],
];

async function compare(updated: PersonalModel, anew: PersonalModel, tolerance: number, what: string): Promise<void> {
  const [a, b] = [updated, anew].map((me) => me.predict(everything.slice(0, 60), { uncertainty: true }));
  const [x, y] = [await a, await b];
  for (const part of ['mean', 'variance'] as const)
    x[part].forEach((value, i) =>
      assert.ok(Math.abs(value - y[part][i]) <= tolerance, `${what}: ${part} ${value} is not ${y[part][i]}`),
    );
}

for (const [name, served, rest] of KINDS) {
  test(`a sequence of updates is adapting to all, to 1e-10 in float64: ${name}`, async () => {
    const learner = await servedLearner({ ...served, precision: 'float64' });
    for (const start of [0, 3, 12]) {
      const stream = random(1, `update.${name}`, start);
      const rating = () => 1 + stream.below(rest.outside === undefined ? 5 : 9);
      const items = Array.from({ length: start }, (_, k) => k * 31);
      const labels = items.map(rating);
      let me = await learner.adapt({ ...rest, items, labels });
      for (let step = 0; step < 24; step++) {
        // One in four gives an item of before another label.
        const isNew = step % 4 !== 3;
        const item = isNew ? 400 + step : items[stream.below(items.length)];
        const y = rating();
        if (!isNew) {
          const at = items.indexOf(item);
          items.splice(at, 1);
          labels.splice(at, 1);
        }
        items.push(item);
        labels.push(y);
        me = await me.update(item, y);
        if (step % 3 !== 0) continue;
        await compare(me, await learner.adapt({ ...rest, items, labels }), 1e-10, `after ${step + 1}`);
        // What was stored goes on from there.
        if (step === 12) me = learner.restore(JSON.parse(JSON.stringify(me)) as ReturnType<typeof me.toJSON>);
      }
      assert.deepEqual(me.toJSON().support.items, items);
    }
  });
}

test('a row that is replaced has its weight, and unknown items are reported', async () => {
  const learner = await servedLearner({ algorithm: ridge(), precision: 'float64' });
  const before = await learner.adapt({ items: [1, 2, 3], labels: [1, 5, 3], weights: [1, 3, 0] });
  const updated = await (await before.update(2, 1)).update(9, 4);
  const anew = await learner.adapt({ items: [1, 3, 2, 9], labels: [1, 3, 1, 4], weights: [1, 0, 1, 1] });
  await compare(updated, anew, 1e-10, 'weights');
  const unknown = await updated.update('unheard of', 5);
  assert.deepEqual(unknown.unknown.items, ['unheard of']);
  await compare(unknown, anew, 1e-10, 'unknown');
});

test('ten thousand updates in float32 stay what adapting to all rows is', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  let me = await learner.adapt({ items: [1], labels: [5] });
  const latest = new Map([[1, 5]]);
  const stream = random(2, 'update');
  for (let step = 0; step < 10_000; step++) {
    const [item, y] = [stream.below(200), 1 + stream.below(5)];
    latest.set(item, y);
    me = await me.update(item, y);
  }
  const anew = await learner.adapt({ items: [...latest.keys()], labels: [...latest.values()] });
  await compare(me, anew, 2e-5, 'at the end');
});

test('an update is checked as a support set is', async () => {
  for (const algorithm of [ridge(), maml()]) {
    const me = await (await servedLearner({ algorithm })).adapt({ items: [1], labels: [5] });
    const refuses = (call: () => Promise<unknown>) =>
      assert.rejects(call, (error) => error instanceof InnerloopError && error.code === 'INVALID_OPTION');
    await refuses(() => me.update(2, NaN));
    await refuses(() => me.update(2, 500));
    await refuses(() => me.update('', 5));
    await refuses(() => me.update(null as unknown as string, 5));
    await refuses(() => me.update(2, 5, { context: { season: 1 } }));
    await refuses(() => me.update(2, 5, { signal: 1 as unknown as AbortSignal }));
  }
});

test('an update of bytes that were changed on the way is refused, or gives numbers', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const me = await (await learner.adapt({ items: [1, 2, 3], labels: [5, 1, 4] })).update(7, 2);
  const person = PersonalModel.personOf(me);
  const { model } = learner;
  const { packed } = packSupport(learner, person.catalog, { items: [9], labels: [3] });
  const call = { ...learner.call(packed), selection: selectionOf(learner), shift: 0 };
  const stream = random(3, 'update.bytes');
  let refused = 0;
  for (let trial = 0; trial < 2000; trial++) {
    const bytes = person.certain!.slice(0, trial % 5 === 0 ? stream.below(person.certain!.length) : undefined);
    if (trial % 5 !== 0) bytes[stream.below(bytes.length)] = stream.below(256);
    try {
      await model.ops.updateAdapted({ ...call, adapted: [bytes] });
    } catch (error) {
      refused++;
      assert.match((error as { code: string }).code, /INVALID_OPTION|DIVERGED/);
    }
  }
  assert.ok(refused > 400, `${refused} of 2000 were refused`);
  const two = packSupport(learner, person.catalog, { items: [9, 10], labels: [3, 4] }).packed;
  for (const adapted of [person.adapted!, person.certain!])
    assert.throws(
      () =>
        model.ops.updateAdapted({
          ...call,
          ...learner.call(adapted === person.adapted ? packed : two),
          adapted: [adapted],
        }),
      /row/,
    );
});
