/** From runs to a table: intervals, rows, and what a comparison's configuration may say. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { likenessNotes } from '../../lib/cli/contenders.js';
import { readComparison, readLearners } from '../../lib/cli/learners.js';
import { merged } from '../../lib/cli/merged.js';
import { compareRuns } from '../../lib/compare/runs.js';
import type { MethodRun } from '../../lib/compare/runs.js';
import { bootstrapIntervals } from '../../lib/compare/bootstrap.js';
import { renderComparison, renderComparisonMarkdown } from '../../lib/compare/comparison-table.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { meanInterval } from '../../lib/evaluation/intervals.js';
import { random } from '../../lib/foundation/random.js';
import type { Random } from '../../lib/foundation/random.js';

const root = packageRoot();

test('bootstrap intervals: near those of Student where both hold, exact where nothing varies, paired by shared draws', async () => {
  const stream = random(1, 'values');
  const values = Float64Array.from({ length: 200 }, () => stream.normal());
  const shifted = values.map((value) => value + 0.01);
  const [own, constant, difference] = bootstrapIntervals([
    values,
    new Float64Array(200).fill(3),
    shifted.map((value, t) => value - values[t]),
  ]);
  const student = meanInterval(values);
  assert.ok(Math.abs(own.mean - student.mean) < 1e-12);
  for (const end of ['low', 'high'] as const)
    assert.ok(
      Math.abs(own[end] - student[end]) < 0.1 * (student.high - student.low),
      `${own[end]} and ${student[end]}`,
    );
  assert.deepEqual(constant, { mean: 3, low: 3, high: 3, tasks: 200 });
  assert.ok(
    difference.low > 0.009 && difference.high < 0.011,
    'a difference of every task is certain, however much the tasks differ',
  );
  assert.deepEqual(bootstrapIntervals([values]), bootstrapIntervals([values]), 'the same draws every time');
  assert.notDeepEqual(bootstrapIntervals([values]), bootstrapIntervals([values], { seed: 1 }));
});

test('bootstrap intervals hold the mean as often as they say, of few tasks and of skewed ones too: by simulation', async () => {
  const TRIALS = 1000;
  const draws: Record<string, [mean: number, draw: (stream: Random) => number]> = {
    normal: [0, (stream) => stream.normal()],
    // As ratings' errors are: many small ones, few large.
    exponential: [1, (stream) => -Math.log(1 - stream.uniform())],
    // As precision@5 is.
    fifths: [0.4, (stream) => (stream.uniform() < 0.5 ? 0.2 : stream.uniform() < 0.5 ? 0.4 : 0.8)],
  };
  for (const [name, [mean, draw]] of Object.entries(draws)) {
    for (const [tasks, least] of [
      [10, name === 'exponential' ? 0.9 : 0.93],
      [20, name === 'exponential' ? 0.92 : 0.93],
      [90, 0.93],
    ]) {
      const columns = Array.from({ length: TRIALS }, (_, k) => {
        const stream = random(9, `${name} ${tasks}`, k);
        return Float64Array.from({ length: tasks }, () => draw(stream));
      });
      const found = bootstrapIntervals(columns, { resamples: 999 });
      const held = found.filter(({ low, high }) => low <= mean && mean <= high).length / TRIALS;
      assert.ok(held >= least && held <= 0.975, `${name}, ${tasks} tasks: ${held}`);
    }
  }
});

test('bootstrap intervals: tasks without a value are left out, and one value has no spread', async () => {
  const [some, one, none] = bootstrapIntervals([
    Float64Array.of(1, NaN, 3, 5),
    Float64Array.of(NaN, 7, NaN, NaN),
    new Float64Array(4).fill(NaN),
  ]);
  assert.equal(some.mean, 3);
  assert.equal(some.tasks, 3);
  assert.ok(some.low >= 1 && some.high <= 5 && some.low < some.high);
  assert.deepEqual(one, { mean: 7, low: NaN, high: NaN, tasks: 1 });
  assert.deepEqual(none, { mean: NaN, low: NaN, high: NaN, tasks: 0 });
  assert.throws(
    () => bootstrapIntervals([new Float64Array(2), new Float64Array(3)]),
    /columns\[1\]: not one value a task/,
  );
  assert.throws(() => bootstrapIntervals([new Float64Array(2)], { resample: 9 } as object), /did you mean resamples/);
});

const runOf = (method: string, mae: (number | null)[], more: Partial<MethodRun> = {}): MethodRun => ({
  method,
  kind: 'learner',
  seed: 1,
  sets: { test: { mae } },
  validation: { mae: 1 },
  trainSeconds: 2,
  memory: { peak: 2e8, data: 1e8 },
  adaptMicroseconds: 50,
  parameters: 1234,
  epoch: 3,
  ...more,
});

test('runs become rows: seeds are averaged task by task, costs summed up, the learner chosen by validation', async () => {
  const table = compareRuns([
    runOf('first', [1, 2, 3]),
    runOf('second', [1, 1, 2], { validation: { mae: 0.9 }, trainSeconds: 1 }),
    runOf('second', [1, 3, 2], {
      seed: 2,
      validation: { mae: 0.7 },
      trainSeconds: 3,
      memory: { peak: 3e8, data: 1e8 },
    }),
    runOf('best on test', [0, 0, null], { validation: { mae: 2 } }),
    runOf('bias', [0.1, 0.1, 0.1], { kind: 'baseline', seed: null, validation: { mae: 0.1 }, parameters: null }),
  ]);
  assert.equal(table.reference, 'first');
  assert.equal(table.chosen, 'second', 'neither the best on test nor a baseline');
  assert.deepEqual(table.columns, [{ set: 'test', metric: 'mae', better: 'lower' }]);
  const [first, second, best, bias] = table.methods;
  assert.equal(first.cells[0]!.mean, 2);
  assert.equal(first.differences[0], null);
  assert.ok(Math.abs(second.cells[0]!.mean - 5 / 3) < 1e-12);
  assert.ok(Math.abs(second.differences[0]!.mean + 1 / 3) < 1e-12);
  assert.deepEqual(second.seeds, [1, 2]);
  assert.ok(Math.abs(second.seedDeviations[0]! - Math.SQRT1_2 * (2 / 3)) < 1e-12);
  assert.ok(Math.abs(second.validation! - 0.8) < 1e-12);
  assert.equal(second.trainSeconds, 2);
  assert.equal(second.peakBytes, 3e8);
  assert.equal(best.cells[0]!.tasks, 2);
  assert.equal(bias.parameters, null);
  assert.deepEqual(JSON.parse(JSON.stringify(table)), table, 'plain JSON');
  const text = renderComparison(table);
  assert.match(text, /^best on test +0\.0000 ± 0\.0000 \* +2\.0000 +2\.00 +200 +50 +1,234$/m);
  assert.match(text, /^second +−0\.3333 \[[−+]\d\.\d{4}, [−+]\d\.\d{4}\]$/m);
  assert.match(text, /Best learner by validation mae: second\./);
  assert.match(text, /Means over the seeds 1, 2; the mae of one method deviates by at most 0\.4714/);
  assert.match(renderComparisonMarkdown(table), /^\| best on test \| \*\*0\.0000 ± 0\.0000\*\* \| 2\.0000 /m);
});

test('a failed run is a row with its reason, and what its other seeds came to is no mean', async () => {
  const failed = { failed: { code: 'DIVERGED', message: 'epoch 1, task u3: not finite' }, sets: {}, validation: {} };
  const table = compareRuns([
    runOf('a', [], failed),
    runOf('b', [1, 2]),
    runOf('c', [0, 0], { validation: { mae: 0 } }),
    runOf('c', [], { ...failed, seed: 2 }),
  ]);
  assert.equal(table.reference, 'b');
  assert.equal(table.chosen, 'b', 'not the one that would be best without its failed seed');
  assert.deepEqual(table.methods[0].failures, ['seed 1: DIVERGED epoch 1, task u3: not finite']);
  const c = table.methods[2];
  assert.deepEqual([c.cells[0], c.differences[0], c.validation], [null, null, null]);
  assert.deepEqual(c.surviving, [0]);
  const text = renderComparison(table);
  assert.ok(
    text.split('\n').every((line) => [...line].length <= 100),
    text,
  );
  assert.match(text, /^a +failed: seed 1: DIVERGED epoch 1, task u3: not finite$/m);
  assert.match(
    text,
    /^c +failed: seed 2: DIVERGED [^]*its\s+other\s+runs,\s+which\s+are\s+no\s+mean:\s+mae\s+0\.0000$/m,
  );
  assert.match(text, /^b +1\.5000 ± \d\.\d+ \*/m, 'the best of those that have a mean');
  assert.match(renderComparisonMarkdown(table), /^\| a \| failed: seed 1: DIVERGED[^|]*(\|  )+\|$/m);
  assert.match(renderComparison(compareRuns([runOf('a', [], failed)])), /failed/, 'even alone');
});

