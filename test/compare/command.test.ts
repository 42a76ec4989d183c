/** `innerloop compare` as a process: its table, what is not done again, interruption, refusals. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import type { MethodRun, RunTable } from '../../lib/compare/runs.js';
import { random } from '../../lib/foundation/random.js';
import { commandIn, main } from '../fixtures/command.js';
import type { Ended } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-compare-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

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
  assert.match(stdout, /^MAML( \(at chance\))? +\d\.\d{4} ± \d\.\d{4} /m);
  assert.match(stdout, /^wild +failed: seed 3: DIVERGED epoch 1, step 1, task u\d+:[^]*;\s+seed\s+4:\s+DIVERGED/m);
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

test('compare --tune --seeds --splits: searched on each split, pooled over them, several at a time; done once', async () => {
  const path = config((c) => {
    c['learners'] = [{ name: 'MAML' }];
    (c['evaluation'] as Json)['baselines'] = ['itemMean'];
  });
  const out = output();
  const args = [
    'compare',
    '-c',
    path,
    '-o',
    out,
    '--tune',
    '2',
    '--seeds',
    '2',
    '--splits',
    '2',
    '--jobs',
    '2',
    '--epochs',
    '2',
  ];
  const { stdout } = ok(...args);
  assert.deepEqual(fs.readdirSync(join(out, 'compare')).sort(), [
    'baseline.itemMean.split-3.json',
    'baseline.itemMean.split-4.json',
    'maml.split-3.seed-3.json',
    'maml.split-3.seed-4.json',
    'maml.split-4.seed-3.json',
    'maml.split-4.seed-4.json',
  ]);
  assert.deepEqual(fs.readdirSync(join(out, 'tune')).sort(), ['split-3', 'split-4']);
  assert.match(stdout, /Means over the splits too/);
  assert.match(stdout, /Up to 2 runs at a time/);
  const table = json<RunTable>(out, 'compare.json');
  const { methods } = table;
  assert.deepEqual([methods[0].seeds, methods[1].method], [[3, 4], 'item mean']);
  assert.ok(methods[0].splitDeviations[0]! > 0 && typeof methods[0].atChance === 'boolean');
  assert.ok(methods[0].cells[0]!.tasks > 8 && methods[0].cells[0]!.tasks <= 16, 'users of both, once each');
  const again = ok(...args);
  assert.match(again.stderr, /6 of 6 runs are done/);
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
  assert.match(stopped.stdout, /^quick( \(at chance\))? +\d\.\d{4}/m);
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
    /^lost +failed: seed 3: MISSING_COLUMN\s+model\.inputs\[0\]\.name:\s+no\s+such\s+column;\s+did\s+you\s+mean\s+item\?/m,
  );
  assert.match(stdout, /^MAML( \(at chance\))? +\d\.\d{4}/m);
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
