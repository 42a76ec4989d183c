/** EASE and item kNN against direct computations, and the blocked inverse that EASE stands on. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { ease, fitBaselines, itemKnn } from '../../lib/baselines/index.js';
import { defaultBaselines } from '../../lib/baselines/fit.js';
import { BASELINES } from '../../lib/baselines/options.js';
import { invert, SymmetricTiles } from '../../lib/baselines/tiled-inverse.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import { gauss } from '../fixtures/gauss.js';
import { rejects } from '../fixtures/interactions.js';

const pass = async () => undefined;

/** Users × items, about a third of them had; the last user's rows are the support of a task whose query are all items. */
function example(users: number, items: number, label: (row: number) => number = () => 1) {
  const stream = random(7, 'positives test', users);
  const [user, item]: [string[], string[]] = [[], []];
  for (let u = 0; u < users; u++)
    for (let i = 0; i < items; i++)
      if (stream.uniform() < 0.3 || i === u % items) {
        user.push(`u${u}`);
        item.push(`i${String(i).padStart(3, '0')}`);
      }
  const dataset = datasetFromColumns({ user, item, label: user.map((_, row) => label(row)) });
  const known = Int32Array.from(dataset.user.keys()).filter((row) => user[row] !== `u${users - 1}`);
  return {
    dataset,
    known,
    tasks: allItems(
      dataset,
      Int32Array.from(dataset.user.keys()).filter((row) => user[row] === `u${users - 1}`),
    ),
  };
}

/** One task with this support; its query is every item once, as rows added at the end. */
function allItems(dataset: Dataset, support: Int32Array): TaskSet {
  const items = dataset.items.rows - 1;
  const extend = <A extends Int32Array | Float32Array>(array: A, more: number[]): A =>
    (array.constructor as unknown as { from(values: Iterable<number>): A }).from([...array, ...more]);
  const item = extend(
    dataset.item,
    Array.from({ length: items }, (_, i) => i + 1),
  );
  return {
    dataset: {
      ...dataset,
      size: dataset.size + items,
      item,
      user: extend(dataset.user, new Array<number>(items).fill(1)),
      label: extend(dataset.label, new Array<number>(items).fill(NaN)),
    },
    size: 1,
    keys: ['last'],
    users: Int32Array.of(0),
    supportOffsets: Int32Array.of(0, support.length),
    supportRows: support,
    queryOffsets: Int32Array.of(0, items),
    queryRows: Int32Array.from({ length: items }, (_, i) => dataset.size + i),
  };
}

/** X as rows of users, 0/1. */
function matrixOf({ user, item, items, users }: Dataset, rows: Int32Array): number[][] {
  const x = Array.from({ length: users.rows }, () => new Array<number>(items.rows - 1).fill(0));
  for (const row of rows) x[user[row]][item[row] - 1] = 1;
  return x;
}

test('the blocked inverse is the inverse, at every size around a tile', async () => {
  for (const size of [1, 2, 63, 64, 65, 130, 200]) {
    const matrix = new SymmetricTiles(size);
    const entry = (i: number, j: number) => Math.cos(Math.max(i, j) * 3 + Math.min(i, j)) + (i === j ? size : 0);
    for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) matrix.add(i, j, entry(i, j));
    await invert(matrix, 'x', pass);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let k = 0; k < size; k++) sum += entry(i, k) * matrix.at(k, j);
        assert.ok(Math.abs(sum - (i === j ? 1 : 0)) < 1e-12, `size ${size}, entry ${i}, ${j}: ${sum}`);
      }
    }
  }
  const singular = new SymmetricTiles(2);
  singular.add(0, 0, 1);
  await rejects(invert(singular, 'some.option', pass), 'INVALID_OPTION', /some\.option/, /singular/);
});

test('EASE is Steck’s closed form, from the side of the items and from that of the users', async () => {
  for (const [users, items] of [
    [90, 20],
    [20, 90],
  ]) {
    const { dataset, known, tasks } = example(users, items);
    const lambda = 3;
    const x = matrixOf(dataset, known);
    const gram = Array.from({ length: items }, (_, i) =>
      Array.from({ length: items }, (_, j) => x.reduce((sum, row) => sum + row[i] * row[j], i === j ? lambda : 0)),
    );
    const unit = (j: number) => Array.from({ length: items }, (_, i) => (i === j ? 1 : 0));
    const p = gram.map((_, j) => gauss(gram, unit(j)));
    const own = matrixOf(dataset, tasks.supportRows)[dataset.user[tasks.supportRows[0]]];
    const direct = Array.from({ length: items }, (_, j) =>
      own.reduce((sum, held, i) => (i === j ? sum : sum - (held * p[i][j]) / p[j][j]), 0),
    );
    const scores = (await ease(dataset, known, { regularization: lambda })).predict(tasks);
    direct.forEach((value, j) => assert.ok(Math.abs(scores[j] - value) < 1e-10, `${users}×${items}, item ${j}`));
    assert.ok(Math.max(...scores.map(Math.abs)) > 0.01);
  }
});

