/** `innerloop scenario` as a stranger uses it: a process each, few epochs, on the bundled data. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'tap';
import type { Test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { readConfig } from '../../lib/cli/config.js';
import { measures, validationMetric } from '../../lib/cli/pipeline.js';
import { SCENARIOS } from '../../lib/cli/scenarios.js';
import type { ResultTable } from '../../lib/evaluation/result-table.js';
import type { Chart } from '../../lib/scenarios/index.js';
import { main } from '../fixtures/command.js';

const root = packageRoot();
const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-scenario-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const bundled = join(root, 'data', 'ml-latest-small.json');
const examples = join(root, 'bench', 'scenarios');
const hasData = fs.existsSync(join(root, 'data', 'ml-latest-small', 'ratings.csv'));
const shared = join(root, '..', 'shared', 'data');

const start = (args: string[]) =>
  spawnSync(process.execPath, [main, 'scenario', ...args], { cwd: folder, encoding: 'utf8', timeout: 120_000 });

interface Stored {
  name: string;
  tables: ResultTable[];
  charts: Chart[];
  notes: string[];
  figures: string[];
  learners: { name: string }[];
  data: { rows: number };
}
interface Played extends Stored {
  stdout: string;
  stderr: string;
}
/** Plays a scenario, and checks what all of them leave behind. */
function play(name: string, config: string, ...more: string[]): Played {
  const output = fs.mkdtempSync(join(folder, 'run-'));
  const { status, stdout, stderr } = start([name, '--config', config, '--output', output, '--epochs', '2', ...more]);
  assert.equal(status, 0, `${name}\n${stdout}${stderr}`);
  const path = (file: string) => join(output, file);
  const stored = JSON.parse(fs.readFileSync(path(`scenario-${name}.json`), 'utf8')) as Stored;
  const markdown = fs.readFileSync(path(`scenario-${name}.md`), 'utf8');
  assert.equal(stored.name, name);
  assert.ok(stored.tables.length > 0 && stored.figures.length === stored.charts.length && stored.figures.length > 0);
  for (const { title, columns, rows } of stored.tables) {
    assert.ok(markdown.includes(`**${title}**`), title);
    for (const { method, cells } of rows) {
      assert.equal(cells.length, columns.length, `${title}, ${method}`);
      assert.ok(markdown.includes(`| ${method.replaceAll('|', '\\|')} `), method);
    }
  }
  stored.figures.forEach((file, c) => {
    const svg = fs.readFileSync(path(file), 'utf8');
    assert.match(svg, /^<svg[^]*<\/svg>\s*$/);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
    // Every line is drawn, and named.
    for (const { name: line } of stored.charts[c].series) assert.ok(svg.includes(line.replaceAll('&', '&#38;')), line);
    assert.ok(markdown.includes(`](${file})`) && stderr.includes(path(file)), file);
  });
  for (const note of stored.notes) assert.ok(markdown.includes(`- ${note}`), note);
  return { ...stored, stdout, stderr };
}
function refuses(code: number, pattern: RegExp, ...args: string[]): void {
  const { status, stdout, stderr } = start(args);
  assert.equal(status, code, stderr);
  assert.match(stderr, pattern);
  assert.doesNotMatch(stderr, /\n\s+at .*:\d+/, 'a stack');
  assert.equal(stdout, '');
}
/** A changed copy of a configuration, with the first users only. */
function changed(config: string, change: (json: Record<string, unknown>) => void): string {
  const json = JSON.parse(fs.readFileSync(config, 'utf8')) as Record<string, unknown> & {
    data: { baseDirectory?: string; interactions: { from?: string; sql?: string } };
  };
  json.data.baseDirectory = join(config, '..', json.data.baseDirectory ?? '.');
  const { interactions } = json.data;
  interactions.sql = `SELECT * FROM '${interactions.from}' WHERE userId <= 150`;
  delete interactions.from;
  change(json);
  const path = join(fs.mkdtempSync(join(folder, 'config-')), 'config.json');
  fs.writeFileSync(path, JSON.stringify(json));
  return path;
}
const cell = ({ tables }: Stored, method: string, column: string, table = 0): number => {
  const { columns, rows } = tables[table];
  const row = rows.find((each) => each.method === method);
  assert.ok(row, `${method} is not among ${rows.map((each) => each.method).join('; ')}`);
  return row.cells[columns.findIndex(({ metric }) => metric === column)]!.mean;
};
const methods = ({ tables }: Stored, table = 0) => tables[table].rows.map(({ method }) => method);
const needsData = (t: Test): boolean => {
  if (!hasData) t.plan(0, 'data/ml-latest-small is not here');
  return hasData;
};
/** Scenarios whose numbers have suites of their own in test/scenarios run as commands in `npm run test:all` alone. */
const isInAll = (t: Test): boolean => {
  const all = process.env['INNERLOOP_TEST_ALL'] !== undefined;
  if (!all) t.plan(0, 'a part of npm run test:all');
  return all;
};

