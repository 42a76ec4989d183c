/** Values of policies from logged data: against statsmodels, and against the truth where it is known. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { TaskSet } from '../../lib/foundation/contract.js';
import { counterfactual, policyValue, popularityPropensity } from '../../lib/evaluation/counterfactual.js';
import type { Interval } from '../../lib/evaluation/intervals.js';
import type { RankedLists } from '../../lib/evaluation/lists.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { typed } from '../fixtures/typed-errors.js';

type Numbers = Record<
  'offsets' | 'propensity' | 'target' | 'reward' | 'logged' | 'expected' | 'ips' | 'snips' | 'doublyRobust' | 'naive',
  number[]
>;
const fixture = (
  JSON.parse(readFileSync(join(packageRoot(), 'test/fixtures/evaluation.json'), 'utf8')) as { counterfactual: Numbers }
).counterfactual;

test('IPS, SNIPS and doubly robust with clustered intervals agree with statsmodels', async () => {
  const { offsets, propensity, target, reward, logged, expected } = fixture;
  const f = (values: number[]) => Float64Array.from(values);
  const rows = {
    reward: f(reward),
    propensity: f(propensity),
    target: f(target),
    model: { logged: f(logged), expected: f(expected) },
    offsets: Int32Array.from(offsets),
  };
  const estimate = counterfactual(rows);
  const pairs: [Interval, number[]][] = [
    [estimate.ips, fixture.ips],
    [estimate.snips, fixture.snips],
    [estimate.doublyRobust!, fixture.doublyRobust],
    [estimate.logged, fixture.naive],
  ];
  for (const [{ mean, low, high, tasks }, [value, from, to]] of pairs) {
    assert.ok(
      Math.abs(mean - value) < 1e-11 && Math.abs(low - from) < 1e-6 && Math.abs(high - to) < 1e-6,
      `${mean} [${low}, ${high}] is not ${value} [${from}, ${to}]`,
    );
    assert.equal(tasks, offsets.length - 1);
  }
  const weight = target.map((pi, i) => pi / propensity[i]);
  const cut = counterfactual(rows, { clip: 2 });
  assert.equal(cut.clipped, weight.filter((w) => w > 2).length / weight.length);
  assert.equal(cut.largestWeight, 2);
  assert.ok(
    Math.abs(cut.ips.mean - weight.reduce((sum, w, i) => sum + Math.min(w, 2) * reward[i], 0) / weight.length) < 1e-12,
  );
  assert.ok(cut.effectiveRows > estimate.effectiveRows);
});

/** Contexts of two kinds, four actions; a logging policy that favours the worst actions. */
const ACTIONS = 4;
const value = (context: number, action: number) => 0.2 + 0.15 * action - 0.1 * context * (action % 2);
const logging = (context: number, action: number) => [0.4, 0.3, 0.2, 0.1][context === 0 ? action : (action + 1) % 4];
const wanted = (context: number, action: number) => [0.1, 0.1, 0.2, 0.6][context === 0 ? action : (action + 3) % 4];

function log(n: number, seed: number) {
  const stream = random(seed, 'bandit');
  const rows = {
    reward: new Float64Array(n),
    propensity: new Float64Array(n),
    target: new Float64Array(n),
    good: { logged: new Float64Array(n), expected: new Float64Array(n) },
    bad: { logged: new Float64Array(n), expected: new Float64Array(n) },
  };
  for (let i = 0; i < n; i++) {
    const context = stream.below(2);
    let draw = stream.uniform();
    let action = 0;
    while (action < ACTIONS - 1 && draw >= logging(context, action)) draw -= logging(context, action++);
    rows.reward[i] = Number(stream.uniform() < value(context, action));
    rows.propensity[i] = logging(context, action);
    rows.target[i] = wanted(context, action);
    rows.good.logged[i] = value(context, action);
    rows.bad.logged[i] = 0.9 - value(context, action);
    for (let a = 0; a < ACTIONS; a++) {
      rows.good.expected[i] += wanted(context, a) * value(context, a);
      rows.bad.expected[i] += wanted(context, a) * (0.9 - value(context, a));
    }
  }
  return rows;
}
const truth = [0, 1].reduce(
  (sum, c) => sum + Array.from({ length: ACTIONS }, (_, a) => wanted(c, a) * value(c, a)).reduce((x, y) => x + y) / 2,
  0,
);

test('the estimators find the truth, their intervals cover it, and the log alone does not', async () => {
  const covered = { ips: 0, snips: 0, good: 0, bad: 0, logged: 0 };
  const width = { ips: 0, good: 0 };
  const trials = 200;
  for (let seed = 0; seed < trials; seed++) {
    const { good, bad, ...rows } = log(400, seed);
    const { ips, snips, doublyRobust, logged, meanWeight } = counterfactual({ ...rows, model: good });
    const wrong = counterfactual({ ...rows, model: bad }).doublyRobust!;
    const holds = ({ low, high }: Interval) => Number(low <= truth && truth <= high);
    ((covered.ips += holds(ips)),
      (covered.snips += holds(snips)),
      (covered.good += holds(doublyRobust!)),
      (covered.bad += holds(wrong)));
    ((width.ips += ips.high - ips.low), (width.good += doublyRobust!.high - doublyRobust!.low));
    covered.logged += holds(logged);
    assert.ok(Math.abs(meanWeight - 1) < 0.4);
  }
  // 95 % of 200 is 190 ± 3.1; a wrong reward model costs width, not coverage.
  const { logged, ...estimated } = covered;
  assert.ok(logged < 100, `the logging policy is worse: ${logged}`);
  for (const [name, count] of Object.entries(estimated)) assert.ok(count >= 177, `${name}: ${count} of ${trials}`);
  assert.ok(width.good < 0.8 * width.ips, 'a right reward model narrows the interval');
  // Propensities that are wrong, with a right model: doubly robust stays, IPS does not.
  const { good, bad: _, ...rows } = log(20000, 1);
  const wrong = counterfactual({ ...rows, propensity: rows.propensity.map((p) => Math.sqrt(p)), model: good });
  assert.ok(Math.abs(wrong.doublyRobust!.mean - truth) < 0.02 && Math.abs(wrong.ips.mean - truth) > 0.1);
});

