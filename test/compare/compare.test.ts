/** Comparisons: intervals, the table, the learners of a configuration, and `innerloop compare` as a stranger uses it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { fineTune } from '../../lib/algorithms/fine-tune.js';
import { joint } from '../../lib/algorithms/joint.js';
import { merged, readComparison } from '../../lib/cli/learners.js';
import { compareRuns } from '../../lib/compare/runs.js';
import type { MethodRun, RunTable } from '../../lib/compare/runs.js';
import { bootstrapIntervals } from '../../lib/compare/bootstrap.js';
import { renderComparison, renderComparisonMarkdown } from '../../lib/compare/comparison-table.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { meanInterval } from '../../lib/evaluation/intervals.js';
import { sinusoid } from '../../lib/examples/sinusoid.js';
import { trainStep } from '../../lib/training/train-step.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { packTasks } from '../../lib/batch/batch.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { commandIn, main } from '../fixtures/command.js';
import type { Ended } from '../fixtures/command.js';

const root = packageRoot();
const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-compare-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

// ------------------------------------------------------------------------------------------------- intervals and table

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

test('a failed run is a row with its reason; the rest is compared to the first that has a result', async () => {
  const failed = { failed: { code: 'DIVERGED', message: 'epoch 1, task u3: not finite' }, sets: {}, validation: {} };
  const table = compareRuns([
    runOf('a', [], failed),
    runOf('b', [1, 2]),
    runOf('c', [2, 2]),
    runOf('c', [], { ...failed, seed: 2 }),
  ]);
  assert.equal(table.reference, 'b');
  assert.deepEqual(table.methods[0].failures, ['seed 1: DIVERGED epoch 1, task u3: not finite']);
  assert.equal(table.methods[2].differences[0]!.mean, 0.5);
  const text = renderComparison(table);
  assert.match(text, /^a +failed: seed 1: DIVERGED epoch 1, task u3: not finite$/m);
  assert.match(text, /^c is without seed 2: DIVERGED/m);
  assert.match(renderComparisonMarkdown(table), /^\| a \| failed: seed 1: DIVERGED[^|]*(\|  )+\|$/m);
  assert.match(renderComparison(compareRuns([runOf('a', [], failed)])), /failed/, 'even alone');
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

// ---------------------------------------------------------------------------------------- baselines without meta-learning

function family(): { dataset: Dataset; trainRows: Int32Array; tasks: TaskSet } {
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < 30; u++) {
    const stream = random(3, 'user', u);
    const taste = stream.normal();
    for (let i = 0; i < 12; i++)
      if (stream.uniform() < 0.8)
        (user.push(u), item.push(i), label.push(3 + taste * (i % 2 === 0 ? 1 : -1) + 0.1 * stream.normal()));
  }
  const values = Array.from({ length: 12 }, (_, i) => [i % 2 === 0 ? 1 : -1]);
  const dataset = datasetFromColumns({
    user,
    item,
    label,
    itemFeatures: { id: values.map((_, i) => i), features: { side: { kind: 'dense', values } } },
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', tasks: { query: 4 } });
  return { dataset, trainRows, tasks: sets['train'] };
}

test('joint training follows the gradient over all rows and adapts to none; fine-tuning is the same, adapted', async () => {
  const { dataset, trainRows, tasks } = family();
  const model = defineModel(
    {
      inputs: describeInputs(dataset, [{ name: 'item', dim: 3 }, { name: 'side' }], trainRows),
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'mse' },
    },
    { precision: 'float64' },
  );
  const swapped: TaskSet = {
    ...tasks,
    supportOffsets: tasks.queryOffsets,
    supportRows: tasks.queryRows,
    queryOffsets: tasks.supportOffsets,
    queryRows: tasks.supportRows,
  };
  const learned = async (set: TaskSet, algorithm = joint()) => {
    const learner = createLearner({ model, algorithm, optimizer: sgd({ learningRate: 0.1 }), seed: 2 });
    for await (const _ of train(learner, set, { epochs: 5, metaBatch: 10, redraw: false }));
    return learner;
  };
  const plain = await learned(tasks);
  const other = await learned(swapped);
  const start = model.initialize(2);
  for (const [name, { data }] of Object.entries(plain.parameters())) {
    const mirrored = other.parameters()[name].data;
    assert.ok(
      data.every((value, i) => Math.abs(value - mirrored[i]) < 1e-12),
      `${name}: which half a row is in makes no difference`,
    );
    if (name.endsWith('weight'))
      assert.ok(
        data.some((value, i) => Math.abs(value - start[name].data[i]) > 1e-4),
        `${name} has learned`,
      );
  }
  assert.deepEqual(await plain.outputs(tasks, 'after'), await plain.outputs(tasks, 'before'));
  const tuned = await learned(tasks, fineTune({ steps: 5, learningRate: 0.2 }));
  assert.deepEqual(tuned.parameters(), plain.parameters(), 'training does not know of the steps');
  const error = (outputs: Float64Array) =>
    outputs.reduce((sum, output, i) => sum + Math.abs(output - dataset.label[tasks.queryRows[i]]), 0) / outputs.length;
  const [before, adapted] = [error(await tuned.outputs(tasks, 'before')), error(await tuned.outputs(tasks, 'after'))];
  assert.ok(adapted < 0.9 * before, `${adapted} adapted, ${before} not`);
  assert.throws(() => fineTune({ rates: 'perStep' } as object), /fineTune\.rates/);
  assert.throws(() => joint({ steps: 1 }), /joint\.steps: no such option/);
});

test('sinusoids: a step after meta-training beats a step of a network trained on all curves; repeatable; stops when told', async () => {
  const options = { shots: [10], iterations: 1200, testTasks: 200 };
  const results = await sinusoid(options);
  assert.deepEqual(
    results.map(({ method, shots }) => [method, shots]),
    [
      ['MAML', 10],
      ['pretrained', 10],
    ],
  );
  const [meta, plain] = results.map(({ errors }) => errors.map(({ mse }) => mse));
  assert.ok(meta[1].high < 0.75 * plain[1].low, `${meta[1].mean} against ${plain[1].mean}`);
  assert.ok(meta[3].mean < meta[1].mean, 'and it goes on learning');
  assert.deepEqual(await sinusoid({ ...options, iterations: 50 }), await sinusoid({ ...options, iterations: 50 }));
  const controller = new AbortController();
  const stopped = sinusoid({
    ...options,
    signal: controller.signal,
    onProgress: (share) => share > 0.1 && controller.abort(),
  });
  await assert.rejects(stopped, (error: unknown) => error instanceof InnerloopError && error.code === 'ABORTED');
});

test('a training step on packed tasks: the loss falls, other models and options are refused', async () => {
  const spec = {
    inputs: [{ name: 'x', kind: 'dense' as const, size: 1 }],
    body: { kind: 'mlp' as const, hidden: [4] },
    head: { loss: 'mse' as const },
  };
  const [model, other] = [defineModel(spec), defineModel(spec)];
  const tasks = [1, 2].map((slope) => {
    const rows = { inputs: { x: [[0], [1], [2]] }, labels: [0, slope, 2 * slope] };
    return { support: rows, query: rows };
  });
  const learner = createLearner({ model, algorithm: joint(), optimizer: adam({ learningRate: 0.05 }), seed: 1 });
  const batch = packTasks(model, tasks);
  const first = await trainStep(learner, batch);
  for (let i = 0; i < 100; i++) await trainStep(learner, batch, { progress: i / 100 });
  const last = await trainStep(learner, batch);
  assert.ok(
    last.loss < 0.5 * first.loss && last.taskLosses.length === 2 && last.gradientNorm < first.gradientNorm,
    `${first.loss} to ${last.loss}`,
  );
  await assert.rejects(trainStep(learner, packTasks(other, tasks)), /batch: packed for another model/);
  await assert.rejects(trainStep(learner, batch, { progres: 1 } as object), /did you mean progress/);
  await assert.rejects(trainStep({} as typeof learner, batch), /learner: not a learner/);
});

// ------------------------------------------------------------------------------------------------------ the command line

const { run, ok } = commandIn(folder);

function ratings(): string {
  const stream = random(5, 'ratings');
  const lines = ['who,what,stars'];
  for (let user = 1; user <= 40; user++) {
    const taste = 2 * stream.uniform() - 1;
    for (let item = 1; item <= 20; item++) {
      if (stream.uniform() < 0.3) continue;
      lines.push(
        `u${user},i${item},${Math.min(5, Math.max(1, Math.round(3 + 2 * taste * (item % 2 === 0 ? 1 : -1) + stream.uniform())))}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
fs.writeFileSync(join(folder, 'ratings.csv'), ratings());

interface Json {
  [key: string]: unknown;
}
const standard = (): Json => ({
  data: { interactions: { from: 'ratings.csv', user: 'who', item: 'what', label: 'stars' } },
  split: { protocol: 'users', validation: 0.2, test: 0.2, tasks: { min: 8, query: 5 } },
  model: { inputs: [{ name: 'item', dim: 4 }], hidden: [8] },
  algorithm: { name: 'maml', steps: 3, learningRate: 0.1 },
  optimizer: { name: 'adam', learningRate: 0.01 },
  training: { epochs: 3, metaBatch: 8 },
  evaluation: { metrics: ['mae', 'ndcg@3'], baselines: ['itemMean', 'popularity'] },
  learners: [
    { name: 'MAML' },
    { name: 'Ridge, closed form', algorithm: { name: 'ridge' }, model: { activation: 'identity' } },
    { name: 'wild', algorithm: { name: 'fomaml', learningRate: 1e30 } },
  ],
  seeds: [3, 4],
  seed: 3,
});
let made = 0;
function config(change: (config: Json) => void = () => undefined): string {
  const value = standard();
  change(value);
  const path = join(folder, `config-${made++}.json`);
  fs.writeFileSync(path, JSON.stringify(value));
  return path;
}
const output = () => join(folder, `run-${made++}`);
const json = <T>(...path: string[]) => JSON.parse(fs.readFileSync(join(...path), 'utf8')) as T;

const compared = output();
const configured = config();
/** Files of single runs, and what is in them. */
const files = (out: string) =>
  Object.fromEntries(
    fs.readdirSync(join(out, 'compare')).map((name) => [name, fs.readFileSync(join(out, 'compare', name), 'utf8')]),
  );

