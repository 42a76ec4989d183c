/** Tests between methods, gaps between groups, and calibrated probabilities, beside SciPy, scikit-learn and statsmodels. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { compareGroups } from '../../lib/evaluation/groups.js';
import { normalTail } from '../../lib/evaluation/normal.js';
import { reliability } from '../../lib/evaluation/probability.js';
import {
  compareMethods,
  holm,
  pairedBootstrap,
  randomizationTest,
  wilcoxon,
} from '../../lib/evaluation/significance.js';
import type { ComparedMethod } from '../../lib/evaluation/significance.js';
import { random } from '../../lib/foundation/random.js';
import type { Random } from '../../lib/foundation/random.js';
import { typed } from '../fixtures/typed-errors.js';

interface Fixture {
  significance: {
    cases: { a: number[]; b: number[]; statistic: number; p: number; exact: boolean; randomization?: number }[];
    holm: { p: number[]; adjusted: number[] };
    tail: { z: number[]; p: number[] };
  };
  probability: {
    labels: number[];
    probabilities: number[];
    bins: number;
    rows: number[];
    observed: number[];
    predicted: number[];
    brier: number;
    ece: number;
    mce: number;
  }[];
}
const { significance, probability } = JSON.parse(
  readFileSync(join(packageRoot(), 'test/fixtures/evaluation.json'), 'utf8'),
) as Fixture;

function near(actual: number, expected: number, tolerance = 1e-11): void {
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.abs(expected) + 1e-300, `${actual} is not ${expected}`);
}
/** Two-sided p of the signed ranks by all sign patterns; ties share their mean rank. */
function byPatterns(a: readonly number[], b: readonly number[]): number {
  const d = a.map((value, t) => Math.abs(value - b[t])).filter((value) => value !== 0);
  const signs = a.map((value, t) => value - b[t]).filter((value) => value !== 0);
  const rank = d.map((value) => d.filter((x) => x < value).length + (d.filter((x) => x === value).length + 1) / 2);
  const total = rank.reduce((x, y) => x + y, 0);
  const positive = rank.reduce((sum, r, t) => sum + (signs[t] > 0 ? r : 0), 0);
  const smaller = Math.min(positive, total - positive);
  let extreme = 0;
  for (let bits = 0; bits < 2 ** d.length; bits++) {
    const sum = rank.reduce((all, r, t) => all + ((bits >> t) & 1) * r, 0);
    if (Math.min(sum, total - sum) <= smaller) extreme++;
  }
  return extreme / 2 ** d.length;
}

test('Wilcoxon, exact and normal, with ties and zeros, agrees with SciPy; with few ties it is the share of all patterns', async () => {
  const kinds = new Set<boolean>();
  let tied = 0;
  for (const { a, b, statistic, p, exact } of significance.cases) {
    const result = wilcoxon(Float64Array.from(a), Float64Array.from(b));
    assert.equal(result.statistic, statistic);
    assert.equal(result.exact, result.tasks <= 50);
    // SciPy takes the normal approximation as soon as two values are tied.
    if (result.exact && !exact) near(result.p, byPatterns(a, b), ++tied && 1e-11);
    else near(result.p, p);
    kinds.add(result.exact);
  }
  assert.equal(kinds.size, 2);
  assert.ok(tied >= 2);
  assert.equal(wilcoxon(Float64Array.of(1, 2), Float64Array.of(1, 2)).p, 1);
});