test('seeds and splits are pooled: a task of two splits counts once; intervals hold what seeds add', async () => {
  const on = (split: number, tasks: string[]) => ({ split, tasks: { test: tasks } });
  const table = compareRuns([
    runOf('a', [1, 2], on(1, ['x', 'y'])),
    runOf('a', [3, 2], { ...on(1, ['x', 'y']), seed: 2 }),
    runOf('a', [4, 6], on(2, ['y', 'z'])),
    runOf('a', [4, 6], { ...on(2, ['y', 'z']), seed: 2 }),
    runOf('b', [1, 1], { ...on(1, ['x', 'y']), kind: 'baseline', seed: null }),
    runOf('b', [1, 1], { ...on(2, ['y', 'z']), kind: 'baseline', seed: null }),
  ]);
  const [a, b] = table.methods;
  // x: (1 + 3) / 2; y: 2 on the first split and 4 on the second; z: 6.
  assert.equal(a.cells[0]!.tasks, 3);
  assert.ok(Math.abs(a.cells[0]!.mean - (2 + 3 + 6) / 3) < 1e-12);
  assert.ok(Math.abs(b.differences[0]!.mean - (-1 - 2 - 5) / 3) < 1e-12);
  // Means of the seeds: 1.5 and 2.5 on the first split, 5 and 5 on the second; two degrees of freedom.
  assert.ok(Math.abs(a.seedDeviations[0]! - 0.5) < 1e-12);
  assert.ok(Math.abs(a.splitDeviations[0]! - Math.abs(2 - 5) / Math.SQRT2) < 1e-12);
  assert.deepEqual([b.seedDeviations[0], a.seeds], [null, [1, 2]]);
  assert.match(renderComparison(table), /Means over the splits too: .* counts once; the mae [^]* at most\s+2\.1213/);

  // One split; the seeds differ by one in every task, the tasks not at all: all of the interval is the seeds'.
  const flat = compareRuns([runOf('a', [1, 1, 1]), runOf('a', [2, 2, 2], { seed: 2 }), runOf('b', [1, 1, 1])]);
  const half = (1.959963984540054 * Math.SQRT1_2) / Math.SQRT2;
  const { low, high } = flat.methods[0].cells[0]!;
  assert.ok(Math.abs(low! - (1.5 - half)) < 1e-9 && Math.abs(high! - (1.5 + half)) < 1e-9, `${low} ${high}`);
  assert.deepEqual(flat.methods[1].cells[0], { mean: 1, low: 1, high: 1, tasks: 3 });
  const difference = flat.methods[1].differences[0]!;
  assert.ok(difference.low! < -0.5 && difference.high! > 0, 'of the reference too');

  assert.throws(
    () => compareRuns([runOf('a', [1], { split: 1 }), runOf('a', [1], { split: 2 })]),
    /several splits without the names of its tasks/,
  );
});