test('compare: one table of all learners and baselines, the diverged one too; the numbers are those of train', async () => {
  const { stdout, stderr } = ok('compare', '-c', configured, '-o', compared);
  assert.match(stdout, /^MAML +\d\.\d{4} ± \d\.\d{4} /m);
  assert.match(stdout, /^wild +failed: seed 3: DIVERGED epoch 1, task u\d+: .*; seed 4: DIVERGED/m);
  assert.match(stdout, /^popularity +- +\d\.\d{4}/m, 'a ranking has no mae');
  assert.match(stdout, /^minus MAML +mae/m);
  assert.match(stderr, /Ridge, closed form, seed 4: \d+\.\d s {2}epoch [123] {2}validation mae \d/);
  assert.doesNotMatch(stdout + stderr, /\u001b/, 'no escape codes without a terminal');
  const table = json<RunTable & { missing: string[] }>(compared, 'compare.json');
  assert.deepEqual(table.missing, []);
  assert.deepEqual(
    table.methods.map(({ method }) => method),
    ['MAML', 'Ridge, closed form', 'wild', 'item mean', 'popularity'],
  );
  assert.ok(fs.readFileSync(join(compared, 'compare.md'), 'utf8').startsWith('| method | mae |'));
  // The first learner with the first seed is the configuration itself.
  const alone = output();
  ok('train', '-c', configured, '-o', alone);
  const { run: one } = json<{ run: MethodRun }>(compared, 'compare', 'maml.seed-3.json');
  const { sets } = json<{ sets: { methods: { method: string; metrics: Record<string, { mean: number }> }[] }[] }>(
    alone,
    'evaluation.json',
  );
  const means = Object.fromEntries(sets[0].methods.map(({ method, metrics }) => [method, metrics['mae']?.mean]));
  const values = one.sets['test']['mae'] as number[];
  assert.ok(Math.abs(values.reduce((a, b) => a + b) / values.length - means['maml']) < 1e-12);
  const baseline = table.methods.find(({ method }) => method === 'item mean')!;
  assert.ok(Math.abs(baseline.cells[0]!.mean - means['item mean']) < 1e-12);
  const { parameters } = json<{ model: { parameters: number } }>(alone, 'manifest.json').model;
  assert.equal(one.parameters, parameters);
  assert.ok(
    one.memory.data > 1e7 && one.memory.peak >= one.memory.data && one.adaptMicroseconds! > 0 && one.trainSeconds > 0,
  );
});