test('a training configuration plays few-shot as it stands: aligned tables, the same query at every point', async (t) => {
  if (!needsData(t)) return;
  const played = play('few-shot', bundled);
  assert.deepEqual(
    played.tables.map(({ title }) => title),
    ['mae', 'rmse', 'ndcg@5'].map((metric) => `${metric} by support rows`),
    'a closed form takes no steps',
  );
  assert.ok(cell(played, 'ridge', 'mae, 20 shots') < cell(played, 'ridge', 'mae, 0 shots'));
  assert.equal(cell(played, 'item mean', 'mae, 1 shot'), cell(played, 'item mean', 'mae, 20 shots'));
  const lines = played.stdout.split('\n');
  const at = lines.findIndex((line) => /^method +mae, 0 shots/.test(line));
  assert.match(lines[at + 1], /^-{6,}( {2}-+){2,}$/);
  assert.deepEqual(
    lines.filter((line) => line.length > 100),
    [],
    'at most 100 characters a line',
  );
  assert.match(played.stdout, /^ridge +\d\.\d{4} ± \d\.\d{4}/m);
  assert.match(played.stderr, /train epoch 2\/2[^]*refit epoch 1\/[12]/, 'trained as innerloop train does');
});

test('drift: every block is predicted before it is learned from', async (t) => {
  if (!isInAll(t) || !needsData(t)) return;
  const played = play(
    'drift',
    changed(bundled, (json) => (json['scenarios'] = { drift: { warmUp: 0.6, blocks: 3 } })),
  );
  assert.deepEqual(methods(played), ['static', 'adapted', 'adapted, recent', 'learning on', 'learning on, recent']);
  assert.deepEqual(played.charts[0].series[0].x, [1, 2, 3]);
  const [, warmUp, rows] = /^warm-up: (\d+) of (\d+) /.exec(played.notes[0])!;
  assert.equal(Number(rows), played.data.rows);
  assert.ok(Math.abs(Number(warmUp) / Number(rows) - 0.6) < 0.01, warmUp);
});

test('negative transfer: remedies are fitted on validation tasks that a refit has not taken', async (t) => {
  if (!isInAll(t) || !needsData(t)) return;
  const played = play(
    'negative-transfer',
    changed(bundled, () => undefined),
  );
  assert.deepEqual(
    methods(played)
      .map((method) => method.replace(/c = .*\)/, 'c)'))
      .slice(0, 3),
    ['not adapted', 'adapted', 'adapted, shrunk (c)'],
  );
  assert.equal(cell(played, 'not adapted', 'share hurt'), 0);
  assert.doesNotMatch(played.stderr, /refit/);
  const without = changed(bundled, (json) => {
    Object.assign(json, {
      split: { protocol: 'users', test: 0.2, tasks: { min: 13, query: 10 } },
      training: { epochs: 1 },
      evaluation: {},
    });
  });
  assert.match(play('negative-transfer', without).notes.join('\n'), /no validation tasks/);
});

test('evidence: questions by title, and four orders of asking', async (t) => {
  if (!isInAll(t) || !needsData(t)) return;
  const played = play(
    'evidence',
    changed(
      bundled,
      (json) => (json['scenarios'] = { evidence: { count: 5, perItem: 5, questions: [5, 20], metrics: ['mae'] } }),
    ),
  );
  assert.equal(played.tables[0].title, 'what to ask first');
  assert.equal(methods(played).length, 5);
  for (const method of methods(played)) assert.match(method, /^.+ \(\d{4}\) \[\d+\]$/);
  assert.deepEqual(methods(played, 1), ['popularity × norm', 'popularity', 'norm', 'random']);
});

