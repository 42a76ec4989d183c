/** An ensemble behind the service: the same answers as in the library, and what it cannot do refused. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml, ridge } from '../../lib/algorithms/registry.js';
import { createEnsemble, saveEnsemble } from '../../lib/index.js';
import { servedLearner } from '../fixtures/catalog.js';
import { noSqlite, path, started } from '../fixtures/served.js';
import { rejects } from '../fixtures/typed-errors.js';

const INPUTS = [{ name: 'item', dim: 4 }, { name: 'genres', dim: 2 }, { name: 'age' }];
const RATED = [
  { item: '3', value: 5 },
  { item: '8', value: 1 },
  { item: '20', value: 4 },
];

test('an ensemble is served: lists, scores, reasons, questions, history, new items', { skip: noSqlite }, async () => {
  const ensemble = createEnsemble([
    await servedLearner({ algorithm: ridge(), inputs: INPUTS }),
    await servedLearner({ algorithm: maml({ steps: 2 }), inputs: INPUTS }),
  ]);
  const model = path('safetensors');
  await saveEnsemble(ensemble, model);
  const { client, close } = await started({ model });
  try {
    const me = await ensemble.adapt({ items: ['3', '8', '20'], labels: [5, 1, 4] });
    const session = { interactions: RATED };
    const ids = ['1', '2', '50'];
    const scores = Array.from(await me.predict(ids));
    assert.deepEqual((await client.predict({ ...session, items: ids })).scores, scores);
    const both = await client.predictMany({ people: [session, { interactions: [] }], items: ids });
    assert.deepEqual(both.scores[0], scores);
    const list = await client.recommend({ ...session, count: 5 });
    assert.deepEqual(
      list.items.map(({ item, score }) => ({ item, score })),
      await me.recommend({ count: 5 }),
    );
    const { why } = await client.explain({ ...session, item: '50' });
    assert.deepEqual(
      why.map(({ item, influence }) => ({ item, influence })),
      (await me.explain('50')).map(({ item, influence }) => ({ item, influence })),
    );
    assert.equal((await client.questions({ ...session, count: 2 })).questions.length, 2);
    await client.interact({ interactions: RATED.map((each) => ({ user: 'u', ...each })) });
    assert.deepEqual((await client.predict({ user: 'u', items: ids })).scores, scores, 'of the history');
    await client.putItem('new', { features: { genres: ['drama'], year: 2020 } });
    const [added] = (await client.predict({ ...session, items: ['new'] })).scores;
    assert.ok(typeof added === 'number' && Number.isFinite(added));
    await assert.rejects(client.predict({ ...session, items: ids, uncertainty: true }), /variance/);
    await assert.rejects(client.recommend({ ...session, explore: true }), /posterior/);
  } finally {
    await close();
  }
});

test('members that read other inputs are refused where they would be served', async () => {
  const model = path('safetensors');
  await saveEnsemble(
    createEnsemble([
      await servedLearner({ algorithm: ridge(), inputs: INPUTS }),
      await servedLearner({ algorithm: ridge(), inputs: INPUTS.slice(0, 2) }),
    ]),
    model,
  );
  await rejects(started({ model, state: 'none' }), 'INVALID_OPTION', /member 1.*other inputs/);
});