test('the error on all items from the items rated', async () => {
  // Users rate what they like: an item of label y is observed with probability y / 5. Predicting 5 everywhere errs by 5 − y.
  const stream = random(9, 'missing not at random');
  const [error, propensity]: number[][] = [[], []];
  for (let i = 0; i < 20000; i++) {
    const y = 1 + stream.below(5);
    if (stream.uniform() >= y / 5) continue;
    (error.push(5 - y), propensity.push(y / 5));
  }
  const rows = {
    reward: Float64Array.from(error),
    propensity: Float64Array.from(propensity),
    target: new Float64Array(error.length).fill(1),
  };
  const { logged, snips } = counterfactual(rows);
  assert.ok(logged.high < 1.5 && Math.abs(snips.mean - 2) < 0.05, `${logged.mean} observed, ${snips.mean} of all`);
});

/** Two users, three items; rows 0–3 trained on, row 4 is the query of u, rows 5–6 those of v. */
function policyLists(): RankedLists {
  const dataset = datasetFromColumns({
    user: ['a', 'b', 'a', 'b', 'u', 'v', 'v'],
    item: ['x', 'x', 'y', 'z', 'x', 'y', 'z'],
    label: [5, 3, 4, 1, 5, 4, 2],
  });
  const tasks: TaskSet = {
    dataset,
    size: 2,
    keys: ['u', 'v'],
    users: Int32Array.of(3, 4),
    supportOffsets: new Int32Array(3),
    supportRows: new Int32Array(0),
    queryOffsets: Int32Array.of(0, 1, 3),
    queryRows: Int32Array.of(4, 5, 6),
  };
  return {
    tasks,
    count: 2,
    offsets: Int32Array.of(0, 2, 4),
    items: Int32Array.of(1, 2, 2, 1),
    scores: new Float64Array(4),
    candidates: Int32Array.of(1, 2, 3),
  };
}

test('the value of lists, by hand', async () => {
  const lists = policyLists();
  const { dataset } = lists.tasks;
  const trainRows = Int32Array.of(0, 1, 2, 3);
  const propensity = popularityPropensity(dataset, trainRows);
  assert.deepEqual([...propensity], [0, 3 / 7, 2 / 7, 2 / 7]);
  assert.deepEqual([...popularityPropensity(dataset, trainRows, { power: 0 })], [0, 1 / 3, 1 / 3, 1 / 3]);
  const estimate = policyValue(lists, { propensity, threshold: 4, trainRows, shrinkage: 0 });
  const close = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
  const w = [0.5 / (3 / 7), 0.5 / (2 / 7), 0];
  // No user has an item twice: their rows are no draws by chances of items. Chances that were logged row by row are another matter.
  assert.equal(estimate.ips, undefined);
  const byRow = Float64Array.from(dataset.item, (item) => propensity[item]);
  close(policyValue(lists, { propensity: byRow, threshold: 4 }).ips!.mean, (w[0] + w[1]) / 3);
  const repeated = policyLists();
  const { tasks } = repeated;
  const twice = { ...dataset, item: dataset.item.map((item, row) => (row === 6 ? dataset.item[5] : item)) };
  const again = policyValue({ ...repeated, tasks: { ...tasks, dataset: twice } }, { propensity, threshold: 4 });
  assert.ok(again.ips !== undefined);
  close(estimate.snips.mean, 1);
  close(estimate.logged.mean, 2 / 3);
  // q: x ½, y 1, z 0; both lists expect ¾.
  close(estimate.doublyRobust!.mean, (3 * 0.75 + w[0] * 0.5 + w[1] * 0) / 3);
  close(policyValue(lists, { propensity }).snips.mean, (5 * w[0] + 4 * w[1]) / (w[0] + w[1]));
  const recorded = Float64Array.of(1, 1, 1, 1, 0.5, 0.25, 0.25);
  close(policyValue(lists, { propensity: recorded, threshold: 4 }).ips!.mean, (1 + 2) / 3);
});

test('logged data are checked', async () => {
  const one = () => Float64Array.of(1);
  const fails = (rows: object, pattern: RegExp) =>
    assert.throws(() => counterfactual(rows as never), typed('INVALID_OPTION', pattern));
  fails({ reward: one(), propensity: Float64Array.of(0), target: one() }, /propensity\[0\].*got 0.*> 0/);
  fails({ reward: one(), propensity: one(), target: Float64Array.of(-1) }, /target\[0\]/);
  fails({ reward: Float64Array.of(NaN), propensity: one(), target: one() }, /reward\[0\]/);
  fails({ reward: one(), propensity: new Float64Array(2), target: one() }, /rows\.propensity: not one number a row/);
  fails({ reward: one(), propensity: one(), target: one(), offsets: Int32Array.of(0, 2) }, /offsets/);
  fails(
    { reward: one(), propensity: one(), target: one(), model: { logged: one(), expected: [1] } },
    /model\.expected/,
  );
  assert.throws(
    () => counterfactual({ reward: one(), propensity: one(), target: one() }, { clip: 0 }),
    typed('INVALID_OPTION', /clip/),
  );
  assert.throws(
    () => policyValue(policyLists(), { propensity: new Float64Array(2) }),
    typed('INVALID_OPTION', /of 7 or 4/),
  );
});
