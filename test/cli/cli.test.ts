/** Commands that work, as processes: train, evaluate, recommend, what they write and print. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { jsonSchema, readConfig } from '../../lib/cli/config.js';
import { newLearner, prepare, refitRows, trainingTasks } from '../../lib/cli/pipeline.js';
import { joinTasks, subsetTasks } from '../../lib/tasks/index.js';
import {
  folder,
  run,
  ok,
  ratings,
  config,
  output,
  part,
  bytes,
  trained,
  trainedConfig,
  model,
} from '../fixtures/small-run.js';
import type { Json } from '../fixtures/small-run.js';

const root = packageRoot();

test('train writes the model, the results and a record; a table on stdout, plain lines on stderr', async () => {
  const { stdout, stderr } = ok('train', '--config', trainedConfig, '--output', trained);
  assert.match(stdout, /maml, not adapted/);
  assert.match(stdout, /item mean/);
  assert.doesNotMatch(stdout, /epoch/);
  assert.match(stderr, /epoch 4\/4 {2}loss \d/);
  assert.equal((stderr.match(/train epoch/g) ?? []).length, 4, 'one line an epoch');
  assert.doesNotMatch(stdout + stderr, /\u001b/, 'no escape codes without a terminal');
  assert.deepEqual(fs.readdirSync(trained).sort(), [
    'checkpoint.safetensors',
    'evaluation.json',
    'manifest.json',
    'metrics.jsonl',
    'model.safetensors',
    'table.md',
  ]);
  const manifest = JSON.parse(bytes(trained, 'manifest.json').toString()) as {
    seed: number;
    data: { rows: number; users: number; items: number; labels: string };
    isa: string;
    node: string;
  };
  assert.equal(manifest.seed, 3);
  assert.equal(manifest.data.users, 60);
  assert.equal(manifest.data.items, 30);
  assert.equal(manifest.data.rows, ratings().trim().split('\n').length - 1);
  assert.match(manifest.data.labels, /^sha256:[0-9a-f]{64}$/);
  assert.equal(manifest.node, process.version);
  assert.match(bytes(trained, 'table.md').toString(), /^\*\*test\*\*/);
  assert.equal(bytes(trained, 'metrics.jsonl').toString().trim().split('\n').length, 4);
});

test('a finished run goes on to more epochs, to the model of a run that had them at once', async () => {
  const [out, whole] = [output(), output()];
  const path = config((c) => (c['optimizer'] = { name: 'adam', learningRate: 0.01 }));
  ok('train', '-c', path, '-o', out);
  const { stderr } = ok('train', '-c', path, '-o', out, '--resume', '--epochs', '6');
  assert.doesNotMatch(stderr, /epoch +[1-4]\/6/);
  assert.match(stderr, /epoch +5\/6/);
  ok('train', '-c', path, '-o', whole, '--epochs', '6');
  assert.ok(bytes(out, 'model.safetensors').equals(bytes(whole, 'model.safetensors')));
});

test('evaluate divides the data as the model was trained, whatever seed is named and rows were added', async () => {
  const numbers = (...more: string[]) =>
    (JSON.parse(ok('evaluate', '--model', model, '--json', ...more).stdout) as { sets: unknown }).sets;
  const then = numbers('--config', trainedConfig);
  const other = config((c) => (c['seed'] = 77));
  assert.deepEqual(numbers('--config', other), then);
  const grown = `${ratings()}${Array.from({ length: 20 }, (_, i) => `a new one,i${i + 1},4,${9000 + i}\n`).join('')}`;
  fs.writeFileSync(join(folder, 'grown.csv'), grown);
  const added = config((c) => (part(part(c, 'data'), 'interactions')['from'] = 'grown.csv'));
  assert.deepEqual(numbers('--config', added), then);
  const { stderr } = ok('evaluate', '--model', model, '--config', added);
  assert.match(stderr, /1 users are newer than the split/);
});