test('EASE takes the side that fits, and refuses by name where none does', async () => {
  const { dataset, known, tasks } = example(20, 90);
  const small = (await ease(dataset, known)).predict(tasks);
  // Of 19 users one tile and 19 × 90 numbers; of 90 items three tiles of 32 kB.
  await rejects(ease(dataset, known, { memory: 60_000 }), 'UNSUPPORTED', /^ease: 90 items × items/, /itemKnn/);
  const users = example(200, 20);
  const other = (await ease(users.dataset, users.known, { memory: 32_768 })).predict(users.tasks);
  assert.ok(small.length === 90 && other.length === 20);
  await rejects(ease(dataset, known, { regularization: 0 }), 'INVALID_OPTION', /ease\.regularization/);
  await rejects(ease(dataset, known, { lambda: 1 } as object), 'UNKNOWN_OPTION', /lambda/);
  await rejects(ease(dataset, known, { minLabel: 2 }), 'EMPTY_DATA', /minLabel/);
  const controller = new AbortController();
  const running = ease(dataset, known, {}, controller.signal);
  controller.abort();
  await rejects(running, 'ABORTED');
});

test('item kNN is the shrunk cosine to the kept neighbours in the support', async () => {
  const { dataset, known, tasks } = example(60, 25);
  const x = matrixOf(dataset, known);
  const column = (i: number) => x.map((row) => row[i]);
  const count = (i: number) => column(i).reduce((a, b) => a + b, 0);
  const similarity = (i: number, j: number) =>
    column(i).reduce((sum, value, u) => sum + value * x[u][j], 0) / (Math.sqrt(count(i) * count(j)) + 4);
  const own = matrixOf(dataset, tasks.supportRows)[dataset.user[tasks.supportRows[0]]];
  const direct = Array.from({ length: 25 }, (_, j) => {
    const others = Array.from({ length: 25 }, (_, i) => i).filter((i) => i !== j);
    // A sort is stable: of equal neighbours the first in the catalogue is kept.
    const kept = others.sort((a, b) => similarity(b, j) - similarity(a, j)).slice(0, 5);
    return kept.reduce((sum, i) => sum + own[i] * similarity(i, j), 0);
  });
  const scores = (await itemKnn(dataset, known, { neighbours: 5, shrinkage: 4 })).predict(tasks);
  direct.forEach((value, j) => assert.ok(Math.abs(scores[j] - value) < 1e-12, `item ${j}: ${scores[j]}, ${value}`));
  assert.ok(new Set(scores).size > 5);
  await rejects(itemKnn(dataset, known, { neighbours: 0 }), 'INVALID_OPTION', /itemKnn\.neighbours/);
});

test('labels of 0 and −1 are no interaction, a rating is, and minLabel says otherwise', async () => {
  const { dataset, known, tasks } = example(40, 15, (row) => [5, 0, -1, 1][row % 4]);
  const liked = (least: number, rows: Int32Array) => rows.filter((row) => dataset.label[row] >= least);
  const ones = { ...dataset, label: dataset.label.map(() => 1) };
  for (const [options, least] of [
    [{}, 0.5],
    [{ minLabel: 5 }, 5],
  ] as const) {
    const kept = { ...tasks, supportRows: liked(least, tasks.supportRows) };
    kept.supportOffsets = Int32Array.of(0, kept.supportRows.length);
    const plain = { ...kept, dataset: { ...kept.dataset, label: kept.dataset.label.map(() => 1) } };
    for (const fit of [ease, itemKnn]) {
      const expected = (await fit(ones, liked(least, known))).predict(plain);
      assert.deepEqual((await fit(dataset, known, options)).predict(tasks), expected);
    }
  }
});

test('what is fitted unless it is said: of positives the methods that rank', async () => {
  const { dataset, known } = example(30, 10);
  assert.deepEqual(defaultBaselines(dataset), ['popularity', 'itemKnn', 'ease']);
  const fitted = await fitBaselines(dataset, known);
  assert.deepEqual(
    fitted.map(({ name }) => name),
    ['popularity', 'item kNN', 'EASE'],
  );
  const rated = example(30, 10, (row) => row % 5);
  assert.equal(defaultBaselines(rated.dataset).length, BASELINES.length - 2);
});