test('what is done is not done again, unless it changed, or --fresh', async () => {
  const before = files(compared);
  const again = ok('compare', '-c', configured, '-o', compared);
  assert.match(again.stderr, /8 of 8 runs are done/);
  assert.deepEqual(files(compared), before);
  const changed = config((c) => ((c['learners'] as Json[])[0]['training'] = { epochs: 2 }));
  const partly = ok('compare', '-c', changed, '-o', compared, '--json')
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; method: string; seed: number });
  assert.deepEqual(
    partly.map(({ event, method, seed }) => [event, method, seed]),
    [
      ['run', 'MAML', 3],
      ['run', 'MAML', 4],
      ['result', undefined, undefined],
    ],
  );
  const { stdout, stderr } = ok('compare', '-c', configured, '-o', compared, '--only', 'ridge-closed-form', '--fresh');
  assert.match(stderr, /Ridge, closed form, seed 3/);
  assert.doesNotMatch(stdout, /^MAML/m);
  const runs = (one: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(one).map(([name, text]) => [name, (JSON.parse(text) as { run: MethodRun }).run.sets]),
    );
  assert.deepEqual(
    runs(files(compared))['ridge-closed-form.seed-3.json'],
    runs(before)['ridge-closed-form.seed-3.json'],
    'the same to the bit',
  );
});

