/** Tasks that do not fit their model are refused by task, part, input and row; buffers of any kind read as what they show. */
import { test } from 'tap';
import type { ModelSpec, TaskExample } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { identical } from '../fixtures/random-model.js';
import { SPEC, model, params, task, inner, edit, refuses, rejects } from '../fixtures/small-model.js';

const BAD_IDS = [-1, 5, 0.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 1, 1e300, '1', null, undefined, 1n];

test('a bad task is refused by task, part, input and row', async () => {
  const pack = (path: (string | number)[], value: unknown) => () =>
    packTasks(model, [task(), edit(task(), path, value)]);
  refuses(() => packTasks(model, []), 'EMPTY_DATA', 'tasks');
  refuses(() => packTasks(model, {} as TaskExample[]), 'INVALID_OPTION', 'tasks');
  refuses(() => packTasks({} as Model, [task()]), 'INVALID_OPTION', 'model');
  refuses(() => packTasks(model, [null as unknown as TaskExample]), 'INVALID_OPTION', 'tasks[0]');
  refuses(pack(['suport'], {}), 'UNKNOWN_OPTION', 'tasks[1].suport', /did you mean support\?/);
  refuses(pack(['query'], undefined), 'INVALID_OPTION', 'tasks[1].query');
  refuses(pack(['query', 'label'], [1]), 'UNKNOWN_OPTION', 'tasks[1].query.label', /did you mean labels\?/);
  refuses(pack(['query', 'labels'], undefined), 'INVALID_OPTION', 'tasks[1].query.labels');
  refuses(pack(['query', 'labels'], [1]), 'INVALID_OPTION', 'tasks[1].query.inputs.x', /2 rows/);
  refuses(pack(['query'], { inputs: { x: [], item: [], tags: [] }, labels: [] }), 'EMPTY_DATA', 'tasks[1].query');
  for (const y of [NaN, Infinity, -Infinity, '1', null, undefined, {}])
    refuses(pack(['support', 'labels', 0], y), 'INVALID_OPTION', 'tasks[1].support.labels[0]');
  refuses(pack(['query', 'inputs'], undefined), 'INVALID_OPTION', 'tasks[1].query.inputs');
  refuses(pack(['query', 'inputs', 'tag'], []), 'UNKNOWN_OPTION', 'tasks[1].query.inputs.tag', /did you mean tags\?/);
  refuses(pack(['query', 'inputs', 'item'], undefined), 'INVALID_OPTION', 'tasks[1].query.inputs.item', /missing/);
  refuses(pack(['query', 'inputs', 'item'], '12'), 'INVALID_OPTION', 'tasks[1].query.inputs.item');
  refuses(pack(['query', 'inputs', 'item'], [1, 2, 3]), 'INVALID_OPTION', 'tasks[1].query.inputs.item', /has 3 rows/);
  refuses(pack(['query', 'inputs', 'x', 1], [1]), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1]', /has 1 values/);
  refuses(pack(['query', 'inputs', 'x', 1], 3), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1]');
  refuses(pack(['query', 'inputs', 'x', 1, 0], NaN), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1][0]');
  refuses(pack(['query', 'inputs', 'x', 1, 0], -Infinity), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1][0]');
  refuses(pack(['query', 'inputs', 'tags', 0], 2), 'INVALID_OPTION', 'tasks[1].query.inputs.tags[0]');
  for (const id of BAD_IDS) {
    refuses(
      () => packTasks(model, [edit(task(), ['query', 'inputs', 'item'], [0, id])]),
      'INVALID_OPTION',
      'tasks[0].query.inputs.item[1]',
    );
    refuses(
      () => packTasks(model, [edit(task(), ['query', 'inputs', 'tags'], [[], [0, id === 5 ? 4 : id]])]),
      'INVALID_OPTION',
      'tasks[0].query.inputs.tags[1][1]',
    );
  }
});

test('an array-like of a bad length is refused', async () => {
  for (const length of [-1, 0.5, NaN, 2 ** 53, 1e300, Infinity]) {
    const rows = {
      inputs: { x: { length }, item: { length }, tags: { length } },
      labels: { length },
    } as unknown as TaskExample['query'];
    refuses(() => packTasks(model, [{ support: rows, query: task().query }]), 'INVALID_OPTION', undefined);
  }
});

test('labels must fit the loss', async () => {
  const labelled = (head: ModelSpec['head'], y: number) => () => {
    const own = defineModel({ ...SPEC, head });
    return packTasks(own, [edit(task(), ['query', 'labels'], [0, y])]);
  };
  for (const y of [-0.1, 1.1, 2])
    refuses(labelled({ loss: 'bce' }, y), 'INVALID_OPTION', 'tasks[0].query.labels[1]', /probability/);
  for (const y of [-1, 3, 0.5, 1e300])
    refuses(labelled({ loss: 'softmax', classes: 3 }, y), 'INVALID_OPTION', 'tasks[0].query.labels[1]', /class/);
  labelled({ loss: 'bce' }, 0.25)();
  labelled({ loss: 'softmax', classes: 3 }, 2)();
});

test('a detached buffer reads as empty, a view at an offset and shared memory as what they show', async () => {
  const detached = new Float64Array([1, 2]);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  refuses(
    () =>
      packTasks(
        model,
        [edit(task(), ['query', 'labels'], undefined)].map((t) => ({ ...t, query: { ...t.query, labels: detached } })),
      ),
    'EMPTY_DATA',
    'tasks[0].query',
  );
  const gone = { ...params, 'mlp.2.bias': { shape: [1], data: Float32Array.of(1) } };
  structuredClone(gone['mlp.2.bias'].data.buffer, { transfer: [gone['mlp.2.bias'].data.buffer] });
  await rejects(
    metaGradient(model, gone, packTasks(model, [task()]), inner),
    'INVALID_OPTION',
    'params.mlp.2.bias.data',
    /holds 0 values/,
  );

  const shared = (values: ArrayLike<number>) => {
    const view = new Float32Array(new SharedArrayBuffer(4 * values.length + 12), 8, values.length);
    view.set(values);
    return view;
  };
  const offset = (values: ArrayLike<number>) => {
    const view = new Float32Array(new ArrayBuffer(4 * values.length + 12), 4, values.length);
    view.set(values);
    return view;
  };
  const expected = await metaGradient(model, params, packTasks(model, [task()]), inner);
  for (const view of [shared, offset]) {
    const viewed = Object.fromEntries(
      Object.entries(params).map(([name, { shape, data }]) => [name, { shape, data: view(data) }]),
    );
    const { support, query } = task();
    const batch = packTasks(model, [
      { support, query: { inputs: { ...query.inputs, item: view([1, 4]) }, labels: view([1, 2]) } },
    ]);
    identical((await metaGradient(model, viewed, batch, inner)).gradient, expected.gradient, view.name);
  }
});