test('cold start and cross-domain with the learners of a configuration: rows and lines by learner, baselines once', async (t) => {
  if (!needsData(t)) return;
  const config = join(examples, 'ml-latest-small.json');
  const cold = play(
    'cold-start',
    changed(config, () => undefined),
  );
  assert.deepEqual(methods(cold), [
    'ridge, not adapted',
    'ridge',
    'item mean',
    'user + item bias',
    'content ridge',
    'MAML, not adapted',
    'MAML',
  ]);
  assert.deepEqual(
    cold.tables[0].columns.map(({ metric }) => metric),
    ['userCold', 'itemCold', 'bothCold', 'warm'].map((set) => `mae, ${set}`),
  );
  assert.equal(cold.charts.length, 2, 'learners stand in one chart');
  const cross = play(
    'cross-domain',
    changed(config, (json) => {
      json['scenarios'] = { crossDomain: { column: 'domain', source: 'old', target: 'new', shots: [0, 2], query: 5 } };
    }),
    '--only',
    'maml',
  );
  assert.deepEqual(methods(cross)[0], 'target', 'one learner needs no name');
  assert.equal(cross.learners.length, 1);
  const drift = play(
    'drift',
    changed(config, (json) => (json['scenarios'] = { drift: { blocks: 2 } })),
  );
  assert.deepEqual(
    methods(drift).filter((method) => /static$/.test(method)),
    ['ridge: static', 'MAML: static'],
  );
  assert.equal(drift.charts.length, 2, 'a chart a learner');
  assert.ok(
    drift.notes.some((note) => note.startsWith('MAML: ')) && drift.notes.some((note) => note.startsWith('warm-up')),
    'what holds for all is said once',
  );
});

test('--json: a line an epoch, then the result, and nothing else on stdout', async (t) => {
  if (!needsData(t)) return;
  const { stdout, ...played } = play(
    'few-shot',
    changed(bundled, (json) => (json['scenarios'] = { fewShot: { shots: [2], metrics: ['mae'] } })),
    '--json',
    '--threads',
    '1',
  );
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    [...new Set(lines.slice(0, -1).map(({ event, phase, learner }) => `${event} ${phase} ${learner}`))],
    ['epoch train ridge', 'epoch refit ridge'],
  );
  const { event, name, tables, charts, notes, files } = lines.at(-1)! as unknown as Stored & {
    event: string;
    files: { json: string; table: string; figures: string[] };
  };
  assert.deepEqual(
    { event, name, tables, charts, notes },
    { event: 'result', name: 'few-shot', tables: played.tables, charts: played.charts, notes: played.notes },
  );
  for (const file of [files.json, files.table, ...files.figures]) assert.ok(fs.existsSync(file), file);
  assert.deepEqual(
    files.figures.map((file) => basename(file)),
    played.figures,
  );
  assert.deepEqual(
    played.tables[0].columns.map(({ metric }) => metric),
    ['mae, 0 shots', 'mae, 2 shots'],
  );
});