test('refit and median decoding: as in train, for learners and baselines', async () => {
  const path = config((c) => {
    c['training'] = { epochs: 2, metaBatch: 8, refit: true };
    (c['evaluation'] as Json)['calibration'] = true;
    c['learners'] = [{ name: 'MAML' }];
    c['seeds'] = [3];
  });
  const [out, alone] = [output(), output()];
  const { stdout } = ok('compare', '-c', path, '-o', out);
  assert.match(stdout, /^method +mae +ndcg@3 +mae, median/m);
  ok('train', '-c', path, '-o', alone);
  const { sets } = json<{ sets: { methods: { method: string; metrics: Record<string, { mean: number }> }[] }[] }>(
    alone,
    'evaluation.json',
  );
  const of = (name: string) => sets[0].methods.find(({ method }) => method === name)!.metrics['mae'].mean;
  const { methods } = json<RunTable>(out, 'compare.json');
  const expected = [
    [of('maml'), of('maml, median')],
    [of('item mean'), of('item mean, median')],
  ];
  expected.forEach((row, m) =>
    row.forEach((mean, c) =>
      assert.ok(Math.abs(methods[m].cells[2 * c]!.mean - mean) < 1e-12, `${methods[m].method} ${c}`),
    ),
  );
});

test('Ctrl-C ends with 130 and leaves the table of what is done; the same command goes on', async () => {
  const path = config((c) => {
    c['learners'] = [
      { name: 'quick', training: { epochs: 1 } },
      { name: 'long', training: { epochs: 100_000 } },
    ];
    c['seeds'] = [3];
  });
  const out = output();
  const stopped = await new Promise<Ended>((done) => {
    // A group of its own, as a terminal makes one: the interrupt reaches the run's process too.
    const child = spawn(process.execPath, [main, 'compare', '-c', path, '-o', out], { cwd: folder, detached: true });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (/quick, seed 3: /.test(text)) setTimeout(() => process.kill(-child.pid!, 'SIGINT'), 300);
    });
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /3 of 4 runs are missing/);
  assert.match(stopped.stderr, /to go on: innerloop compare --config/);
  assert.match(stopped.stdout, /^quick +\d\.\d{4}/m);
  const { missing, methods } = json<RunTable & { missing: string[] }>(out, 'compare.json');
  assert.deepEqual(missing, ['long, seed 3', 'itemMean', 'popularity']);
  assert.deepEqual(
    methods.map(({ method }) => method),
    ['quick'],
  );
  const { stderr } = ok('compare', '-c', path, '-o', out, '--only', 'quick');
  assert.match(stderr, /1 of 3 runs are done/);
});

