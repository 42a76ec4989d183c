/** A learner keeps the split that it was trained with: what its data becomes later moves no user from one set to another. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { fitBaselines } from '../../lib/baselines/index.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { random } from '../../lib/foundation/random.js';
import { createLearner, growSplit, splitAsTrained } from '../../lib/learner/index.js';
import { defineModel } from '../../lib/model/model.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { buildTasks, splitTasks } from '../../lib/tasks/index.js';
import type { SplitOptions } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { make, path } from '../fixtures/family.js';
import { throws } from '../fixtures/interactions.js';

interface Table {
  user: string[];
  item: string[];
  label: number[];
  time: number[];
  prices: Record<string, number>;
}

function table(): Table {
  const stream = random(3, 'split test');
  const all: Table = { user: [], item: [], label: [], time: [], prices: {} };
  for (let i = 0; i < 30; i++) all.prices[`i${i}`] = 3 * i + 0.1;
  for (let u = 0; u < 60; u++)
    for (const i of stream.shuffle(Int32Array.from({ length: 30 }, (_, k) => k)).subarray(0, 12))
      add(all, `u${u}`, `i${i}`, 1 + ((u * 3 + i * 5 + stream.below(2)) % 5));
  return all;
}
function add(to: Table, user: string, item: string, label: number): void {
  to.user.push(user);
  to.item.push(item);
  to.label.push(label);
  // Users take turns; what is added after the first 720 rows is later.
  to.time.push(to.time.length < 720 ? (to.time.length * 61) % 720 : to.time.length);
}
const opened = ({ prices, ...rows }: Table) =>
  datasetFromColumns({
    ...rows,
    itemFeatures: {
      id: Object.keys(prices),
      features: {
        price: { kind: 'dense', values: Object.values(prices) },
        kind: { kind: 'categorical', values: Object.keys(prices).map((id) => `kind ${Number(id.slice(1)) % 4}`) },
      },
    },
  });

/** As time goes: more of the old users, users that sort before and between them, and an item dearer than all. */
function grown(dearest = 100_000): Table {
  const later = table();
  later.prices = { a0: dearest, ...later.prices, i99: 5 };
  for (let u = 0; u < 60; u += 3) add(later, `u${u}`, u % 2 === 0 ? 'a0' : 'i99', 3);
  for (let k = 0; k < 20; k++) for (let i = 0; i < 12; i++) add(later, `a${k}`, `i${(k + i) % 30}`, 1 + ((k + i) % 5));
  for (let i = 0; i < 12; i++) add(later, 'u5b', `i${i}`, 2);
  return later;
}

const tasks = { min: 6, query: 4 };
const SPLITS: SplitOptions[] = [
  { protocol: 'users', validation: 0.15, test: 0.2, seed: 5, tasks },
  {
    protocol: 'partitions',
    newUsers: { fraction: 0.3 },
    newItems: { fraction: 0.3 },
    warm: 0.3,
    seed: 5,
    tasks: { min: 3, query: 1 },
  },
  { protocol: 'time', validation: 0.1, test: 0.2, seed: 5, tasks: { min: 2, query: 1 } },
  { protocol: 'tasks', test: 0.2, seed: 5, tasks: { by: { column: 'kind' }, query: 10 } },
  { protocol: 'tasks', test: 0.2, seed: 5, tasks: { by: 'item', query: 5 } },
];

async function learnerOn(dataset: ReturnType<typeof opened>, options: SplitOptions) {
  const split = splitTasks(dataset, options);
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 3 }, { name: 'price' }], split.trainRows);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [4] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: make('maml'), seed: 1 });
  for await (const _ of train(learner, split.sets['train'], { epochs: 1 })) continue;
  const file = path();
  await saveLearner(learner, file);
  return { split, learner, file };
}

for (const options of SPLITS)
  test(`${options.protocol}, ${JSON.stringify(options.tasks.by ?? 'user')}: a grown table is divided and measured as it was`, async () => {
    const dataset = opened(table());
    const { split, learner, file } = await learnerOn(dataset, options);
    const now = opened(grown());
    const again = splitAsTrained(now, await loadLearner(file));
    assert.deepEqual(Object.keys(again.sets), Object.keys(split.sets));
    const measured = async (of: typeof split, by: typeof learner, set: string, data: typeof dataset) => {
      const baselines = await fitBaselines(data, of.trainRows);
      const metrics = ['mae', 'ndcg@3', 'coverage@5'];
      return (await evaluate(by, of.sets[set], { metrics, baselines, trainRows: of.trainRows })).table;
    };
    for (const set of Object.keys(split.sets)) {
      if (set === 'train' || split.sets[set].size === 0) continue;
      assert.deepEqual(again.sets[set].keys, split.sets[set].keys, set);
      const before = await measured(split, learner, set, dataset);
      assert.deepEqual(await measured(again, await loadLearner(file), set, again.dataset), before, set);
    }
    assert.ok(
      again.notes.some((note) => /^\d+ rows are newer/.test(note)),
      again.notes.join('; '),
    );
    assert.ok(
      again.notes.includes('21 users are newer than the split and in none of its sets'),
      again.notes.join('; '),
    );
    const drawn = splitTasks(now, options);
    if (options.protocol === 'users')
      assert.notDeepEqual(drawn.sets['test'].keys, split.sets['test'].keys, 'drawn anew, others would be tested');
  });

