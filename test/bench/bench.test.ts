/** `innerloop bench`: what it counts, by hand; what it reports, by a real process. No timing is asserted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import type { BenchReport } from '../../lib/bench/bench.js';
import { plan } from '../../lib/bench/cases.js';
import { digits, duration } from '../../lib/charts/format.js';
import { chosenForm, countOperations, workingSet } from '../../lib/bench/operations.js';
import type { LinearShape, Work } from '../../lib/bench/operations.js';
import { layersOf, prepareProblem, relativeError } from '../../lib/bench/problem.js';
import { quantiles } from '../../lib/bench/timing.js';
import { main } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-bench-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'bench', ...args], { cwd: folder, encoding: 'utf8', timeout: 120_000 });
const layer = (inputs: number, outputs: number, adapted = true): LinearShape => ({
  inputs,
  outputs,
  weight: adapted,
  bias: adapted,
});

// ----------------------------------------------------------------------------------------------- operations by hand

test('operations of a linear model in the direct form', async () => {
  // 3 → 2, 4 support rows, 5 query rows: a product with the layer is 6 multiply-adds a row.
  const work: Work = { layers: [layer(3, 2)], support: 4, query: 5, steps: 2, order: 1 };
  const step = 4 * 6 + 4 * 6; // forward; gradient of the weight
  const query = 5 * 6 + 5 * 6; // forward; gradient of the weight
  assert.equal(countOperations(work, 'direct'), 2 * (2 * step + query));
  // A Hessian-vector product: along the weight, and the gradient's derivative in the weight. Nothing lies below.
  const product = 4 * 6 + 4 * 6;
  assert.equal(countOperations({ ...work, order: 2 }, 'direct'), 2 * (2 * step + query + 2 * product));
});

test('operations of a linear model in the Gram form', async () => {
  const work: Work = { layers: [layer(3, 2)], support: 4, query: 5, steps: 2, order: 1 };
  const setUp = 4 * 6 + 4 * 4 * 3; // A W; A Aᵀ
  const steps = 1 * (4 * 4 * 2); // A Aᵀ R from the second step on
  const query = 5 * 6 + 5 * 4 * 3 + 5 * 4 * 2 + 5 * 6; // X W; X Aᵀ; times R; Xᵀ P
  assert.equal(countOperations(work, 'gram'), 2 * (setUp + steps + query));
  const reverse = 4 * 6 + 4 * 5 * 2 + 1 * (4 * 4 * 2); // Aᵀ U; A Xᵀ P; A Aᵀ U but for the last step, whose U is 0
  assert.equal(countOperations({ ...work, order: 2 }, 'gram'), 2 * (setUp + steps + query + reverse));
  // One step needs no A Aᵀ at all.
  assert.equal(countOperations({ ...work, steps: 1, order: 2 }, 'gram'), 2 * (4 * 6 + query + 4 * 6 + 4 * 5 * 2));
});

test('operations of two layers, both adapted, in the direct form', async () => {
  // 3 → 2 → 1: products of 6 and 2 multiply-adds a row. The lower layer never needs the gradient of its rows.
  const work: Work = { layers: [layer(3, 2), layer(2, 1)], support: 4, query: 5, steps: 1, order: 1 };
  const step = 4 * (6 + 2) + 4 * 6 + 4 * (2 + 2);
  const query = 5 * (6 + 2) + 5 * 6 + 5 * (2 + 2);
  assert.equal(countOperations(work, 'direct'), 2 * (step + query));
  // Below: direction, weight. Above: direction and tangent; weight twice; rows twice.
  const product = 4 * (6 + 6) + 4 * (2 + 2 + 2 + 2 + 2 + 2);
  assert.equal(countOperations({ ...work, order: 2 }, 'direct'), 2 * (step + query + product));
});

test('operations where only the last layer adapts: what lies below runs once', async () => {
  const work: Work = { layers: [layer(3, 2, false), layer(2, 1)], support: 4, query: 5, steps: 3, order: 2 };
  const prefix = 4 * 6;
  const step = 4 * 2 + 4 * 2; // forward; weight
  const query = 5 * (6 + 2) + 5 * 6 + 5 * (2 + 2);
  const product = 4 * (2 + 2 + 2 + 2); // direction; weight; rows along z and along the direction
  const below = 4 * 6; // the slow weight's gradient, from the summed adjoints
  assert.equal(countOperations(work, 'direct'), 2 * (prefix + 3 * step + query + 3 * product + below));
});

test('the form follows the rule of the core', async () => {
  const work: Work = { layers: [layer(256, 64), layer(64, 1)], support: 20, query: 10, steps: 5, order: 2 };
  assert.equal(chosenForm(work), 'gram');
  // More rows than the weight has inputs: S² H outgrows S D H.
  assert.equal(chosenForm({ ...work, layers: [layer(16, 64), layer(64, 1)], support: 200 }), 'direct');
  assert.equal(
    chosenForm({ ...work, layers: [{ ...layer(256, 64), bias: false }, layer(64, 1)] }),
    'direct',
    'needs weight and bias',
  );
  assert.equal(chosenForm({ ...work, steps: 0 }), 'direct');
  // By hand, one step: direct 4 S D H + 2 Q D H + D H, Gram 2 S D H + 2 Q D H + Q S D + 2 S² H; S = 8, Q = 1, D = 2, H = 4, K = 1.
  assert.equal(
    chosenForm({ layers: [layer(2, 4)], support: 8, query: 1, steps: 1, order: 2 }),
    'direct',
    '280 against 672',
  );
});

test('the working set grows with steps at second order, not at first', async () => {
  const work: Work = {
    layers: [layer(256, 64), layer(64, 64), layer(64, 1)],
    support: 20,
    query: 10,
    steps: 1,
    order: 1,
  };
  const at = (steps: number, order: 1 | 2) => workingSet({ ...work, steps, order }, 4, 'direct');
  assert.equal(at(1, 1), at(10, 1));
  const adapted = 256 * 64 + 64 + 64 * 64 + 64 + 64 + 1;
  assert.equal(
    at(2, 2) - at(1, 2),
    4 * (adapted + 64 * 64 + 20 * 2 * (2 * 64 + 2 * 64 + 1)),
    'one more θ, one more transpose and one more set of activations',
  );
  assert.equal(workingSet(work, 8), 2 * workingSet(work, 4));
});

// --------------------------------------------------------------------------------------------------- cases and sums

test('a sweep changes one factor, and shares the base case', async () => {
  const { cases, base, sweeps } = plan(['support', 'steps', 'threads'], 2);
  assert.deepEqual(
    base.map((p) => cases[p].steps),
    [1, 5],
  );
  assert.deepEqual(cases[base[0]].hidden, [64, 64]);
  const [support, steps, threads] = sweeps;
  assert.deepEqual(
    support.series.map(({ points }) => points.map((p) => cases[p].support)),
    [support.values, support.values],
  );
  for (const p of support.series[0].points) assert.deepEqual({ ...cases[p], support: 20 }, cases[base[0]]);
  assert.equal(support.series[1].points[support.values.indexOf(20)], base[1]);
  assert.deepEqual(
    steps.series.map(({ points }) => points.map((p) => cases[p].steps)),
    [[1, 2, 5, 10]],
  );
  assert.deepEqual(threads.values, [1, 2]);
  assert.equal(new Set(cases.map((c) => JSON.stringify(c))).size, cases.length, 'no point twice');
});

test('quantiles, digits and units', async () => {
  const { q0, q10, q50, q100 } = quantiles([5, 1, 4, 2, 3], 10);
  assert.deepEqual([q0, q10, q50, q100], [10, 14, 30, 50]);
  assert.equal(quantiles([7]).q90, 7);
  assert.deepEqual([0.01234, 1.234, 12.34, 1234].map(digits), ['0.0123', '1.23', '12.3', '1234']);
  assert.equal(duration(46.8e-6), '46.8 µs');
});

test('a wrong gradient is seen', async () => {
  assert.equal(relativeError([1, 2, 4], [1, 2, 5]), 0.2);
  assert.ok(!(relativeError([Number.NaN], [1]) <= 1), 'NaN is not close to anything');
});

test('a problem is seeded, and its two ways of calling agree', async () => {
  const small = { inputs: 6, hidden: [4], support: 3, query: 2, tasks: 5, steps: 2, threads: 1 };
  const [one, same, other] = await Promise.all([7, 7, 8].map((seed) => prepareProblem(small, 'float64', 'all', seed)));
  const loss = (await one.native(2)()).loss;
  assert.equal((await same.native(2)()).loss, loss);
  assert.notEqual((await other.native(2)()).loss, loss);
  assert.equal(((await one.api(2)()) as { loss: number }).loss, loss);
  assert.deepEqual(
    layersOf(small, 'last').map(({ weight }) => weight),
    [false, true],
  );
});

// -------------------------------------------------------------------------------------------------- a real process

test('bench --quick --json gives numbers that fit together, and a page that needs nothing else', async () => {
  const { status, stdout, stderr } = run(
    '--quick',
    '--json',
    '--vary',
    'steps,threads',
    '--threads',
    '2',
    '--html',
    'page.html',
  );
  assert.equal(status, 0, stderr);
  const report = JSON.parse(stdout) as BenchReport;
  assert.ok(report.machine.peak > 0 && report.machine.isa !== '' && report.version !== '' && report.seed === 1);
  assert.deepEqual(
    report.sweeps.map(({ factor }) => factor),
    ['steps', 'threads'],
  );
  assert.equal(report.base.length, 2);
  assert.ok(report.points.length >= 2 + 2 + 2 + 2);
  for (const {
    case: { steps, tasks },
    first,
    second,
    ratio,
    ratios,
  } of report.points) {
    assert.equal(ratio, second.time.q50 / first.time.q50);
    assert.ok(ratios.q10 > 0 && ratios.q10 <= ratios.q90);
    assert.ok(second.operations > first.operations && second.directOperations > first.directOperations, `K = ${steps}`);
    for (const cost of [first, second]) {
      const {
        time,
        cpu,
        cores,
        gflops,
        percentOfPeak,
        percentOfPeakByCpu,
        operations,
        rounds,
        workingSet: scratch,
      } = cost;
      assert.ok(rounds >= 8 && tasks >= 1 && cpu >= 0 && cores >= 0 && scratch > 0);
      assert.ok(
        0 < time.q0 && time.q0 <= time.q10 && time.q10 <= time.q50 && time.q50 <= time.q90 && time.q90 <= time.q100,
      );
      assert.ok(Math.abs(gflops - operations / time.q50 / 1e9) <= 1e-9 * gflops);
      assert.ok(percentOfPeak > 0 && percentOfPeak < 130, `${percentOfPeak} % of the peak`);
      assert.ok(percentOfPeakByCpu > 0, `${percentOfPeakByCpu} % by CPU time`);
    }
  }
  for (const p of report.api) assert.equal(report.points[p].through, 'api');
  checkPage(fs.readFileSync(join(folder, 'page.html'), 'utf8'));
});

function checkPage(html: string): void {
  assert.match(html, /^<!doctype html>/);
  assert.doesNotMatch(html, /https?:\/\/|<script|<link|<img|@import|url\(|src=/i, 'nothing is loaded');
  assert.match(html, /name="viewport"/);
  assert.match(html, /prefers-color-scheme:dark/);
  assert.equal((html.match(/<figure>/g) ?? []).length, 8, 'four charts a factor');
  assert.doesNotMatch(html, /NaN|undefined|Infinity|\[object/);
  // Every element that is opened is closed, in order.
  const open: string[] = [];
  for (const [, close, name, rest] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g)) {
    if (name === 'meta' || rest.endsWith('/')) continue;
    if (close === '') open.push(name);
    else assert.equal(open.pop(), name, `</${name}>`);
  }
  assert.deepEqual(open, []);
}

test('the table is plain text without a terminal, and float64 and other parameters work', async () => {
  const { status, stdout, stderr } = run(
    '--quick',
    '--precision',
    'float64',
    '--adapt',
    'mlp.1.*,mlp.2.*',
    '--seed',
    '3',
  );
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stdout, /\u001b/);
  assert.match(stdout, /float64[^]*adapted: mlp\.1\.\*, mlp\.2\.\*; seed 3/);
  const lines = stdout.split('\n').filter((line) => /^(native core|metaGradient\(\))/.test(line));
  assert.equal(lines.length, 8);
  assert.match(stderr, /--vary all/);
});

test('options that are wrong: code 2, a suggestion, nothing measured', async () => {
  const fails = (code: number, pattern: RegExp, ...args: string[]) => {
    const { status, stdout, stderr } = run(...args);
    assert.equal(status, code, stderr);
    assert.match(stderr, pattern);
    assert.equal(stdout, '');
  };
  fails(2, /--vary[^]*did you mean width\?[^]*"widht"/, '--vary', 'widht');
  fails(2, /did you mean support\?/, '--vary', 'steps,suport');
  fails(2, /--precision[^]*did you mean float32\?/, '--precision', 'float23');
  fails(2, /UNKNOWN_OPTION[^]*did you mean mlp\.0\.weight\?/, '--adapt', 'mlp.0.wieght');
  // The model with one hidden layer has no third one.
  fails(2, /UNKNOWN_OPTION[^]*mlp\.2/, '--vary', 'depth', '--adapt', 'mlp.2.*');
  fails(2, /--threads/, '--threads', '0');
  fails(1, /IO --html[^]*folder that exists/, '--html', join('no', 'such', 'page.html'));
});
