import assert from 'node:assert/strict';
import { test } from 'tap';
import { choleskySolve } from '../../lib/baselines/cholesky.js';
import { BASELINES } from '../../lib/baselines/options.js';
import {
  alsFoldIn,
  contentRidge,
  fitBaselines,
  globalMean,
  itemMean,
  popularity,
  userItemBias,
} from '../../lib/baselines/index.js';
import type { Column, Dataset, FeatureTable, TaskSet, Vocabulary } from '../../lib/foundation/contract.js';
import { contentMatrix, multiply, sparseRidge } from '../../lib/baselines/item-features.js';
import { random } from '../../lib/foundation/random.js';
import { typed } from '../fixtures/typed-errors.js';

const USERS = 60;
const ITEMS = 40;

function vocabulary(size: number): Vocabulary {
  const values = Array.from({ length: size + 1 }, (_, i) => (i === 0 ? '' : String(i)));
  return { values, idOf: (text) => Math.max(0, values.indexOf(text)) };
}
function features(size: number, columns: Column[] = []): FeatureTable {
  return { rows: size + 1, keys: vocabulary(size), columns };
}

/** Every user rates every item, user after user. */
function fullMatrix(label: (user: number, item: number) => number, columns: Column[] = []): Dataset {
  const size = USERS * ITEMS;
  const user = Int32Array.from({ length: size }, (_, i) => 1 + Math.floor(i / ITEMS));
  const item = Int32Array.from({ length: size }, (_, i) => 1 + (i % ITEMS));
  return {
    size,
    user,
    item,
    label: Float32Array.from(user, (u, i) => label(u, item[i])),
    time: undefined,
    users: features(USERS),
    items: features(ITEMS, columns),
    context: { rows: size, keys: { values: [], idOf: () => 0 }, columns: [] },
    notes: [],
  };
}

const rowOf = (user: number, item: number) => (user - 1) * ITEMS + item - 1;
const rowsWhere = (dataset: Dataset, keep: (user: number, item: number) => boolean) =>
  Int32Array.from({ length: dataset.size }, (_, i) => i).filter((i) => keep(dataset.user[i], dataset.item[i]));