test('a learner at chance is flagged, by the metric that is chosen by', async () => {
  const chance = runOf('chance', [1, 1.1, 0.9, 1], { kind: 'chance', seed: null, validation: {} });
  const table = compareRuns([runOf('good', [0.5, 0.6, 0.4, 0.5]), runOf('poor', [0.9, 1.2, 0.9, 1.05]), chance], 'mae');
  assert.deepEqual(
    table.methods.map(({ method, atChance }) => [method, atChance]),
    [
      ['good', false],
      ['poor', true],
    ],
    'and chance itself is no row',
  );
  assert.match(renderComparison(table), /^poor \(at chance\) /m);
  assert.match(renderComparison(table), /^At chance: poor: no better than one value for every row/m);
  assert.equal(compareRuns([runOf('good', [1, 2])]).methods[0].atChance, null, 'where nobody measured it');
});

test('runs on different tasks are refused, and so is nothing', async () => {
  assert.throws(
    () => compareRuns([runOf('a', [1, 2]), runOf('b', [1, 2, 3])]),
    (error: unknown) =>
      error instanceof InnerloopError && /b\.test\.mae: on other tasks; got 3; expected 2 tasks/.test(error.message),
  );
  assert.throws(
    () => compareRuns([]),
    (error: unknown) => error instanceof InnerloopError && error.code === 'EMPTY_DATA',
  );
});