test('the exact randomisation test agrees with SciPy; the sampled one comes near it', async () => {
  let checked = 0;
  for (const { a, b, randomization } of significance.cases) {
    if (randomization === undefined) continue;
    const exact = randomizationTest(Float64Array.from(a), Float64Array.from(b));
    assert.ok(exact.exact);
    near(exact.p, randomization);
    const sampled = randomizationTest(Float64Array.from([...a, ...a, ...a]), Float64Array.from([...b, ...b, ...b]), {
      resamples: 4000,
    });
    const again = randomizationTest(Float64Array.from([...a, ...a, ...a]), Float64Array.from([...b, ...b, ...b]), {
      resamples: 4000,
      seed: 1,
    });
    if (3 * a.length > 12) {
      assert.ok(!sampled.exact && !again.exact);
      assert.ok(Math.abs(sampled.p - again.p) < 5 * Math.sqrt((2 * 0.25) / 4000), 'two seeds');
    }
    checked++;
  }
  assert.ok(checked >= 4);
  // More than 32 signs: every task has one of its own. Differences of 2^t settle by the largest alone.
  const powers = Float64Array.from({ length: 40 }, (_, t) => 2 ** t);
  const { p } = randomizationTest(powers, new Float64Array(40), { resamples: 5000 });
  assert.ok(p < 0.002, `only the sign pattern of all + or all − is as extreme: ${p}`);
  const flat = Float64Array.from({ length: 64 }, (_, t) => (t < 32 ? 1 : -1));
  assert.ok(randomizationTest(flat, new Float64Array(64), { resamples: 2000 }).p > 0.99);
  // One pattern in 2⁶³ is as extreme as this one: no sample has it but the one that was observed, which counts.
  assert.equal(randomizationTest(new Float64Array(64).fill(1), new Float64Array(64), { resamples: 999 }).p, 1 / 1000);
});

test('Holm agrees with statsmodels; NaN is left out', async () => {
  const { p, adjusted } = significance.holm;
  holm(p).forEach((value, i) => near(value, adjusted[i]));
  assert.deepEqual([...holm([0.04, NaN, 0.01])], [0.04, NaN, 0.02]);
});

test('the normal tail to 1e-12', async () => {
  const { z, p } = significance.tail;
  z.forEach((value, i) => near(normalTail(value), p[i], 1e-12));
  assert.equal(normalTail(-1.96), normalTail(1.96));
});

test('the paired bootstrap covers the true difference, and its p is uniform where there is none', async () => {
  const stream = random(11, 'bootstrap coverage');
  const trials = 300;
  let covered = 0;
  let rejected = 0;
  let detected = 0;
  for (let trial = 0; trial < trials; trial++) {
    const shared = Float64Array.from({ length: 40 }, () => 5 * stream.normal());
    const a = shared.map((x) => x + stream.normal());
    const b = shared.map((x) => x + stream.normal());
    const { low, high, p } = pairedBootstrap(a, b, { resamples: 400, seed: trial });
    if (low <= 0 && high >= 0) covered++;
    if (p <= 0.05) rejected++;
    if (
      pairedBootstrap(
        a.map((x) => x + 1),
        b,
        { resamples: 400, seed: trial },
      ).p <= 0.05
    )
      detected++;
  }
  // ± 4 standard errors around 0.95 and 0.05; percentile intervals of 40 values are a little narrow.
  assert.ok(covered > 0.89 * trials && covered < 0.99 * trials, `${covered} of ${trials}`);
  assert.ok(rejected > 0 && rejected < 0.11 * trials, `${rejected} of ${trials}`);
  assert.ok(detected > 0.9 * trials, `${detected} of ${trials}`);
  assert.ok(Number.isNaN(pairedBootstrap(Float64Array.of(1), Float64Array.of(0)).p));
});

