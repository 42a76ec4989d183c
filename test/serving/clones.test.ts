/** What has methods and memory of the core is no plain data: a clone of it, as postMessage makes, is refused with what to do instead. */
import assert from 'node:assert/strict';
import { MessageChannel } from 'node:worker_threads';
import { test } from 'tap';
import {
  adam,
  buildTasks,
  createEnsemble,
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  InnerloopError,
  maml,
  packTasks,
  residentParameters,
  taskSource,
  train,
} from '../../lib/index.js';

const users = Array.from({ length: 40 }, (_, r) => `u${Math.floor(r / 8)}`);
const dataset = datasetFromColumns({
  user: users,
  item: users.map((_, r) => `i${r % 8}`),
  label: users.map((_, r) => 1 + (r % 5)),
});

test('clones of models, learners, people, datasets and tasks are refused', async () => {
  const tasks = buildTasks(dataset, { query: 2 });
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 2 }], Int32Array.from(dataset.label.keys()));
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [3] }, head: { loss: 'mse' } });
  const learners = [1, 2].map((seed) => createLearner({ model, algorithm: maml({ adapt: ['mlp.1.*'] }), seed }));
  for (const learner of learners) for await (const epoch of train(learner, tasks, { epochs: 1 })) void epoch;
  const ensemble = createEnsemble(learners);
  const support = { items: ['i1', 'i2'], labels: [2, 3] };
  const parameters = learners[0].parameters();
  const batch = packTasks(model, [
    { support: { inputs: { item: [1] }, labels: [1] }, query: { inputs: { item: [2] }, labels: [1] } },
  ]);
  const refused: [object, field: string, remedy: RegExp][] = [
    [model, 'model', /defineModel\(spec\)/],
    [learners[0], 'learner', /saveLearner.*loadLearner/],
    [ensemble, 'ensemble', /saveEnsemble.*loadEnsemble/],
    [await learners[0].adapt(support), 'personalModel', /me\.toJSON\(\).*learner\.restore/],
    [await ensemble.adapt(support), 'personalModel', /me\.toJSON\(\).*ensemble\.restore/],
    [dataset, 'dataset', /openDataset/],
    [tasks, 'dataset', /openDataset/],
    [taskSource(tasks), 'dataset', /openDataset/],
    [batch, 'batch', /packTasks/],
    [residentParameters(model, parameters), 'params', /residentParameters/],
  ];
  const { port1, port2 } = new MessageChannel();
  for (const [object, field, remedy] of refused)
    for (const clone of [
      () => structuredClone(object) as unknown,
      () => structuredClone([{ deep: object }]) as unknown,
      () => port1.postMessage({ object }),
    ])
      assert.throws(clone, (error: unknown) => {
        assert.ok(error instanceof InnerloopError, String(error));
        assert.deepEqual([error.code, error.field], ['UNSUPPORTED', field]);
        assert.match(error.message, remedy);
        return true;
      });
  port1.close();
  port2.close();
  // What is plain stays plain.
  assert.deepEqual(structuredClone(parameters), parameters);
  assert.deepEqual(structuredClone(model.spec), model.spec);
  assert.deepEqual(structuredClone(adam()), adam());
});