test('changes to a configuration: option by option, but lists and other names replace', async () => {
  const base = {
    algorithm: { name: 'maml', steps: 5, adapt: ['a', 'b'] },
    model: { hidden: [8], activation: 'tanh', loss: 'mse' },
    training: { hide: { item: 0.5 } },
  };
  assert.deepEqual(merged(base, { algorithm: { name: 'maml', adapt: ['c'] } }), {
    ...base,
    algorithm: { name: 'maml', steps: 5, adapt: ['c'] },
  });
  assert.deepEqual(merged(base, { algorithm: { name: 'ridge' } }), { ...base, algorithm: { name: 'ridge' } });
  assert.deepEqual(merged(base, { training: { epochs: 3, hide: { user: 0.1 } } }), {
    ...base,
    training: { epochs: 3, hide: { item: 0.5, user: 0.1 } },
  });
  assert.deepEqual(merged(base, { model: { body: { kind: 'mlp', hidden: [4] } } }), {
    ...base,
    model: { loss: 'mse', body: { kind: 'mlp', hidden: [4] } },
  });
  assert.deepEqual(merged({ model: { body: { kind: 'mlp', hidden: [4] }, loss: 'mse' } }, { model: { hidden: [2] } }), {
    model: { hidden: [2], loss: 'mse' },
  });
  assert.equal(base.algorithm.steps, 5, 'the base stays as it is');
});

test('the bundled comparisons are valid', async () => {
  for (const path of [
    join(root, 'data', 'compare.json'),
    join(root, 'data', 'compare-models.json'),
    join(root, 'bench', 'ml-1m-compare.json'),
  ]) {
    const { learners, seeds } = await readComparison(path);
    assert.ok(learners.length >= 7 && seeds.length >= 2, path);
    assert.equal(new Set(learners.map(({ file }) => file)).size, learners.length);
  }
});

test('a learner that is only like the method of its paper is called so, or a note says it', async () => {
  const bench = readdirSync(join(root, 'bench')).filter((name) => name.endsWith('.json') && name !== 'package.json');
  let alike = 0;
  for (const path of ['data/compare.json', ...bench.map((name) => `bench/${name}`)]) {
    const { learners } = await readLearners(join(root, path));
    const runs = learners.map(({ name, config }) => ({ method: name, config }));
    assert.deepEqual(likenessNotes(runs), [], path);
    alike += runs.filter(({ method }) => /like/.test(method)).length;
    for (const { config } of runs) {
      if (config.algorithm.name !== 'mamo' || config.ensemble !== undefined) continue;
      assert.match(likenessNotes([{ method: 'MAMO', config }])[0], /^Like the method of its paper.*: MAMO \(mamo\);/);
      assert.deepEqual(likenessNotes([{ method: 'MAMO', config, baseline: 'ease' }]), [], 'a baseline has no learner');
    }
  }
  assert.ok(alike >= 20, `${alike}`);
});
