/** The command line as a stranger uses it: real processes, real files. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { jsonSchema, readConfig } from '../../lib/cli/config.js';
import { newLearner, prepare, refitRows, trainingTasks } from '../../lib/cli/pipeline.js';
import { joinTasks, subsetTasks } from '../../lib/tasks/index.js';
import { commandIn, main } from '../fixtures/command.js';
import type { Ended } from '../fixtures/command.js';

const root = packageRoot();
const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-cli-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const { run, ok } = commandIn(folder);
/** The command fails with this code, one error line, and no stack. */
function fails(code: number, pattern: RegExp, ...args: string[]): void {
  const ended = run(...args);
  assert.equal(ended.code, code, `${args.join(' ')}\n${ended.stdout}${ended.stderr}`);
  assert.match(ended.stderr, pattern);
  assert.doesNotMatch(ended.stderr, /\n\s+at .*:\d+/, 'a stack');
  assert.equal(ended.stdout, '', 'nothing on stdout');
}

// ------------------------------------------------------------------------------------------- a small data set, written

function ratings(): string {
  const lines = ['who,what,stars,at'];
  let state = 12345;
  const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let user = 1; user <= 60; user++) {
    const taste = uniform() * 2 - 1;
    for (let item = 1; item <= 30; item++) {
      if (uniform() < 0.4) continue;
      const stars = Math.min(5, Math.max(1, Math.round(3 + taste * (item % 2 === 0 ? 1.5 : -1.5) + uniform())));
      lines.push(`u${user},i${item},${stars},${1000 * user + item}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
fs.writeFileSync(join(folder, 'ratings.csv'), ratings());
fs.writeFileSync(
  join(folder, 'items.csv'),
  `id,title,kind\n${Array.from({ length: 30 }, (_, i) => `i${i + 1},"Film ${i + 1}, the ${i % 2 === 0 ? 'odd' : 'even'} one",${i % 2 === 0 ? 'odd' : 'even'}`).join('\n')}\n`,
);

interface Json {
  [key: string]: Json | Json[] | string | string[] | number | number[] | boolean | undefined;
}
const standard = (): Json => ({
  data: {
    interactions: { from: 'ratings.csv', user: 'who', item: 'what', label: 'stars', time: 'at' },
    items: {
      from: 'items.csv',
      id: 'id',
      features: [
        { name: 'title', kind: 'categorical' },
        { name: 'kind', kind: 'categorical' },
      ],
    },
  },
  split: { protocol: 'users', validation: 0.2, test: 0.2, tasks: { min: 8, query: 5 } },
  model: {
    inputs: [
      { name: 'item', dim: 4 },
      { name: 'kind', dim: 2 },
    ],
    hidden: [8],
  },
  algorithm: { name: 'maml', steps: 3, learningRate: 0.1, rates: 'perParameter' },
  optimizer: { name: 'adam', learningRate: 0.01, schedule: 'linear' },
  training: { epochs: 4, metaBatch: 8 },
  evaluation: { metrics: ['mae', 'ndcg@3'], baselines: ['itemMean', 'popularity'] },
  seed: 3,
});
let made = 0;
/** Writes a configuration; `change` edits it first. */
function config(change: (config: Json) => void = () => undefined): string {
  const value = standard();
  change(value);
  return written(JSON.stringify(value));
}
function written(text: string): string {
  const path = join(folder, `config-${made++}.json`);
  fs.writeFileSync(path, text);
  return path;
}
const output = () => join(folder, `run-${made++}`);
const part = (value: Json, name: string) => value[name] as Json;
const bytes = (...path: string[]) => fs.readFileSync(join(...path));

const trained = output();
const trainedConfig = config();
const model = join(trained, 'model.safetensors');

// --------------------------------------------------------------------------------------------------------- what works

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

test('the published schema is the one of the code, and the bundled configuration fits it', async () => {
  assert.equal(
    fs.readFileSync(join(root, 'lib', 'cli', 'config.schema.json'), 'utf8'),
    jsonSchema(),
    'npm run schema writes it',
  );
  const bundled = await readConfig(join(root, 'data', 'ml-latest-small.json'));
  assert.equal(bundled.output, join(root, 'runs', 'demo'));
});

test('--version, help and a start that is quick', async () => {
  const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  assert.equal(ok('--version').stdout, `${version}\n`);
  assert.match(ok('help').stdout, /train[^]*compare[^]*evaluate[^]*recommend[^]*demo/);
  assert.match(ok('help', 'train').stdout, /--resume/);
  assert.equal(run().code, 2, 'no command is a usage error');
});

// ---------------------------------------------------------------------------------------------- interrupted and killed

const long = config((c) => (c['training'] = { epochs: 200, metaBatch: 4 }));
let uninterrupted: Buffer | undefined;
function reference(): Buffer {
  if (uninterrupted === undefined) {
    const out = output();
    ok('train', '-c', long, '-o', out);
    uninterrupted = bytes(out, 'model.safetensors');
  }
  return uninterrupted;
}

/** Starts training and sends a signal once this epoch is reported. */
function interrupted(
  args: string[],
  epoch: number,
  signal: NodeJS.Signals,
): Promise<Ended & { signal: NodeJS.Signals | null }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: folder });
    let [stdout, stderr, sent] = ['', '', false];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (!sent && new RegExp(`epoch +${epoch}/`).test(stderr)) sent = child.kill(signal);
    });
    child.on('close', (code, ended) => done({ code, signal: ended, stdout, stderr }));
  });
}

test('Ctrl-C ends with 130 and says how to go on; --resume gives the bytes of a run without interruption', async () => {
  const out = output();
  const stopped = await interrupted(['train', '-c', long, '-o', out], 5, 'SIGINT');
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /to go on: innerloop train .*--resume/);
  assert.ok(!fs.existsSync(join(out, 'model.safetensors')));
  fails(2, /INVALID_OPTION output: .*--resume.*--fresh/, 'train', '-c', long, '-o', out);
  const resumed = ok('train', '-c', long, '-o', out, '--resume');
  assert.doesNotMatch(resumed.stderr, /epoch +[1-5]\/200/, 'the first epochs are not done again');
  assert.ok(bytes(out, 'model.safetensors').equals(reference()));
  assert.equal(bytes(out, 'metrics.jsonl').toString().trim().split('\n').length, 200);
  fails(2, /INVALID_OPTION output: holds a finished run.*--resume --epochs N.*--fresh/, 'train', '-c', long, '-o', out);
  fails(2, /INVALID_OPTION seed: was 3 in the run/, 'train', '-c', long, '-o', out, '--resume', '--seed', '7');
  assert.ok(bytes(out, 'model.safetensors').equals(reference()), 'a refusal replaces nothing');
});

test('kill -9, twice, then --resume: the same bytes; --fresh starts over', async () => {
  const out = output();
  for (const [start, epoch] of [
    ['--fresh', 3],
    ['--resume', 30],
  ] as const) {
    const killed = await interrupted(['train', '-c', long, '-o', out, start], epoch, 'SIGKILL');
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
  }
  ok('train', '-c', long, '-o', out, '--resume');
  assert.ok(bytes(out, 'model.safetensors').equals(reference()));
  const killed = await interrupted(['train', '-c', long, '-o', out, '--fresh'], 3, 'SIGKILL');
  assert.equal(killed.signal, 'SIGKILL');
  assert.match(ok('train', '-c', long, '-o', out, '--fresh').stderr, /epoch +1\/200/);
  assert.ok(bytes(out, 'model.safetensors').equals(reference()));
});

test('a refit that is killed resumes to the same bytes', async () => {
  const path = config((c) => (c['training'] = { epochs: 60, metaBatch: 4, refit: true }));
  const [whole, out] = [output(), output()];
  ok('train', '-c', path, '-o', whole);
  const { best } = JSON.parse(bytes(whole, 'manifest.json').toString()) as { best: { epoch: number } };
  for (const [label, start] of [
    ['train', '--fresh'],
    ['refit', '--resume'],
  ] as const) {
    await new Promise<void>((done) => {
      const child = spawn(process.execPath, [main, 'train', '-c', path, '-o', out, start], { cwd: folder });
      let text = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (new RegExp(`${label} epoch`).test(text)) child.kill('SIGKILL');
      });
      child.on('close', () => done());
    });
  }
  const resumed = ok('train', '-c', path, '-o', out, '--resume');
  assert.match(resumed.stderr, new RegExp(`refit for ${best.epoch} epochs`));
  assert.ok(bytes(out, 'model.safetensors').equals(bytes(whole, 'model.safetensors')));
});

test('a checkpoint of another configuration is refused by name', async () => {
  const out = output();
  await interrupted(['train', '-c', long, '-o', out], 2, 'SIGINT');
  const other = config((c) => {
    c['training'] = { epochs: 200, metaBatch: 4 };
    part(c, 'algorithm')['steps'] = 2;
  });
  fails(
    2,
    /INVALID_OPTION algorithm\.steps: was 3 in the run.*got 2.*--fresh/,
    'train',
    '-c',
    other,
    '-o',
    out,
    '--resume',
  );
});

// -------------------------------------------------------------------------------------------------------- what is wrong

test('commands and options that do not exist: exit code 2 and a suggestion', async () => {
  fails(2, /unknown command 'trian'[^]*Did you mean train\?/, 'trian');
  fails(2, /unknown option '--confg'[^]*Did you mean --config\?/, 'train', '--confg', 'x');
  fails(2, /required option '-c, --config <file>'/, 'train');
  fails(2, /'--epochs <n>'[^]*'none' is invalid[^]*integer ≥ 1/, 'train', '-c', trainedConfig, '--epochs', 'none');
  fails(2, /--resume and --fresh exclude each other/, 'train', '-c', trainedConfig, '--resume', '--fresh');
});

test('a configuration that is wrong: exit code 2, its path, its value and what was expected', async () => {
  const train = (path: string) => ['train', '-c', path, '-o', output()];
  const cases: [RegExp, (value: Json) => void][] = [
    [/UNKNOWN_OPTION trainig: no such option; did you mean training\?/, (c) => (c['trainig'] = {})],
    [/UNKNOWN_OPTION algorithm\.step: no such option; did you mean steps\?/, (c) => (part(c, 'algorithm')['step'] = 3)],
    [/UNKNOWN_OPTION split\.tasks\.mim: .*did you mean min\?/, (c) => (part(part(c, 'split'), 'tasks')['mim'] = 3)],
    [
      /UNKNOWN_OPTION split\.tasks\.query\.frction: .*fraction/,
      (c) => (part(part(c, 'split'), 'tasks')['query'] = { frction: 0.5 }),
    ],
    [
      /UNKNOWN_OPTION data\.items\.features\[1\]\.sepratr: .*did you mean separator\?/,
      (c) => ((part(part(c, 'data'), 'items')['features'] as Json[])[1]['sepratr'] = ';'),
    ],
    [
      /INVALID_OPTION algorithm\.name: not one of the choices; did you mean maml\?; got "mamal"; expected one of maml, fomaml, anil, reptile, ridge/,
      (c) => (part(c, 'algorithm')['name'] = 'mamal'),
    ],
    [
      /INVALID_OPTION algorithm\.steps: .*got "five"; expected an integer/,
      (c) => (part(c, 'algorithm')['steps'] = 'five'),
    ],
    [/INVALID_OPTION training\.epochs: .*got 0; expected an integer ≥ 1/, (c) => (part(c, 'training')['epochs'] = 0)],
    [/INVALID_OPTION training\.epochs: .*got 1\.5; expected an integer/, (c) => (part(c, 'training')['epochs'] = 1.5)],
    [/INVALID_OPTION model\.hidden: missing/, (c) => (part(c, 'model')['hidden'] = undefined)],
    [
      /INVALID_OPTION model\.hidden: stands beside model\.body/,
      (c) => (part(c, 'model')['body'] = { kind: 'mlp', hidden: [4] }),
    ],
    [/INVALID_OPTION model\.body\.kind: .*did you mean mlp\?/, (c) => (part(c, 'model')['body'] = { kind: 'mpl' })],
    [
      /UNKNOWN_OPTION model\.body\.hiden: .*did you mean hidden\?/,
      (c) => (part(c, 'model')['body'] = { kind: 'mlp', hiden: [4] }),
    ],
    [
      /UNKNOWN_OPTION evaluation\.sets: no such set; did you mean test\?/,
      (c) => (part(c, 'evaluation')['sets'] = ['tset']),
    ],
    [
      /INVALID_OPTION model\.activation: .*did you mean relu\?.*one of relu, tanh/,
      (c) => (part(c, 'model')['activation'] = 'rellu'),
    ],
    [
      /INVALID_OPTION model\.loss: .*did you mean mse\?; got "mes"; expected one of mse, bce, bpr, listwise, or an object with the fields softmax/,
      (c) => (part(c, 'model')['loss'] = 'mes'),
    ],
    [
      /INVALID_OPTION evaluation\.baselines\[0\]: .*did you mean itemMean\?/,
      (c) => (part(c, 'evaluation')['baselines'] = ['itemMeen']),
    ],
    [
      /UNKNOWN_OPTION evaluation\.metrics\[0\]: no such metric; did you mean mae\?; got "mea"/,
      (c) => (part(c, 'evaluation')['metrics'] = ['mea']),
    ],
    [/INVALID_OPTION split: missing/, (c) => (c['split'] = undefined)],
    [
      /UNKNOWN_OPTION training\.validation: no such set; did you mean validation\?/,
      (c) => (part(c, 'training')['validation'] = 'validaton'),
    ],
    [
      /INVALID_OPTION evaluation\.calibration: needs validation tasks/,
      (c) => {
        part(c, 'split')['validation'] = undefined;
        part(c, 'evaluation')['calibration'] = true;
      },
    ],
  ];
  for (const [pattern, change] of cases) fails(2, pattern, ...train(config(change)));
  fails(2, /MISSING_FILE .*nowhere\.json: no such file/, 'train', '-c', 'nowhere.json');
  fails(2, /INVALID_OPTION .*config-\d+\.json: not JSON/, ...train(written('{ "data": ')));
  fails(2, /INVALID_OPTION config: .*expected an object/, ...train(written('[]')));
});

test('data that is wrong: exit code 1 and the place', async () => {
  const withRatings = (text: string) => {
    const name = `ratings-${made++}.csv`;
    fs.writeFileSync(join(folder, name), text);
    return config((c) => (part(part(c, 'data'), 'interactions')['from'] = name));
  };
  const train = (path: string) => ['train', '-c', path, '-o', output()];
  fails(
    1,
    /MISSING_FILE .*nothing\.csv/,
    ...train(config((c) => (part(part(c, 'data'), 'interactions')['from'] = 'nothing.csv'))),
  );
  fails(
    1,
    /MISSING_COLUMN data\.interactions\.label: .*did you mean "stars"/,
    ...train(config((c) => (part(part(c, 'data'), 'interactions')['label'] = 'star'))),
  );
  fails(
    1,
    /MISSING_COLUMN model\.inputs\[0\]\.name: no such column; did you mean item\?/,
    ...train(config((c) => (part(c, 'model')['inputs'] = [{ name: 'itm', dim: 4 }]))),
  );
  fails(1, /EMPTY_DATA/, ...train(withRatings('who,what,stars,at\n')));
  fails(1, /INVALID_DATA .*good/, ...train(withRatings('who,what,stars,at\nu1,i1,5,1\nu1,i2,good,2\n')));
  fails(1, /EMPTY_DATA .*/, ...train(config((c) => (part(part(c, 'split'), 'tasks')['min'] = 500))));
  fails(1, /INVALID_DATA .*does not fit the loss bce/, ...train(config((c) => (part(c, 'model')['loss'] = 'bce'))));
});

test('files that cannot be read or written: exit code 1 and their names', async () => {
  const file = join(folder, 'a-file');
  fs.writeFileSync(file, 'not a folder');
  fails(1, /IO .*a-file/, 'train', '-c', trainedConfig, '-o', join(file, 'below'));
  fails(1, /MISSING_FILE .*nothing\.safetensors/, 'recommend', '-m', 'nothing.safetensors', 'i1=5');
  fails(1, /MODEL_FILE .*a-file/, 'recommend', '-m', file, 'i1=5');
  fails(1, /MODEL_FILE .*a-file/, 'evaluate', '-m', file, '-c', trainedConfig);
  fails(
    2,
    /UNKNOWN_OPTION sets: no such set; did you mean test\?/,
    'evaluate',
    '-m',
    model,
    '-c',
    trainedConfig,
    '-s',
    'tset',
  );
});

test('ratings that are wrong: exit code 2 and what a rating looks like', async () => {
  fails(2, /INVALID_OPTION rating: not a rating; got "i1"; expected item=number/, 'recommend', '-m', model, 'i1');
  fails(2, /INVALID_OPTION rating: not a rating; got "i1=good"/, 'recommend', '-m', model, 'i1=good');
  fails(2, /INVALID_OPTION rating: not a rating; got "i1="/, 'recommend', '-m', model, 'i1=');
  fails(2, /INVALID_OPTION rating: no such item in the catalog; got "zzz"/, 'recommend', '-m', model, 'zzz=3');
  fails(2, /INVALID_OPTION rating: rated twice/, 'recommend', '-m', model, 'i1=3', 'i1=4');
  fails(
    2,
    /INVALID_OPTION title: not a categorical feature.*one of title, kind/,
    'recommend',
    '-m',
    model,
    '-t',
    'name',
    'i1=3',
  );
  fails(2, /'0' is invalid/, 'recommend', '-m', model, '-n', '0', 'i1=3');
});
