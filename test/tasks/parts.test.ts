/** Splits that the data prescribes: a column of train and test, of support and query, or of both. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { parseConfig } from '../../lib/cli/config.js';
import { prepare, trainingTasks } from '../../lib/cli/pipeline.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import {
  adam,
  buildTasks,
  createLearner,
  defineModel,
  describeInputs,
  redrawQuery,
  ridge,
  splitTasks,
  train,
} from '../../lib/index.js';
import type { SplitOptions } from '../../lib/index.js';
import { file, folder, open, throws } from '../fixtures/interactions.js';

/** A dataset of rows `user item part`, with the row's number as its label. */
const dataset = (rows: string): Promise<Dataset> =>
  open({
    interactions: {
      from: file(
        `u,i,s,r\n${rows
          .trim()
          .split(/\s*\n\s*/)
          .map((row, k) => `${row.replaceAll(' ', ',')},${k}\n`)
          .join('')}`,
      ),
      user: 'u',
      item: 'i',
      label: 'r',
      part: 's',
    },
  });
/** `user: support > query` of each task. */
const shown = (tasks: TaskSet): string[] =>
  tasks.keys.map((key, t) => {
    const rows = (of: Int32Array, offsets: Int32Array) => [...of.subarray(offsets[t], offsets[t + 1])].join(' ');
    return `${key}: ${rows(tasks.supportRows, tasks.supportOffsets)} > ${rows(tasks.queryRows, tasks.queryOffsets)}`;
  });
const split = (of: Dataset, more: Partial<SplitOptions> = {}, query: unknown = 1) =>
  splitTasks(of, { protocol: 'parts', tasks: { query }, ...more } as SplitOptions);

test('train and test: what is asked in the test are its rows, from those before', async () => {
  const d = await dataset(`1 a train
    1 b Train
    1 c test
    2 a train
    2 b train
    2 c valid
    2 d test
    3 a test
    3 b test`);
  const { sets, trainRows, rows, notes } = split(d);
  assert.deepEqual([...trainRows], [0, 1, 3, 4]);
  assert.deepEqual(shown(sets['validation']), ['2: 3 4 > 5']);
  assert.deepEqual(shown(sets['test']), ['1: 0 1 > 2', '2: 3 4 5 > 6']);
  assert.deepEqual([...rows['test']], [2, 6, 7, 8]);
  assert.match(notes.join(), /test: 1 users left out: no row before/);
  assert.equal(sets['train'].size, 2);
  assert.deepEqual(shown(split(d, { tasks: { query: 1, support: 1 } }).sets['validation'])[0].split(' ').length, 4);
});

test('train and test of different users: the test divides its own rows; validation is drawn from the trained users', async () => {
  const d = await dataset(
    [1, 2, 3, 4].map((u) => ['a', 'b', 'c'].map((i) => `${u} ${i} ${u < 4 ? 'train' : 'test'}`).join('\n')).join('\n'),
  );
  const { sets, trainRows } = split(d, { validation: 0.34 });
  assert.deepEqual([sets['train'].size, sets['validation'].size, sets['test'].keys], [2, 1, ['4']]);
  assert.equal(trainRows.length, 6);
  const held = sets['validation'].users[0];
  assert.ok(trainRows.every((row) => d.user[row] !== held));
});

test('support and query: every task as the data says, never drawn anew', async () => {
  const d = await dataset(`1 a support
    1 b query
    1 c support
    2 a query
    2 b support
    3 a query
    3 b query
    4 a support
    4 b query`);
  const tasks = buildTasks(d, { query: 'part' });
  assert.deepEqual(shown(tasks), ['1: 0 2 > 1', '2: 4 > 3', '4: 7 > 8']);
  assert.match(tasks.notes.join(), /1 of 4 users left out: no support or no query/);
  throws(() => redrawQuery(tasks, 1, 1), 'INVALID_OPTION', /prescribed/);
  const { sets } = split(d, { test: 0.3 }, 'part');
  assert.equal(sets['train'].size + sets['test'].size, 3);
  const inputs = describeInputs(d, [{ name: 'item', dim: 2 }], split(d, {}, 'part').trainRows);
  const model = defineModel({
    inputs,
    body: { kind: 'mlp', hidden: [2], activation: 'identity' },
    head: { loss: 'mse' },
  });
  const learner = () => createLearner({ model, algorithm: ridge(), optimizer: adam({ learningRate: 0.01 }), seed: 1 });
  const losses = async (options: object): Promise<number[]> => {
    const found: number[] = [];
    for await (const { loss } of train(learner(), tasks, { epochs: 2, ...options })) found.push(loss);
    return found;
  };
  assert.deepEqual(await losses({}), await losses({ redraw: false }));
  await assert.rejects(losses({ redraw: true }), /train\.redraw: the data says/);
});

test('parts that say both, and parts that say neither or are mixed', async () => {
  const d = await dataset(`1 a train-support
    1 b train-query
    2 a test/support
    2 b test/query`);
  const { sets } = split(d, {}, 'part');
  assert.deepEqual([shown(sets['train']), shown(sets['test'])], [['1: 0 > 1'], ['2: 2 > 3']]);
  throws(() => split(d), 'INVALID_OPTION', /split\.tasks\.query/, /'part'/);
  const mixed = await dataset('1 a train\n1 b query');
  throws(() => split(mixed), 'INVALID_DATA', /"train"/, /"query"/);
  const odd = await dataset('1 a train\n1 b fold3');
  throws(() => split(odd), 'INVALID_DATA', /"fold3"/, /train, validation and test/);
  const plain = await dataset('1 a train\n1 b test');
  throws(() => split(plain, { test: 0.1 }), 'INVALID_OPTION', /split\.test/);
  throws(() => split(plain, {}, 'part'), 'INVALID_OPTION', /is not what the parts say/);
  const { part: _, ...without } = plain;
  throws(() => split(without), 'INVALID_OPTION', /interactions\.part/);
});

test('the configuration: protocol parts, and query part', async () => {
  const from = file(
    `u,i,s,r\n${Array.from({ length: 40 }, (_, k) => `${k % 8},${k % 5},${k % 3 === 0 ? 'query' : 'support'},${k % 2}\n`).join('')}`,
  );
  const config = parseConfig({
    data: {
      baseDirectory: folder,
      interactions: { from, user: 'u', item: 'i', label: 'r', part: 's' },
      duplicates: 'first',
    },
    split: { protocol: 'parts', test: 0.25, tasks: { query: 'part' } },
    model: { inputs: [{ name: 'item', dim: 2 }], hidden: [], loss: 'mse' },
    algorithm: { name: 'ridge' },
  });
  const prepared = await prepare(config, new AbortController().signal);
  const tasks = trainingTasks(prepared, prepared.split.trainRows);
  assert.equal(tasks.prescribed, true);
  const names = prepared.dataset.part!;
  for (const row of tasks.queryRows) assert.equal(names.vocabulary.values[names.data[row]], 'query');
  for (const row of tasks.supportRows) assert.equal(names.vocabulary.values[names.data[row]], 'support');
});
