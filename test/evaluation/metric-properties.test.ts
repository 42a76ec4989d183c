/** What every metric must do whatever it is given: bounds, symmetries, and order relations between metrics. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { metricOf } from '../../lib/evaluation/metrics.js';

const RUNS = { numRuns: 300, seed: 5 };
const CUT = ['ndcg', 'precision', 'recall', 'hitrate', 'mrr'] as const;

/** Rows of one task: few distinct labels and scores, so that ties are common; scores that float32 and sums keep exact. */
const anyRows = fc.array(fc.record({ label: fc.integer({ min: 0, max: 5 }), score: fc.integer({ min: -6, max: 6 }) }), {
  minLength: 1,
  maxLength: 14,
});
type Rows = readonly { label: number; score: number }[];
const anyK = fc.integer({ min: 1, max: 16 });

const of = (name: string, rows: Rows, change: (score: number) => number = (s) => s) =>
  metricOf(
    name,
    Float32Array.from(rows, ({ label }) => label),
    Float64Array.from(rows, ({ score }) => change(score)),
    { threshold: 3, ...(name.startsWith('ndcg') && { gain: 'exponential' as const }) },
  );
const near = (a: number, b: number, what: string) =>
  assert.ok(Object.is(a, b) || Math.abs(a - b) <= 1e-12, `${what}: ${a} is not ${b}`);
const names = (k: number) => [...CUT.map((name) => `${name}@${k}`), 'auc'];

test('ranking metrics: from 0 to 1, undefined only without a relevant row, the same under any increasing change of the scores', async () => {
  let defined = 0;
  fc.assert(
    fc.property(anyRows, anyK, (rows, k) => {
      const relevant = rows.filter(({ label }) => label >= 3).length;
      for (const name of names(k)) {
        const value = of(name, rows);
        const known =
          name === 'auc'
            ? relevant > 0 && relevant < rows.length
            : name.startsWith('ndcg')
              ? rows.some(({ label }) => label > 0)
              : relevant > 0;
        assert.equal(!Number.isNaN(value), known, name);
        if (known) (assert.ok(value >= 0 && value <= 1 + 1e-12, `${name} is ${value}`), defined++);
        for (const change of [(s: number) => 3 * s - 7, (s: number) => Math.exp(s), (s: number) => s ** 3 + s])
          near(of(name, rows, change), value, name);
      }
    }),
    RUNS,
  );
  assert.ok(defined > 1000);
});

test('all metrics: the order of rows in the file does not matter, not even where scores tie', async () => {
  fc.assert(
    fc.property(
      anyRows.chain((rows) =>
        fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length, maxLength: rows.length })),
      ),
      anyK,
      ([rows, shuffled], k) => {
        for (const name of [...names(k), 'mae', 'rmse']) near(of(name, shuffled), of(name, rows), name);
      },
    ),
    RUNS,
  );
});

test('ranking metrics: the ideal order gets the most, a constant score lies between it and its reverse', async () => {
  fc.assert(
    fc.property(anyRows, anyK, (rows, k) => {
      const ideal = rows.map(({ label }) => ({ label, score: label }));
      const worst = rows.map(({ label }) => ({ label, score: -label }));
      const constant = rows.map(({ label }) => ({ label, score: 0 }));
      for (const name of names(k)) {
        const [most, least] = [of(name, ideal), of(name, worst)];
        if (Number.isNaN(most)) continue;
        for (const value of [of(name, rows), of(name, constant)])
          assert.ok(value <= most + 1e-12 && value >= least - 1e-12, `${name}: ${least} … ${value} … ${most}`);
        if (name.startsWith('ndcg') || name === 'auc' || name.startsWith('mrr') || name.startsWith('hitrate'))
          near(most, 1, name);
      }
      const auc = of('auc', rows);
      if (!Number.isNaN(auc))
        near(
          of('auc', rows, (s) => -s),
          1 - auc,
          'auc of the reverse',
        );
    }),
    RUNS,
  );
});

test('ranking metrics: hits grow with k, and precision, recall and hit rate tell of the same hits', async () => {
  fc.assert(
    fc.property(anyRows, (rows) => {
      const relevant = rows.filter(({ label }) => label >= 3).length;
      fc.pre(relevant > 0);
      for (const name of ['recall', 'hitrate', 'mrr']) {
        let last = 0;
        for (let k = 1; k <= rows.length + 1; k++) {
          const value = of(`${name}@${k}`, rows);
          assert.ok(value >= last - 1e-12, `${name}@${k}`);
          last = value;
        }
        if (name !== 'mrr') near(last, 1, name);
      }
      for (let k = 1; k <= rows.length; k++) {
        const hits = of(`precision@${k}`, rows) * k;
        near(hits, of(`recall@${k}`, rows) * relevant, 'hits');
        assert.ok(of(`hitrate@${k}`, rows) <= hits + 1e-12);
        assert.ok(of(`mrr@${k}`, rows) <= of(`hitrate@${k}`, rows) + 1e-12);
      }
      near(of('precision@1', rows), of('hitrate@1', rows), 'at 1');
    }),
    RUNS,
  );
});

test('without ties: the metrics of one order, counted one by one', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 14 }), anyK, (labels, k) => {
      const rows = labels.map((label, i) => ({ label, score: -i }));
      const relevant = labels.map((label) => label >= 3);
      const count = (list: boolean[]) => list.filter(Boolean).length;
      fc.pre(count(relevant) > 0);
      near(of(`recall@${k}`, rows), count(relevant.slice(0, k)) / count(relevant), 'recall');
      const first = relevant.indexOf(true);
      near(of(`mrr@${k}`, rows), first < k ? 1 / (first + 1) : 0, 'mrr');
      const dcg = (list: number[]) =>
        list.slice(0, k).reduce((sum, label, i) => sum + (2 ** label - 1) / Math.log2(i + 2), 0);
      near(of(`ndcg@${k}`, rows), dcg(labels) / dcg([...labels].sort((a, b) => b - a)), 'ndcg');
      let [pairs, right] = [0, 0];
      relevant.forEach((good, i) =>
        relevant.forEach((other, j) => good && !other && (pairs++, (right += Number(i < j)))),
      );
      near(of('auc', rows), pairs === 0 ? NaN : right / pairs, 'auc');
    }),
    RUNS,
  );
});

test('rating metrics: mean ≤ root mean square ≤ largest error, zero only without error, linear in scale, blind to a shift of both', async () => {
  fc.assert(
    fc.property(anyRows, fc.integer({ min: 1, max: 50 }), (rows, c) => {
      const [mae, rmse] = [of('mae', rows), of('rmse', rows)];
      const errors = rows.map(({ label, score }) => Math.abs(label - score));
      assert.ok(mae <= rmse + 1e-12 && rmse <= Math.max(...errors) + 1e-12);
      assert.equal(
        mae === 0,
        errors.every((e) => e === 0),
      );
      for (const [name, value] of [
        ['mae', mae],
        ['rmse', rmse],
      ] as const) {
        near(
          of(
            name,
            rows.map(({ label, score }) => ({ label: label + c, score: score + c })),
          ),
          value,
          'shift',
        );
        const scaled = of(
          name,
          rows.map(({ label, score }) => ({ label: c * label, score: c * score })),
        );
        assert.ok(Math.abs(scaled - c * value) <= 1e-10 * (1 + scaled), 'scale');
      }
    }),
    RUNS,
  );
});