test('with few differences, tied or mostly 0 among them, no test rejects more often than it says: by simulation', async () => {
  const TRIALS = 600;
  const draws: Record<string, (stream: Random) => number> = {
    normal: (stream) => stream.normal(),
    ties: (stream) => (stream.below(5) - 2) / 5,
    'mostly 0': (stream) => (stream.uniform() < 0.6 ? 0 : (stream.below(5) - 2) / 5),
  };
  const rate = (n: number, shift: number, draw: (stream: Random) => number, name: string) => {
    const rejected = { bootstrap: 0, randomization: 0, wilcoxon: 0 };
    for (let trial = 0; trial < TRIALS; trial++) {
      const stream = random(13, `${name} ${n}`, trial);
      const d = Float64Array.from({ length: n }, () => shift + draw(stream));
      const none = new Float64Array(n);
      if (pairedBootstrap(d, none, { resamples: 400, seed: trial }).p <= 0.05) rejected.bootstrap++;
      if (randomizationTest(d, none, { resamples: 1024 }).p <= 0.05) rejected.randomization++;
      if (wilcoxon(d, none).p <= 0.05) rejected.wilcoxon++;
    }
    return Object.entries(rejected).map(([test, count]) => [test, count / TRIALS] as const);
  };
  for (const [name, draw] of Object.entries(draws)) {
    // 0.05 + 4 standard errors.
    for (const n of [6, 8, 10, 15])
      for (const [test, share] of rate(n, 0, draw, name)) assert.ok(share <= 0.086, `${name}, ${n}, ${test}: ${share}`);
    for (const [test, share] of rate(15, name === 'normal' ? 1 : 0.3, draw, name))
      assert.ok(share > 0.3, `${name}, ${test} finds a difference in ${share}`);
  }
  // Nothing but one difference, and nothing at all.
  const same = new Float64Array(8).fill(0.1);
  assert.equal(pairedBootstrap(same, new Float64Array(8), { resamples: 99 }).p, 1 / 100);
  assert.equal(pairedBootstrap(same, same, { resamples: 99 }).p, 1);
});

test('methods are compared with one of them, corrected over all', async () => {
  const stream = random(2, 'methods');
  const base = Float64Array.from({ length: 60 }, () => stream.normal());
  const shifted = (by: number) => ({ mae: { perTask: base.map((x) => x + by + 0.3 * stream.normal()) } });
  const methods: ComparedMethod[] = [
    { method: 'ours', metrics: { mae: { perTask: base } } },
    { method: 'same', metrics: shifted(0) },
    { method: 'worse', metrics: shifted(0.3) },
    { method: 'ranker', metrics: {} },
  ];
  const results = compareMethods(methods, { resamples: 2000 });
  assert.deepEqual(
    results.map(({ method, against, metric }) => [method, against, metric]),
    [
      ['same', 'ours', 'mae'],
      ['worse', 'ours', 'mae'],
    ],
  );
  const [same, worse] = results;
  assert.ok(worse.difference.low > 0 && worse.difference.mean > 0.2);
  for (const name of ['bootstrap', 'randomization', 'wilcoxon'] as const) {
    assert.ok(worse.adjusted[name] < 0.01 && same.adjusted[name] > 0.05, name);
    assert.equal(worse.adjusted[name], Math.min(1, 2 * worse.p[name]), 'the smaller p of two counts twice');
  }
  assert.deepEqual(
    compareMethods(methods, { against: 'same', metrics: ['mae'], resamples: 100 }).map(({ method }) => method),
    ['ours', 'worse'],
  );
  assert.throws(() => compareMethods(methods, { against: 'our' }), typed('UNKNOWN_OPTION', /did you mean ours\?/));
  assert.throws(() => compareMethods(methods, { metrics: ['mea'] }), typed('UNKNOWN_OPTION', /did you mean mae\?/));
  assert.throws(() => compareMethods(methods.slice(0, 1)), typed('INVALID_OPTION', /two methods/));
  assert.throws(() => compareMethods(methods, { resamples: 0 }), typed('INVALID_OPTION', /compare\.resamples/));
  assert.throws(
    () => compareMethods([...methods, { method: 'other', metrics: { mae: new Float64Array(3) } }]),
    typed('INVALID_OPTION', /different task sets/),
  );
});