test('evaluate gives the numbers that train gave; --json is one document', async () => {
  const { stdout } = ok('evaluate', '--model', model, '--config', trainedConfig, '--json');
  const { sets } = JSON.parse(stdout) as { sets: unknown };
  assert.deepEqual(sets, (JSON.parse(bytes(trained, 'evaluation.json').toString()) as { sets: unknown }).sets);
  assert.match(
    ok('evaluate', '-m', model, '-c', trainedConfig, '--sets', 'validation,test').stdout,
    /^validation\n[^]*\ntest\n/,
  );
});

test('recommend takes ids and titles, positional or by option, and leaves out what was rated', async () => {
  const { stdout } = ok(
    'recommend',
    '--model',
    model,
    'i2=5',
    '--rating',
    'film 4,=4.5',
    '-r',
    'i1=2',
    '--count',
    '27',
    '--json',
  );
  const { ratings: given, recommendations } = JSON.parse(stdout) as {
    ratings: Json[];
    recommendations: { item: string; title: string; score: number }[];
  };
  assert.deepEqual(given, [
    { item: 'i2', title: 'Film 2, the even one', rating: 5 },
    { item: 'i4', title: 'Film 4, the even one', rating: 4.5 },
    { item: 'i1', title: 'Film 1, the odd one', rating: 2 },
  ]);
  assert.equal(recommendations.length, 27);
  assert.ok(
    recommendations.every(
      ({ item, score }, i) => !['i1', 'i2', 'i4'].includes(item) && (i === 0 || score <= recommendations[i - 1].score),
    ),
  );
  assert.match(ok('recommend', '-m', model, 'i2=5').stdout, /Recommended:\n {2}\d\.\d\d {2}Film \d+, the/);
});

test('train --json: JSON lines, epochs and then the result; the threads do not change a byte', async () => {
  const out = output();
  const lines = ok('train', '-c', trainedConfig, '-o', out, '--threads', '1', '--json')
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string });
  assert.deepEqual(
    lines.map(({ event }) => event),
    ['epoch', 'epoch', 'epoch', 'epoch', 'result'],
  );
  assert.ok(bytes(out, 'model.safetensors').equals(bytes(model)));
  ok('train', '-c', trainedConfig, '-o', out, '--seed', '4', '--epochs', '2', '--fresh');
  assert.ok(!bytes(out, 'model.safetensors').equals(bytes(model)), 'another seed, another model');
});

test('every algorithm, loss and protocol of the configuration trains', async () => {
  const variants: ((value: Json) => void)[] = [
    (c) => (c['algorithm'] = { name: 'fomaml', adapt: ['mlp.*'] }),
    (c) => (c['algorithm'] = { name: 'anil', shrinkage: 2 }),
    (c) => (c['algorithm'] = { name: 'ridge' }),
    (c) => (c['algorithm'] = { name: 'reptile', learningRate: 0.05 }),
    (c) => (part(c, 'model')['loss'] = { softmax: 6 }),
    (c) => {
      c['model'] = { inputs: part(c, 'model')['inputs']!, body: { kind: 'mlp', hidden: [4, 4], activation: 'tanh' } };
      part(c, 'evaluation')['sets'] = ['test', 'validation'];
    },
    (c) => {
      part(part(c, 'data'), 'interactions')['from'] = undefined;
      part(part(c, 'data'), 'interactions')['sql'] =
        `SELECT who, what, (stars > 3)::INTEGER AS stars, "at" FROM 'ratings.csv'`;
      part(c, 'model')['loss'] = 'bce';
      c['evaluation'] = {};
    },
    (c) => {
      c['split'] = { protocol: 'time', validation: 0.2, test: 0.2, tasks: { min: 4, query: 2 } };
      c['training'] = { epochs: 1, refit: true, sampling: 'size' };
    },
    (c) => {
      c['split'] = {
        protocol: 'tasks',
        validation: 0.2,
        test: 0.2,
        tasks: { by: 'item', shots: 4, query: { leaveOneOut: 'last' } },
      };
      c['model'] = {
        inputs: [
          { name: 'user', dim: 4 },
          { name: 'item', dim: 4 },
        ],
        body: { kind: 'mf', user: 'user', item: 'item' },
      };
      c['training'] = { epochs: 1, refit: true, sampling: { by: 'loss', floor: 0.5 } };
    },
    (c) => {
      c['split'] = {
        protocol: 'partitions',
        newUsers: { fraction: 0.2 },
        newItems: { column: 'kind', in: ['odd'] },
        validation: { users: { fraction: 0.2 }, items: { fraction: 0.3 } },
        tasks: { min: 3, query: 2 },
      };
      c['training'] = { epochs: 1, refit: true, validation: ['validationUserCold', 'validationItemCold'] };
      c['evaluation'] = { calibration: true };
      c['optimizer'] = { name: 'sgd', momentum: 0.9 };
    },
  ];
  for (const variant of variants) {
    const path = config((c) => {
      c['training'] = { epochs: 1 };
      variant(c);
    });
    ok('train', '-c', path, '-o', output());
  }
});