/** One task a user: these items support, those query. */
function tasksOf(dataset: Dataset, users: number[], support: number[], query: number[]): TaskSet {
  const offsets = (step: number) => Int32Array.from({ length: users.length + 1 }, (_, t) => t * step);
  return {
    dataset,
    size: users.length,
    keys: users.map(String),
    users: Int32Array.from(users),
    supportOffsets: offsets(support.length),
    supportRows: Int32Array.from(users.flatMap((user) => support.map((item) => rowOf(user, item)))),
    queryOffsets: offsets(query.length),
    queryRows: Int32Array.from(users.flatMap((user) => query.map((item) => rowOf(user, item)))),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const NEW_USERS = range(51, USERS);
const SUPPORT = range(1, 25);
const QUERY = range(26, ITEMS);

/** Largest |prediction − label| over the query rows. */
function worst(tasks: TaskSet, score: Float64Array): number {
  return Math.max(...Array.from(score, (value, i) => Math.abs(value - tasks.dataset.label[tasks.queryRows[i]])));
}

const stream = random(1, 'baselines test');
const userEffect = Float64Array.from({ length: USERS + 1 }, () => stream.normal());
const itemEffect = Float64Array.from({ length: ITEMS + 1 }, () => stream.normal());
const additive = fullMatrix((user, item) => 3 + userEffect[user] + itemEffect[item]);
const oldUsers = rowsWhere(additive, (user) => user <= 50);

test('global mean, item mean and popularity by hand', async () => {
  const rows = Int32Array.of(rowOf(1, 1), rowOf(2, 1), rowOf(1, 2));
  const dataset = fullMatrix((user, item) => (item === 1 ? user + 3 : 1)); // labels 4, 5, 1: mean 10/3
  const tasks = tasksOf(dataset, [9], [], [1, 2, 3]);
  const close = (actual: Float64Array, expected: number[]) =>
    expected.forEach((value, i) => assert.ok(Math.abs(actual[i] - value) < 1e-12, `${actual[i]} is not ${value}`));
  close(globalMean(dataset, rows).predict(tasks), [10 / 3, 10 / 3, 10 / 3]);
  close(itemMean(dataset, rows, { shrinkage: 0 }).predict(tasks), [4.5, 1, 10 / 3]);
  close(itemMean(dataset, rows, { shrinkage: 2 }).predict(tasks), [(9 + 20 / 3) / 4, (1 + 20 / 3) / 3, 10 / 3]);
  const ranked = popularity(dataset, rows);
  close(ranked.predict(tasks), [2, 1, 0]);
  assert.equal(ranked.scores, 'order');
});

test('user + item bias is exact on additive labels of new users', async () => {
  const tasks = tasksOf(additive, NEW_USERS, SUPPORT, QUERY);
  const exact = userItemBias(additive, oldUsers, { itemRegularization: 0, userRegularization: 0 });
  assert.ok(worst(tasks, exact.predict(tasks)) < 1e-5);
  assert.ok(worst(tasks, itemMean(additive, oldUsers).predict(tasks)) > 0.5); // the task's user matters here
});

test('the bias of a task is the ridge of its support residuals', async () => {
  const dataset = fullMatrix((user) => (user === 1 ? 2 : 4));
  const rows = rowsWhere(dataset, (user) => user === 2); // mean 4, all biases 0
  const tasks = tasksOf(dataset, [1], [1, 2, 3], [4]);
  const [score] = userItemBias(dataset, rows, { userRegularization: 1 }).predict(tasks);
  assert.ok(Math.abs(score - (4 - (3 * 2) / (3 + 1))) < 1e-9, String(score));
  const alone = tasksOf(dataset, [1], [], [4]);
  assert.equal(userItemBias(dataset, rows, { userRegularization: 0 }).predict(alone)[0], 4); // no support, no bias
});

test('ALS recovers a low-rank matrix without noise for new users', async () => {
  const factor = () => Float64Array.from({ length: (Math.max(USERS, ITEMS) + 1) * 3 }, () => stream.normal());
  const [p, q] = [factor(), factor()];
  const dataset = fullMatrix((user, item) => {
    let label = 3 + userEffect[user] + itemEffect[item];
    for (let f = 0; f < 3; f++) label += p[user * 3 + f] * q[item * 3 + f];
    return label;
  });
  const tasks = tasksOf(dataset, NEW_USERS, SUPPORT, QUERY);
  const options = { factors: 3, regularization: 1e-9, biasRegularization: 1e-9, sweeps: 60 };
  const als = await alsFoldIn(dataset, oldUsers, options);
  assert.ok(worst(tasks, als.predict(tasks)) < 1e-3, String(worst(tasks, als.predict(tasks))));
  assert.ok(worst(tasks, userItemBias(dataset, oldUsers).predict(tasks)) > 1);

  const known = rowsWhere(dataset, (user, item) => user <= 50 && item !== 30);
  const model = await alsFoldIn(dataset, known, { biasRegularization: 0 });
  const [unseen, empty] = model.predict(tasksOf(dataset, [51], [], [30, 31]));
  const mean = globalMean(dataset, known).predict(tasksOf(dataset, [51], [], [30]))[0];
  assert.ok(Math.abs(unseen - mean) < 1e-12); // item bias and factors 0, no support
  assert.notEqual(empty, mean);
});

test('ALS is deterministic, reads no query label, and can be aborted', async () => {
  const tasks = tasksOf(additive, NEW_USERS, SUPPORT, QUERY);
  const first = (await alsFoldIn(additive, oldUsers, { sweeps: 2 })).predict(tasks);
  const other = (await alsFoldIn(additive, oldUsers, { sweeps: 2, seed: 2 })).predict(tasks);
  assert.deepEqual((await alsFoldIn(additive, oldUsers, { sweeps: 2 })).predict(tasks), first);
  assert.notDeepEqual(other, first);
  const controller = new AbortController();
  const running = alsFoldIn(additive, oldUsers, {}, controller.signal);
  controller.abort();
  await assert.rejects(running, typed('ABORTED', /aborted/));
});

test('no baseline reads query labels or the training rows of the task user', async () => {
  const dataset = fullMatrix((user, item) => 1 + ((user * 7 + item * 3) % 5), contentColumns);
  const fitted = await fitBaselines(
    dataset,
    rowsWhere(dataset, (user) => user <= 50),
    { include: BASELINES, alsFoldIn: { sweeps: 2 } },
  );
  assert.equal(fitted.length, BASELINES.length);
  const tasks = tasksOf(dataset, [1, 51], SUPPORT, QUERY);
  const changed = { ...tasks, dataset: { ...dataset, label: dataset.label.slice() }, users: Int32Array.of(2, 0) };
  for (const row of tasks.queryRows) changed.dataset.label[row] = NaN;
  for (const baseline of fitted) assert.deepEqual(baseline.predict(changed), baseline.predict(tasks), baseline.name);
});

// Item i has genres by its low bits, a colour and one dense value; 3 genres, 4 colours.
const genresOf = (item: number) => [1, 2, 3].filter((genre) => (item >> (genre - 1)) & 1);
const bagOffsets = Int32Array.from({ length: ITEMS + 2 }, (_, row) => range(1, row - 1).flatMap(genresOf).length);
const bagData = Int32Array.from(range(1, ITEMS).flatMap(genresOf));
const perItem = Int32Array.from({ length: ITEMS + 1 }, (_, i) => i);
const contentColumns: Column[] = [
  { kind: 'categorical', name: 'colour', vocabulary: vocabulary(4), data: perItem.map((i) => i && 1 + ((i * 7) % 4)) },
  { kind: 'bag', name: 'genres', vocabulary: vocabulary(3), offsets: bagOffsets, data: bagData },
  { kind: 'dense', name: 'size', size: 1, data: Float32Array.from(perItem, (i) => Math.sin(i)) },
];

test('content ridge recovers planted weights: items and users that training never saw', async () => {
  const colours = [0, 0.5, -0.25, 1, -1.5];
  const genreWeights = [0, 0.5, -1, 0.75];
  const taste = Float64Array.from({ length: (USERS + 1) * 4 }, () => stream.normal());
  const dataset = fullMatrix((user, item) => {
    const { data } = contentColumns[0] as { data: Int32Array };
    let label = 3 + userEffect[user] + colours[data[item]] + 0.3 * Math.fround(Math.sin(item));
    for (const genre of genresOf(item)) label += genreWeights[genre] + (user > 50 ? taste[user * 4 + genre] : 0);
    return label;
  }, contentColumns);
  const rows = rowsWhere(dataset, (user, item) => user <= 50 && item <= 25);
  const options = { regularization: 1e-7, shrinkage: 1e-3, userRegularization: 1e-7, tasteRegularization: 1e-7 };
  const model = contentRidge(dataset, rows, options);
  const tasks = tasksOf(dataset, NEW_USERS, SUPPORT, QUERY);
  assert.ok(worst(tasks, model.predict(tasks)) < 1e-3, String(worst(tasks, model.predict(tasks))));
  const blind = contentRidge({ ...dataset, items: features(ITEMS) }, rows, options);
  assert.throws(() => blind.predict(tasks), typed('INVALID_OPTION', /another dataset/));
  const cold = { ...tasks, dataset: { ...dataset, items: features(ITEMS) } };
  const bare = contentRidge(cold.dataset, rows, options); // no content at all: only an intercept is left
  assert.ok(worst(cold, bare.predict(cold)) > 0.5);
});

test('content ridge: the taste column', async () => {
  const dataset = fullMatrix((user, item) => userEffect[user] + itemEffect[item], contentColumns);
  const tasks = tasksOf(dataset, NEW_USERS, SUPPORT, QUERY);
  const named = contentRidge(dataset, oldUsers, { tasteColumn: 'genres' }).predict(tasks);
  assert.deepEqual(contentRidge(dataset, oldUsers).predict(tasks), named);
  assert.throws(
    () => contentRidge(dataset, oldUsers, { tasteColumn: 'genre' }),
    typed('UNKNOWN_OPTION', /did you mean genres\?/),
  );
  assert.throws(
    () => contentRidge(dataset, oldUsers, { tasteColumn: 'colour' }),
    typed('INVALID_OPTION', /holds lists/),
  );
});

test('the content regression meets its normal equations; its intercept is not penalised', async () => {
  const matrix = contentMatrix(features(ITEMS, contentColumns));
  assert.equal(matrix.columns, 5 + 4 + 1 + 1); // ids of colour and genres with 0, size, ones
  const target = itemEffect;
  const weight = target.map((_, item) => item % 3);
  const w = sparseRidge(matrix, target, weight, 2);
  const error = multiply(matrix, w).map((value, item) => weight[item] * (target[item] - value));
  const gradient = w.map((value, c) => (c === matrix.columns - 1 ? 0 : -2 * value));
  for (let row = 0; row < matrix.rows; row++) {
    for (let e = matrix.offsets[row]; e < matrix.offsets[row + 1]; e++) {
      gradient[matrix.column[e]] += matrix.value[e] * error[row];
    }
  }
  gradient.forEach((value, c) => assert.ok(Math.abs(value) < 1e-7, `column ${c}: ${value}`));
  assert.ok(Math.max(...w.map(Math.abs)) > 0.1);
  const [mean] = sparseRidge(contentMatrix(features(2)), Float64Array.of(1, 2, 6), Float64Array.of(1, 1, 2), 1e9);
  assert.ok(Math.abs(mean - 15 / 4) < 1e-9, String(mean));
});

test('Cholesky solves, and leaves directions without data at 0', async () => {
  const a = Float64Array.of(4, 0, 0, 2, 5, 0, 0, 0, 0);
  const b = Float64Array.of(2, 3, 7);
  choleskySolve(a, b, 3);
  [0.25, 0.5, 0].forEach((value, i) => assert.ok(Math.abs(b[i] - value) < 1e-15, `${b[i]} is not ${value}`));
});

test('options and data are checked', async () => {
  const rows = Int32Array.of(0, 1);
  const misspelt = fitBaselines(additive, rows, { include: ['alsFoldin' as 'alsFoldIn'] });
  await assert.rejects(misspelt, typed('UNKNOWN_OPTION', /did you mean alsFoldIn\?/));
  await assert.rejects(
    fitBaselines(additive, rows, { als: {} } as object),
    typed('UNKNOWN_OPTION', /baselines\.als: no such option/),
  );
  await assert.rejects(fitBaselines(additive, new Int32Array(0)), typed('EMPTY_DATA', /training/));
  await assert.rejects(alsFoldIn(additive, rows, { factors: 0 }), typed('INVALID_OPTION', /alsFoldIn\.factors.*got 0/));
  await assert.rejects(
    alsFoldIn(additive, rows, { sweep: 3 } as object),
    typed('UNKNOWN_OPTION', /did you mean sweeps\?/),
  );
  await assert.rejects(
    fitBaselines(additive, rows, { include: ['globalMean'], ease: { regularization: 0 } }),
    typed('INVALID_OPTION', /baselines\.ease\.regularization/),
  );
  assert.throws(() => itemMean(additive, rows, { shrinkage: -1 }), typed('INVALID_OPTION', /itemMean\.shrinkage/));
  assert.throws(() => globalMean(additive, Int32Array.of(additive.size)), typed('INVALID_OPTION', /trainRows\[0\]/));
  const broken = { ...additive, label: additive.label.map((value, i) => (i === 1 ? NaN : value)) };
  assert.throws(() => globalMean(broken, rows), typed('INVALID_DATA', /label\[1\]/));
});
