/** Ensembles: the mean of what their members predict, wherever a learner could stand. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { laplace, maml, mamo, ridge } from '../../lib/algorithms/registry.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import {
  createEnsemble,
  createLearner,
  defineAlgorithm,
  loadEnsemble,
  loadLearner,
  saveEnsemble,
  saveLearner,
} from '../../lib/index.js';
import type { Ensemble, Learner } from '../../lib/index.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { CATALOG, catalogData, everything, servedLearner } from '../fixtures/catalog.js';
import { refuses, rejects } from '../fixtures/typed-errors.js';

const SUPPORT = { items: [3, 8, 20], labels: [5, 1, 4] };
const folder = mkdtempSync(join(tmpdir(), 'innerloop-ensemble-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let learners: Promise<Learner[]> | undefined;
const members = () =>
  (learners ??= (async () => [
    await servedLearner({ algorithm: ridge(), rows: { center: 'bias' } }),
    await servedLearner({ algorithm: maml({ steps: 2 }), inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] }),
    await servedLearner({ algorithm: mamo({ steps: 1 }) }),
  ])());
const ensembled = async () => createEnsemble(await members());
const meanOf = (all: readonly Float64Array[]) =>
  all[0].map((_, i) => all.reduce((sum, each) => sum + each[i], 0) / all.length);
/** By the members one after the other. */
const expected = async (support = SUPPORT, items: readonly (string | number)[] = everything) =>
  meanOf(await Promise.all((await members()).map(async (m) => (await m.adapt(support)).predict(items))));

test('an ensemble predicts the mean of its members, measured and served', async () => {
  const ensemble = await ensembled();
  const me = await ensemble.adapt(SUPPORT);
  const scores = await me.predict(everything);
  assert.deepEqual(scores, await expected());
  const [one, two] = await ensemble.adaptMany([SUPPORT, { items: [5], labels: [2] }]);
  const near = (a: Float64Array, b: Float64Array) =>
    a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-5, `${value} and ${b[i]}`));
  near(await one.predict(everything), scores);
  near(await two.predict(everything), await expected({ items: [5], labels: [2] }));

  const { sets } = splitTasks(catalogData('mse'), {
    protocol: 'users',
    seed: 1,
    test: 0.5,
    tasks: { min: 8, query: 4 },
  });
  const outputs = await ensemble.outputs(sets.test, 'after');
  assert.deepEqual(outputs, meanOf(await Promise.all((await members()).map((m) => m.outputs(sets.test, 'after')))));
  const { methods, table } = await evaluate(ensemble, sets.test, { metrics: ['mae'] });
  assert.deepEqual(
    methods.map(({ method }) => method),
    ['ensemble of ridge, maml, mamo-like, not adapted', 'ensemble of ridge, maml, mamo-like'],
  );
  assert.deepEqual(methods[1].scores, outputs);
  assert.match(table.notes!.join(' '), /were trained on/, 'the members saw these users');
});

test('a list of an ensemble has the scores of predict, in their order', async () => {
  const me = await (await ensembled()).adapt(SUPPORT);
  const scores = await me.predict(everything);
  const ranked = [...everything].sort((a, b) => scores[b] - scores[a] || a - b);
  const asList = (items: number[]) => items.map((i) => ({ item: String(i), score: scores[i] }));
  assert.deepEqual(await me.recommend({ count: CATALOG, excludeSupport: false, minSupport: 0 }), asList(ranked));
  const free = ranked.filter((i) => !SUPPORT.items.includes(i));
  assert.deepEqual(await me.recommend({ count: 5, minSupport: 0 }), asList(free.slice(0, 5)));
  const drama = free.filter((i) => i % 2 === 1 && ![free[0]].includes(i));
  assert.deepEqual(
    await me.recommend({ count: 5, minSupport: 0, filter: { genres: { any: ['drama'] } }, exclude: [free[0]] }),
    asList(drama.slice(0, 5)),
  );
  assert.deepEqual(
    await me.recommend({ count: 2, among: [9, 5, 3] }),
    asList([9, 5].sort((a, b) => scores[b] - scores[a])),
  );
  const boosted = await me.recommend({ count: 1, minSupport: 0, boost: (item) => (item.item === '77' ? 100 : 0) });
  assert.deepEqual(boosted, asList([77]));
  assert.match(String((await me.recommend({ count: 3, columns: ['title'] }))[0].columns!['title']), /^Title /);
  const spread = await me.recommend({ count: 5, minSupport: 0, diversity: 0.9 });
  assert.equal(spread[0].item, String(free[0]), 'the first is the best');
  assert.notDeepEqual(spread, asList(free.slice(0, 5)));
  assert.deepEqual(await me.recommend({ filter: () => false }), []);
});