for (const options of SPLITS)
  test(`${options.protocol}, ${JSON.stringify(options.tasks.by ?? 'user')}: a learner goes on with a grown table, and keeps who is tested`, async () => {
    const { split, file } = await learnerOn(opened(table()), options);
    const learner = await loadLearner(file);
    // What is far from all prices before makes gradient steps diverge.
    const now = opened(grown(120));
    const more = growSplit(now, learner);
    assert.deepEqual(more.since, { rows: 20 + 20 * 12 + 12, users: 21, changed: 0 });
    assert.deepEqual(Object.keys(more.sets), Object.keys(split.sets));
    const { sets } = more;
    const idsOf = (of: typeof split, set: string) => of.sets[set].keys;
    // Who was tested is tested, and whoever is new is trained on where tasks are users.
    if (options.protocol === 'users') {
      assert.deepEqual(idsOf(more, 'test'), idsOf(split, 'test'));
      assert.ok(['a0', 'a19', 'u5b'].every((user) => idsOf(more, 'train').includes(user)));
    }
    const asked = { epochs: 2, ...(sets['validation'] && { validation: sets['validation'] }) };
    const reports: number[] = [];
    for await (const { epoch } of train(learner, sets['train'], asked)) reports.push(epoch);
    assert.deepEqual(reports, [2, 3], 'epochs are counted on');
    assert.ok(learner.catalog!.items.keys.idOf('a0') > 0);
    const saved = path();
    await saveLearner(learner, saved);
    const loaded = await loadLearner(saved);
    const again = splitAsTrained(now, loaded);
    assert.doesNotMatch(again.notes.join(), /newer than|other rows/);
    assert.equal(growSplit(now, loaded).since.rows, 0);
    for (const set of Object.keys(sets)) {
      assert.deepEqual(idsOf(again, set), idsOf(more, set), set);
      if (set === 'train' || sets[set].size === 0) continue;
      const measured = async (of: typeof more | typeof again, by: typeof learner) => {
        const baselines = await fitBaselines(of.dataset, of.trainRows);
        const metrics = ['mae', 'ndcg@3', 'coverage@5'];
        return (await evaluate(by, of.sets[set], { metrics, baselines, trainRows: of.trainRows })).table;
      };
      assert.deepEqual(await measured(again, loaded), await measured(more, learner), set);
    }
  });

test('a user whose rows were changed keeps the set, and is named; other data is refused', async () => {
  const dataset = opened(table());
  const { split, learner } = await learnerOn(dataset, SPLITS[0]);
  const other = table();
  const [changed] = split.sets['test'].keys;
  other.label[other.user.indexOf(changed)] = 3;
  const again = splitAsTrained(opened(other), learner);
  assert.deepEqual(again.sets['test'].keys, split.sets['test'].keys);
  assert.match(again.notes.join(), /1 users have other rows than when the split was made/);
  const strangers = table();
  strangers.user = strangers.user.map((user) => `other ${user}`);
  throws(() => splitAsTrained(opened(strangers), learner), 'INVALID_DATA', /holds no user of the split/);
});

test('evaluate names test users that the learner was trained on', async () => {
  const dataset = opened(table());
  const { split, learner, file } = await learnerOn(dataset, SPLITS[0]);
  const notesOf = async (by: typeof learner, set: (typeof split.sets)[string]) =>
    (await evaluate(by, set, { metrics: ['mae'] })).table.notes ?? [];
  const other = splitTasks(dataset, { ...SPLITS[0], seed: 6 }).sets['test'];
  const trained = other.keys.filter((id) => split.sets['train'].keys.includes(id));
  assert.ok(trained.length > 4 && trained.length < other.size);
  for (const one of [learner, await loadLearner(file)]) {
    const [note] = await notesOf(one, other);
    assert.ok(note.startsWith(`${trained.length} of ${other.size} users were trained on (${trained[0]}, `), note);
    assert.deepEqual(await notesOf(one, splitAsTrained(dataset, one).sets['test']), []);
  }
  assert.deepEqual(await notesOf(learner, split.sets['test']), []);
  assert.deepEqual(await notesOf(learner, split.sets['train']), [], 'who asks for the training set knows');
});

test('tasks that no split has made leave none to keep', async () => {
  const dataset = opened(table());
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 2 }], Int32Array.of(0, 1));
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: make('maml') });
  for await (const _ of train(learner, buildTasks(dataset, tasks), { epochs: 1 })) continue;
  throws(() => splitAsTrained(dataset, learner), 'INVALID_OPTION', /keeps no split/);
});

test('one dear item more does not move what is measured of the others', async () => {
  const dataset = opened(table());
  const { split, learner } = await learnerOn(dataset, SPLITS[0]);
  const dearer = table();
  dearer.prices = { ...dearer.prices, i98: 100_000 };
  const now = opened(dearer);
  // The same draws: users and rows are the same, and an item sorts last.
  const then = await evaluate(learner, split.sets['test'], { metrics: ['mae'] });
  const later = await evaluate(learner, splitTasks(now, SPLITS[0]).sets['test'], { metrics: ['mae'] });
  assert.deepEqual(later.methods[1].scores, then.methods[1].scores);
});