test('a learner that cannot run is a row with its reason, and exit code 1; the others are done', async () => {
  const path = config((c) => {
    c['learners'] = [{ name: 'lost', model: { inputs: [{ name: 'itm', dim: 4 }] } }, { name: 'MAML' }];
    c['seeds'] = [3];
    c['evaluation'] = { metrics: ['mae'], baselines: ['popularity'] };
  });
  const { code, stdout, stderr } = run('compare', '-c', path, '-o', output());
  assert.equal(code, 1, stderr);
  assert.match(
    stdout,
    /^lost +failed: seed 3: MISSING_COLUMN model\.inputs\[0\]\.name: no such column; did you mean item\?/m,
  );
  assert.match(stdout, /^MAML +\d\.\d{4}/m);
  assert.match(stdout, /^popularity +- +- /m, 'a ranking alone has no mae');
  assert.match(stderr, /innerloop: .* lost, seed 3/);
});

test('wrong learners: exit code 2 and the path', async () => {
  const cases: [RegExp, (value: Json) => void][] = [
    [/INVALID_OPTION learners: missing/, (c) => delete c['learners']],
    [
      /UNKNOWN_OPTION learners\[0\]\.algoritm: .*did you mean algorithm\?/,
      (c) => (c['learners'] = [{ name: 'a', algoritm: {} }]),
    ],
    [
      /INVALID_OPTION learners\[1\]\.algorithm\.name: .*did you mean maml\?/,
      (c) => (c['learners'] = [{ name: 'a' }, { name: 'b', algorithm: { name: 'mamal' } }]),
    ],
    [
      /UNKNOWN_OPTION learners\[0\]\.training\.refit: /,
      (c) => (c['learners'] = [{ name: 'a', training: { refit: true } }]),
    ],
    [
      /INVALID_OPTION learners\[0\]\.model\.body\.hidden: missing/,
      (c) => (c['learners'] = [{ name: 'a', model: { body: { kind: 'mlp' } } }]),
    ],
    [
      /INVALID_OPTION learners\[0\]\.model\.hidden: stands beside model\.body/,
      (c) => (c['learners'] = [{ name: 'a', model: { hidden: [1], body: { kind: 'mlp', hidden: [4] } } }]),
    ],
    [
      /INVALID_OPTION learners\[1\]\.name: as that of learners\[0\]/,
      (c) => (c['learners'] = [{ name: 'A b' }, { name: 'a-B' }]),
    ],
    [/INVALID_OPTION seeds: one of them twice/, (c) => (c['seeds'] = [1, 1])],
    [
      /UNKNOWN_OPTION evaluation\.sets: no such set; did you mean test\?/,
      (c) => ((c['evaluation'] as Json)['sets'] = ['tset']),
    ],
  ];
  for (const [pattern, change] of cases) {
    const { code, stdout, stderr } = run('compare', '-c', config(change), '-o', output());
    assert.match(stderr, pattern);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
  }
  assert.match(
    run('compare', '-c', configured, '--only', 'reptile').stderr,
    /UNKNOWN_OPTION --only: no such learner; got "reptile"; expected one of MAML; /,
  );
});