test('the gap between groups: found where it is, and not where it is not', async () => {
  const stream = random(4, 'groups');
  const names = Array.from({ length: 90 }, (_, t) => ['a', 'b', 'c'][t % 3]);
  const values = Float64Array.from(names, (name) => (name === 'b' ? 0.8 : 0) + stream.normal());
  values[4] = NaN;
  const { groups, gap } = compareGroups(values, names);
  assert.deepEqual(
    groups.map(({ group, tasks }) => [group, tasks]),
    [
      ['a', 30],
      ['b', 29],
      ['c', 30],
    ],
  );
  assert.ok(
    gap !== undefined &&
      gap.highest === 'b' &&
      gap.low > 0 &&
      gap.p < 0.01 &&
      gap.low < gap.mean &&
      gap.mean < gap.high,
  );
  near(gap.mean, groups[1].mean - groups.find(({ group }) => group === gap.lowest)!.mean);
  let found = 0;
  for (let trial = 0; trial < 100; trial++) {
    const noise = Float64Array.from(names, () => stream.normal());
    if (compareGroups(noise, names, { resamples: 200, seed: trial }).gap!.p <= 0.05) found++;
  }
  assert.ok(found <= 14, `${found} of 100 random groupings`); // 5 ± 4 standard errors
  // A group of two is shown, and compared with nothing.
  const small = compareGroups(Float64Array.of(9, 9.5, ...values), ['d', 'd', ...names]);
  assert.equal(small.groups.length, 4);
  assert.ok(
    Number.isNaN(small.groups[0].low) && small.groups[0].mean === 9.25,
    'nothing can be said of the spread of two',
  );
  assert.notEqual(small.gap!.highest, 'd');
  assert.equal(compareGroups(Float64Array.of(1, 2), ['a', 'b']).gap, undefined);
  assert.deepEqual(compareGroups(values, names), compareGroups(values, names), 'seeded');
  assert.throws(() => compareGroups(values, names.slice(1)), typed('INVALID_OPTION', /90 names/));
  assert.throws(() => compareGroups(values, names, { minimum: 9 }), typed('INVALID_OPTION', /groups\.minimum/));
});

test('group intervals are the t intervals to first order', async () => {
  const stream = random(5, 'group intervals');
  const values = Float64Array.from({ length: 400 }, () => stream.normal());
  const {
    groups: [{ mean, low, high }],
  } = compareGroups(values, Array<string>(400).fill('all'));
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const half = 1.96 * Math.sqrt(squares / 399 / 400);
  assert.ok(Math.abs((high - low) / 2 / half - 1) < 0.08, `${(high - low) / 2} and ${half}`);
});

test('reliability agrees with scikit-learn', async () => {
  for (const { labels, probabilities, bins, rows, observed, predicted, brier, ece, mce } of probability) {
    const result = reliability(labels, Float64Array.from(probabilities), { bins });
    assert.deepEqual(
      result.bins.map((bin) => bin.rows),
      rows,
    );
    result.bins.forEach((bin, b) => (near(bin.observed, observed[b]), near(bin.predicted, predicted[b])));
    near(result.brier, brier);
    near(result.ece, ece);
    near(result.mce, mce);
  }
});

test('reliability: bins of equal rows, ends of the range, and input that is none', async () => {
  const perfect = reliability([0, 0, 1, 1], Float64Array.of(0, 0, 1, 1));
  assert.deepEqual([perfect.ece, perfect.brier, perfect.bins.length], [0, 0, 2]);
  const p = Float64Array.from({ length: 100 }, (_, i) => (i / 100) ** 4);
  const even = reliability(
    Array.from(p, (_, i) => i % 2),
    p,
    { bins: 4, by: 'rows' },
  );
  assert.deepEqual(
    even.bins.map(({ rows }) => rows),
    [25, 25, 25, 25],
  );
  const tied = reliability([0, 1, 0, 1], Float64Array.of(0.5, 0.5, 0.5, 0.5), { bins: 2, by: 'rows' });
  assert.deepEqual(tied.bins, [{ rows: 4, predicted: 0.5, observed: 0.5 }]);
  assert.throws(() => reliability([0.5], Float64Array.of(0.5)), typed('INVALID_OPTION', /labels\[0\]/));
  assert.throws(() => reliability([1], Float64Array.of(1.5)), typed('INVALID_OPTION', /probabilities\[0\]/));
  assert.throws(
    () => reliability([1], Float64Array.of(1), { bin: 3 } as object),
    typed('UNKNOWN_OPTION', /did you mean bins\?/),
  );
});