test('refit: validation users join, test users never; the decoders are those fitted before', async () => {
  const path = config((c) => {
    part(c, 'training')['refit'] = true;
    part(c, 'evaluation')['calibration'] = true;
    c['trainTasks'] = { min: 6, query: 3, support: 4 };
  });
  const prepared = await prepare(await readConfig(path), new AbortController().signal);
  const rows = refitRows(prepared);
  const { dataset, split } = prepared;
  const users = new Set(Array.from(rows, (row) => dataset.user[row]));
  assert.ok(split.sets['validation'].users.every((user) => users.has(user)));
  assert.ok(split.sets['test'].users.every((user) => !users.has(user)));
  assert.ok(split.trainRows.every((row) => users.has(dataset.user[row])));
  assert.equal(trainingTasks(prepared, rows).size, split.sets['train'].size + split.sets['validation'].size);
  assert.equal((await newLearner(prepared, rows)).model.spec.inputs.length, 2);
  const out = output();
  const { stderr, stdout } = ok('train', '-c', path, '-o', out);
  assert.match(stderr, /refit epoch/);
  assert.match(stdout, /item mean, median/);
  const again = JSON.parse(ok('evaluate', '-m', join(out, 'model.safetensors'), '-c', path, '--json').stdout) as {
    sets: unknown;
  };
  assert.deepEqual(again.sets, (JSON.parse(bytes(out, 'evaluation.json').toString()) as { sets: unknown }).sets);
  const { validation } = split.sets;
  const halves = [
    subsetTasks(validation, [0, 1, 2]),
    subsetTasks(
      validation,
      Array.from({ length: validation.size - 3 }, (_, t) => t + 3),
    ),
  ];
  assert.deepEqual(
    joinTasks(halves),
    subsetTasks(
      validation,
      Array.from({ length: validation.size }, (_, t) => t),
    ),
  );
});

test('the published schema is the one of the code, and the bundled configurations fit it', async () => {
  assert.equal(
    fs.readFileSync(join(root, 'lib', 'cli', 'config.schema.json'), 'utf8'),
    jsonSchema(),
    'npm run schema writes it',
  );
  for (const [name, members] of [
    ['ml-latest-small', undefined],
    ['demo', 2],
  ] as const) {
    const bundled = await readConfig(join(root, 'data', `${name}.json`));
    assert.equal(bundled.output, join(root, 'runs', name));
    assert.equal(bundled.ensemble?.length, members);
  }
});

test('--version, help and a start that is quick', async () => {
  const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  assert.equal(ok('--version').stdout, `${version}\n`);
  assert.match(ok('help').stdout, /train[^]*compare[^]*evaluate[^]*recommend[^]*demo/);
  assert.match(ok('help', 'train').stdout, /--resume/);
  assert.equal(run().code, 2, 'no command is a usage error');
});