test('wrong use: names, options and data are named as they stand in the configuration', async (t) => {
  const misspelt = (scenarios: object) => changed(bundled, (json) => (json['scenarios'] = scenarios));
  refuses(2, /UNKNOWN_OPTION scenario: no such scenario; did you mean few-shot\?/, 'few-shots', '--config', bundled);
  refuses(2, /required option '-c, --config <file>'/, 'few-shot');
  refuses(2, /unknown option '--epoch'[^]*did you mean --epochs/i, 'few-shot', '--config', bundled, '--epoch', '3');
  refuses(
    2,
    /UNKNOWN_OPTION scenarios\.fewShots: no such option; did you mean fewShot\?/,
    'few-shot',
    '--config',
    misspelt({ fewShots: {} }),
  );
  const invalid = (scenarios: object, message: RegExp) => assert.rejects(readConfig(misspelt(scenarios)), { message });
  await invalid({ drift: { block: 3 } }, /^scenarios\.drift\.block: no such option; did you mean blocks\?/);
  await invalid({ drift: { blocks: 0 } }, /^scenarios\.drift\.blocks: .*got 0; expected an integer ≥ 1/);
  await invalid({ crossDomain: { column: 'a', source: 'b' } }, /^scenarios\.crossDomain\.target: missing/);
  refuses(2, /UNKNOWN_OPTION --only: no such learner/, 'few-shot', '--config', bundled, '--only', 'maml');
  const absent = changed(
    bundled,
    (json) => ((json as { data: { baseDirectory: string } }).data.baseDirectory = '/nowhere'),
  );
  refuses(1, /MISSING_FILE .*ratings\.csv/, 'few-shot', '--config', absent);
  if (!needsData(t)) return;
  // What only the data can tell.
  const wrong = misspelt({
    crossDomain: { column: 'title', source: 'Toy Stori (1995)', target: 'b' },
    fewShot: { set: 'tests', shots: [3, 3] },
    drift: { metric: 'mea' },
  });
  const told = (name: string, message: RegExp, config = wrong) =>
    refuses(2, message, name, '--config', config, '--epochs', '1', '--output', join(folder, 'none'));
  told(
    'cross-domain',
    /INVALID_OPTION scenarios\.crossDomain: missing; .*expected an object with column, source and target/,
    bundled,
  );
  told(
    'cross-domain',
    /INVALID_OPTION scenarios\.crossDomain\.source: no such domain; did you mean Toy Story \(1995\)\?/,
  );
  refuses(
    1,
    /MISSING_COLUMN scenarios\.negativeTransfer\.column: .*did you mean genres\?/,
    'negative-transfer',
    '--config',
    changed(bundled, (json) => (json['scenarios'] = { negativeTransfer: { column: 'genre' } })),
    '--epochs',
    '1',
  );
  told('drift', /UNKNOWN_OPTION .*did you mean mae\?/);
});

test('an interrupt ends a scenario with its signal', { skip: process.platform === 'win32' }, async (t) => {
  if (!needsData(t)) return;
  const child = spawn(
    process.execPath,
    [main, 'scenario', 'few-shot', '--config', bundled, '--epochs', '100000', '--output', join(folder, 'stopped')],
    { cwd: folder },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (!stderr.includes('epoch') && text.includes('epoch')) child.kill('SIGINT');
    stderr += text;
  });
  const code = await new Promise((done) => child.on('close', done));
  assert.equal(code, 130, stderr);
  assert.deepEqual(fs.readdirSync(join(folder, 'stopped')), []);
});

test('ranking losses are chosen and measured by order', async () => {
  for (const [loss, validation, metrics, threshold] of [
    ['bpr', 'auc', ['auc', 'ndcg@5'], 0.5],
    ['listwise', 'auc', ['auc', 'ndcg@5'], 0.5],
    ['bce', 'logloss', ['logloss', 'auc'], 0.5],
    ['mse', 'mae', ['mae', 'rmse', 'ndcg@5'], undefined],
  ] as const) {
    const config = await readConfig(
      changed(bundled, (json) =>
        Object.assign(json, { model: { ...(json['model'] as object), loss }, evaluation: {}, training: {} }),
      ),
    );
    const expected = { metrics, threshold, best: undefined, gain: undefined };
    assert.deepEqual([validationMetric(config), measures(config)], [validation, expected], loss);
  }
});

test('the example configurations are valid, and name the data that they need', async () => {
  for (const file of fs.readdirSync(examples)) {
    const { data, scenarios = {} } = await readConfig(join(examples, file));
    assert.ok(
      data.baseDirectory!.startsWith(shared) ||
        data.baseDirectory!.startsWith(join(root, 'data')) ||
        fs.existsSync(data.baseDirectory!),
      file,
    );
    for (const key of Object.keys(scenarios))
      assert.ok(
        Object.values(SCENARIOS).some((one) => one.key === key),
        key,
      );
  }
});

test('the examples on data beside the repository', async (t) => {
  if (!isInAll(t)) return;
  const wanted = [
    ['amazon-music', 'drift', 'amazon-music'],
    ['book-to-music', 'cross-domain', 'crossdomain'],
  ] as const;
  const absent = wanted.filter(([, , data]) => !fs.existsSync(join(shared, data)));
  for (const [file, name, data] of wanted)
    if (fs.existsSync(join(shared, data))) play(name, join(examples, `${file}.json`));
  if (absent.length > 0) t.plan(0, `${absent.map(([, , data]) => `shared/data/${data}`).join(', ')} not here`);
});