test('an ensemble explains, is updated, sent and saved, and says the same afterwards', async () => {
  const ensemble = await ensembled();
  const me = await ensemble.adapt(SUPPORT);
  const all = await Promise.all(me.members.map((member) => member.explain(50)));
  const why = await me.explain(50);
  assert.equal(why.length, 3);
  for (const { item, influence } of why) {
    const own = all.map((list) => list.find((each) => each.item === item)!.influence);
    assert.ok(Math.abs(influence - own.reduce((a, b) => a + b) / own.length) < 1e-9, item);
  }
  assert.ok(Math.abs(why[0].influence) >= Math.abs(why[2].influence));

  const more = { items: [...SUPPORT.items, 30], labels: [...SUPPORT.labels, 2] };
  const updated = await (await me.update(30, 2)).predict(everything);
  (await expected(more)).forEach((value, i) => assert.ok(Math.abs(value - updated[i]) < 1e-4, `item ${i}`));

  const sent = ensemble.restore(JSON.parse(JSON.stringify(me)));
  assert.deepEqual(await sent.predict(everything), await me.predict(everything));
  const file = join(folder, 'ensemble.safetensors');
  await saveEnsemble(ensemble, file);
  const loaded = await loadEnsemble(file);
  assert.equal(loaded.name, ensemble.name);
  const again = await loaded.adapt(SUPPORT);
  assert.deepEqual(await again.predict(everything), await me.predict(everything));
  again.dispose();
  await rejects(again.predict([1]), 'DISPOSED');
  loaded.dispose();
  await rejects(loaded.adapt(SUPPORT), 'DISPOSED');
});

test('files that hold something else are refused, and graphs are taken from the caller', async () => {
  const [first, second] = await members();
  const single = join(folder, 'single.safetensors');
  await saveLearner(first, single);
  await rejects(loadEnsemble(single), 'MODEL_FILE', /one learner/);
  const both = join(folder, 'both.safetensors');
  await saveEnsemble(createEnsemble([first, second]), both);
  await rejects(loadLearner(both), 'MODEL_FILE', /not a learner/);
  const bytes = readFileSync(both);
  bytes[bytes.length - 100] ^= 1;
  writeFileSync(join(folder, 'damaged.safetensors'), bytes);
  await rejects(loadEnsemble(join(folder, 'damaged.safetensors')), 'MODEL_FILE');
  await rejects(loadEnsemble(both, { algorithm: ridge() } as object), 'UNKNOWN_OPTION');

  const mean = defineAlgorithm({
    name: 'above',
    graph: (g) =>
      g.output(g.add(g.outputs('query'), g.meanRows(g.subtract(g.labels('support'), g.outputs('support'))))),
  });
  const own = await servedLearner({ algorithm: mean });
  const graphs = join(folder, 'graphs.safetensors');
  await saveEnsemble(createEnsemble([first, own]), graphs);
  await rejects(loadEnsemble(graphs), 'INVALID_OPTION', /graph/);
  const loaded: Ensemble = await loadEnsemble(graphs, { algorithms: [mean] });
  const scores = await (await loaded.adapt(SUPPORT)).predict([1, 2]);
  assert.deepEqual(scores, await (await createEnsemble([first, own]).adapt(SUPPORT)).predict([1, 2]));
});

test('what an ensemble cannot do is refused by name', async () => {
  const [first, second] = await members();
  const ensemble = createEnsemble([first, second]);
  refuses(() => createEnsemble([first]), 'INVALID_OPTION', /at least two/);
  refuses(() => createEnsemble([first, first]), 'INVALID_OPTION', /members\[1\].*twice/);
  refuses(() => createEnsemble([first, {} as Learner]), 'INVALID_OPTION', /members\[1\]/);
  refuses(() => createEnsemble(null as never), 'INVALID_OPTION', /members/);
  const logits = await servedLearner({ algorithm: laplace(), head: { loss: 'bce' } });
  refuses(() => createEnsemble([first, logits]), 'INVALID_OPTION', /members\[1\]\.model\.head\.loss/);
  const classes = await servedLearner({ algorithm: maml({ steps: 1 }), head: { loss: 'softmax', classes: 5 } });
  refuses(() => createEnsemble([classes, first]), 'UNSUPPORTED', /averaged/);
  const me = await ensemble.adapt(SUPPORT);
  await rejects(me.predict([1], { uncertainty: true }), 'UNSUPPORTED', /variance/);
  await rejects(me.recommend({ explore: true }), 'UNSUPPORTED', /explore/);
  await rejects(me.predict(['nowhere']), 'INVALID_OPTION', /items\[0\]/);
  await rejects(me.explain(1, { method: 'guess' } as object), 'INVALID_OPTION', /method/);
  await rejects(ensemble.outputs({} as never, 'after'), 'INVALID_OPTION');
  await rejects(evaluate({} as never, {} as never), 'INVALID_OPTION', /createEnsemble/);
  refuses(() => ensemble.restore({} as never), 'MODEL_FILE');
  refuses(() => ensemble.restore({ ...me.toJSON(), members: [] }), 'INVALID_OPTION', /json\.members/);
  const untrained = createLearner({ model: first.model, algorithm: ridge() });
  await rejects(createEnsemble([first, untrained]).adapt(SUPPORT), 'INVALID_OPTION', /catalog/);
  const grown = await servedLearner({ algorithm: ridge() });
  grown.addItems({ id: ['new'], features: {} });
  await rejects(createEnsemble([first, grown]).adapt(SUPPORT), 'INVALID_OPTION', /members\[1\].*other items/);
});
