/** What a learner may be asked while it is trained, and after: one training at a time, data that stays, models of its version. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { datasetFromColumns } from '../../lib/data/index.js';
import { describeInputs } from '../../lib/batch/features.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { train } from '../../lib/training/train.js';
import { trainStep } from '../../lib/training/train-step.js';
import { packTasks } from '../../lib/batch/batch.js';
import '../../lib/serving/adapt.js';
import { isTyped, learnerOf, make, rejects, run, tiny } from '../fixtures/family.js';

test('a second training of one learner is refused at once; when the first ends the learner is free', async () => {
  const learner = learnerOf(make('maml'));
  const [first, second] = await Promise.allSettled([
    run(learner, tiny.train, { epochs: 2 }),
    run(learner, tiny.train, { epochs: 2 }),
  ]);
  assert.equal(first.status, 'fulfilled');
  assert.ok(
    second.status === 'rejected' && isTyped(second.reason, 'INVALID_OPTION', /is being trained by another call/),
  );
  const alone = learnerOf(make('maml'));
  await run(alone, tiny.train, { epochs: 2 });
  assert.deepEqual(learner.parameters(), alone.parameters(), 'the refused one changed nothing');

  for await (const _ of train(learner, tiny.train, { epochs: 3 })) {
    const batch = packTasks(learner.model, [
      {
        support: { inputs: { item: [1], traits: [[0, 0, 0]] }, labels: [1] },
        query: { inputs: { item: [1], traits: [[0, 0, 0]] }, labels: [1] },
      },
    ]);
    await rejects(trainStep(learner, batch), 'INVALID_OPTION', /is being trained by another call/);
    break;
  }
  await run(learner, tiny.train, { epochs: 1 });
});

test('a later training counts epochs on, so that it draws anew', async () => {
  const learner = learnerOf(make('maml'));
  await run(learner, tiny.train, { epochs: 2 });
  const epochs: [number, number][] = [];
  for await (const report of train(learner, tiny.train, { epochs: 3, metaBatch: 8 }))
    epochs.push([report.epoch, report.epochs]);
  assert.deepEqual(epochs, [
    [3, 5],
    [4, 5],
    [5, 5],
  ]);
  assert.equal(learner.epochs, 5);
  const whole = learnerOf(make('maml'));
  await run(whole, tiny.train, { epochs: 5 });
  assert.deepEqual(learner.parameters(), whole.parameters(), 'as if the two had been one');
});

test('a personal model serves the learner that it was adapted from, and no later one', async () => {
  for (const name of ['maml', 'ridge', 'protoNets'] as const) {
    const learner = learnerOf(make(name));
    await run(learner, tiny.train, { epochs: 1 });
    const items = tiny.dataset.items.keys.values.slice(1, 4);
    const support = { items: items.slice(0, 2), labels: [5, 1] };
    const me = await learner.adapt(support);
    await me.predict(items);
    await run(learner, tiny.train, { epochs: 1 });
    const stale = /personalModel: was adapted before the learner was trained further.*adapt again/;
    await rejects(me.predict(items), 'DISPOSED', stale);
    await rejects(me.recommend(), 'DISPOSED', stale);
    await rejects(me.explain(items[0]), 'DISPOSED', stale);
    assert.throws(
      () => me.predictSync(items),
      (error: unknown) => isTyped(error, 'DISPOSED', stale),
    );
    await (await learner.adapt(support)).predict(items);
  }
});

const transfer = ({ buffer }: Int32Array) => void structuredClone(0, { transfer: [buffer as ArrayBuffer] });

test('data that is changed or transferred between epochs is noticed', async () => {
  const made = () => {
    const dataset = datasetFromColumns({
      user: Array.from({ length: 200 }, (_, i) => i % 20),
      item: Array.from({ length: 200 }, (_, i) => Math.floor(i / 20)),
      label: Array.from({ length: 200 }, (_, i) => 1 + ((i * 7) % 5)),
    });
    const split = splitTasks(dataset, { protocol: 'users', test: 0.2, tasks: { query: 3 } });
    const model = defineModel({
      inputs: describeInputs(dataset, [{ name: 'item', dim: 2 }], split.trainRows),
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'mse' },
    });
    return { dataset, tasks: split.sets['train'], learner: createLearner({ model, algorithm: make('maml') }) };
  };
  const disturbances: [RegExp, (of: ReturnType<typeof made>) => void][] = [
    [/tasks\.dataset\.label/, ({ dataset }) => (dataset.label[17] = 500)],
    [/tasks\.supportRows/, ({ tasks }) => (tasks.supportRows[3] = 0)],
    [/tasks\.queryRows/, ({ tasks }) => transfer(tasks.queryRows)],
    [/tasks\.dataset\.user/, ({ dataset }) => transfer(dataset.user)],
  ];
  for (const [field, disturb] of disturbances) {
    const of = made();
    const training = async () => {
      for await (const _ of train(of.learner, of.tasks, { epochs: 3 })) disturb(of);
    };
    const pattern = new RegExp(`${field.source}: was changed or transferred`);
    await rejects(training(), 'INVALID_DATA', pattern);
  }
});

test('a validation metric that no task defines is refused, whatever is kept', async () => {
  const dataset = datasetFromColumns({
    user: Array.from({ length: 200 }, (_, i) => i % 20),
    item: Array.from({ length: 200 }, (_, i) => Math.floor(i / 20)),
    // Of one user all are the same: no query has both.
    label: Float32Array.from({ length: 200 }, (_, i) => i % 2),
  });
  const split = splitTasks(dataset, { protocol: 'users', validation: 0.2, tasks: { query: 3 } });
  for (const keep of ['best', 'last'] as const) {
    const model = defineModel({
      inputs: describeInputs(dataset, [{ name: 'item', dim: 2 }], split.trainRows),
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'bce' },
    });
    const learner = createLearner({ model, algorithm: make('maml') });
    const { train: tasks, validation } = split.sets;
    await rejects(
      run(learner, tasks, { epochs: 6, validation, metric: 'auc', keep }),
      'INVALID_DATA',
      /train\.metric: is undefined for all 4 validation tasks.*auc.*Choose logloss/,
    );
  }
});

test('labels that are all the same are refused where there is nothing to learn, and ranked where there is', async () => {
  const dataset = datasetFromColumns({
    user: Array.from({ length: 200 }, (_, i) => i % 20),
    item: Array.from({ length: 200 }, (_, i) => (Math.floor(i / 20) * 3 + (i % 20)) % 40),
    label: new Float32Array(200).fill(1),
  });
  const split = splitTasks(dataset, { protocol: 'users', validation: 0.2, tasks: { query: 3 } });
  const { train: tasks, validation } = split.sets;
  const learnerOf = (loss: 'mse' | 'bce' | 'bpr') => {
    const model = defineModel({
      inputs: describeInputs(dataset, [{ name: 'item', dim: 2 }], split.trainRows),
      body: { kind: 'mlp', hidden: [] },
      head: { loss },
    });
    return createLearner({ model, algorithm: make('maml') });
  };
  for (const loss of ['mse', 'bce'] as const)
    await rejects(run(learnerOf(loss), tasks, { epochs: 1 }), 'INVALID_DATA', /every label is 1.*bpr or listwise/);
  const learner = learnerOf('bpr');
  await rejects(run(learner, tasks, { epochs: 1, validation, metric: 'mae' }), 'INVALID_OPTION', /train\.metric/);
  const values: number[] = [];
  for await (const report of train(learner, tasks, { epochs: 2, validation })) values.push(report.validation!);
  const { methods } = await evaluate(learner, validation, { metrics: ['ndcg@10'] });
  assert.ok(values.every((value) => value > 0 && value < 1));
  const last = methods[1].metrics['ndcg@10'].mean;
  assert.ok(values.includes(last), `the kept epoch measures ${last}, validation said ${values.join(', ')}`);
});

test('weights that are none are refused with their row, and so are weights that are all 0', async () => {
  const source = {
    user: Array.from({ length: 60 }, (_, i) => i % 6),
    item: Array.from({ length: 60 }, (_, i) => Math.floor(i / 6)),
    label: Array.from({ length: 60 }, (_, i) => 1 + (i % 5)),
  };
  for (const w of [-1, NaN, Infinity])
    assert.throws(
      () => datasetFromColumns({ ...source, weight: source.label.map((_, row) => (row === 7 ? w : 1)) }),
      (error: unknown) => isTyped(error, 'INVALID_DATA', /weight: not a weight in row 8/),
    );
  const weighted = datasetFromColumns({ ...source, weight: source.label });
  assert.deepEqual([...weighted.weight!], source.label);
  for (const [w, message] of [
    [-1, /dataset\.weight\[\d+\]: row \d+ has no valid weight; got -1/],
    [NaN, /row \d+ has no valid weight; got NaN/],
    [Infinity, /row \d+ has no valid weight; got Infinity/],
    [0, /every weight is 0/],
  ] as const) {
    const dataset = { ...weighted, weight: new Float32Array(60).fill(w) };
    const trained = async () => {
      const split = splitTasks(dataset, { protocol: 'users', test: 0.2, tasks: { query: 3 } });
      const inputs = describeInputs(dataset, [{ name: 'item', dim: 2 }], split.trainRows);
      const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [] }, head: { loss: 'mse' } });
      await run(createLearner({ model, algorithm: make('maml') }), split.sets['train']);
    };
    await rejects(trained(), 'INVALID_DATA', message);
  }
});
