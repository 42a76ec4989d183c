/** Protocols by name: which tasks their rules make, exactly, and a comparison under each. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { readComparison } from '../../lib/cli/learners.js';
import { baselinesOf, divide, openData, reportedSets } from '../../lib/cli/pipeline.js';
import { PROTOCOLS, publishedOf } from '../../lib/cli/protocols.js';
import type { ProtocolName } from '../../lib/cli/protocols.js';
import type { RunTable } from '../../lib/compare/runs.js';
import type { TaskSet } from '../../lib/foundation/contract.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { random } from '../../lib/foundation/random.js';
import { commandIn } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-protocols-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const { ok, run } = commandIn(folder);
const { signal } = new AbortController();

interface Recorded {
  tables: Record<string, { columns: string[]; rows: { method: string; cells: ({ mean: number } | null)[] }[] }>;
  notes: string[];
  seeds: number;
}

/** Users by their number of ratings: at the bounds of the rules and around them. */
const SIZES = [12, 13, 39, 40, 41, 100, 101, 200, 201, 30];
const USERS = 100;
const ITEMS = 320;
const sizeOf = (user: number) => SIZES[user % SIZES.length];

function ratings(): string {
  const lines = ['who,what,stars'];
  for (let user = 0; user < USERS; user++) {
    const stream = random(3, 'protocols', user);
    const items = stream.shuffle(Int32Array.from({ length: ITEMS }, (_, i) => i)).subarray(0, sizeOf(user));
    const taste = stream.uniform() * 2 - 1;
    for (const item of items) {
      const stars = Math.round(3 + taste * (item % 2 === 0 ? 1.5 : -1.5) + stream.uniform() - 0.5);
      lines.push(`u${user},i${item},${stars}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
fs.writeFileSync(join(folder, 'ratings.csv'), ratings());
let made = 0;
function config(change: object = {}): string {
  const path = join(folder, `config-${made++}.json`);
  const value = {
    data: { interactions: { from: 'ratings.csv', user: 'who', item: 'what', label: 'stars' } },
    split: { protocol: 'users', test: 0.5, tasks: { min: 8, query: 5 } },
    model: { inputs: [{ name: 'item', dim: 4 }], hidden: [8] },
    algorithm: { name: 'maml', steps: 2, learningRate: 0.1 },
    training: { epochs: 1, metaBatch: 8 },
    evaluation: { baselines: ['popularity'], calibration: true },
    learners: [{ name: 'MAML' }],
    seeds: [1],
    ...change,
  };
  fs.writeFileSync(path, JSON.stringify(value));
  return path;
}
async function divided(name: ProtocolName, path = config()) {
  const { base } = await readComparison(path, name);
  return divide(base, await openData(base, signal));
}
/** Support and query rows of each task, with how many rows its user has. */
const tasksOf = (set: TaskSet) =>
  set.keys.map((key, t) => ({
    rows: sizeOf(Number(key.slice(1))),
    support: set.supportOffsets[t + 1] - set.supportOffsets[t],
    query: set.queryOffsets[t + 1] - set.queryOffsets[t],
  }));
const usersOf = (rows: Int32Array, { user }: { user: Int32Array }) =>
  new Set(Array.from(rows, (row) => user[row])).size;

for (const [name, shares, [min, max], divide_] of [
  ['recbole-metarec', [80, 10, 10], [13, 100], (n: number) => ({ support: n - 10, query: 10 })],
  ['coldnas', [70, 10, 20], [40, 200], (n: number) => ({ support: 20, query: n - 20 })],
  ['tanp', [70, 10, 20], [40, 200], (n: number) => ({ support: 20, query: n - 20 })],
] as const) {
  test(`${name}: users are divided ${shares.join(':')}, and whoever has ${min} to ${max} rows is a task`, async () => {
    const { split, dataset, config: own } = await divided(name);
    const sets = ['train', 'validation', 'test'];
    assert.deepEqual(Object.keys(split.sets), sets);
    assert.deepEqual(
      sets.map((set) => usersOf(split.rows[set], dataset)),
      shares,
    );
    let tasks = 0;
    for (const set of sets) {
      for (const { rows, support, query } of tasksOf(split.sets[set])) {
        assert.ok(rows >= min && rows <= max, `${rows} rows`);
        assert.deepEqual({ support, query }, divide_(rows));
        tasks++;
      }
    }
    const eligible = Array.from({ length: USERS }, (_, user) => sizeOf(user)).filter((n) => n >= min && n <= max);
    assert.equal(tasks, eligible.length);
    assert.deepEqual(own.trainTasks, own.split.tasks, 'training tasks are alike');
    if (name === 'tanp') assert.ok(dataset.label.every((label) => label === 1));
  });
}

test('baselines of a protocol are fitted on the rows of its training tasks, as learners are', async () => {
  const prepared = await divided('coldnas', config({ evaluation: { baselines: ['globalMean'] } }));
  const { dataset, split } = prepared;
  const rows = [...split.sets['train'].supportRows, ...split.sets['train'].queryRows];
  assert.ok(rows.length < split.trainRows.length, 'users with fewer or more rows are no tasks');
  const mean = (of: Iterable<number>) => {
    const labels = Array.from(of, (row) => dataset.label[row]);
    return labels.reduce((sum, label) => sum + label, 0) / labels.length;
  };
  const [baseline] = await baselinesOf(prepared, split.trainRows, signal);
  assert.ok(Math.abs(baseline.predict(split.sets['test'])[0] - mean(rows)) < 1e-12);
  const { evaluation } = prepared.config;
  const all = {
    ...prepared,
    config: { ...prepared.config, evaluation: { ...evaluation, baselineRows: 'all' as const } },
  };
  const [whole] = await baselinesOf(all, split.trainRows, signal);
  assert.ok(Math.abs(whole.predict(split.sets['test'])[0] - mean(split.trainRows)) < 1e-12);
});

test('melu: tasks of 13 to 100 rows in each partition, ten of which are asked; training tasks alike', async () => {
  const { split, dataset, config: own } = await divided('melu');
  assert.deepEqual(
    Object.keys(split.sets).filter((set) => !set.startsWith('validation')),
    ['train', 'userCold', 'itemCold', 'bothCold'],
  );
  assert.equal(
    new Set([...usersIn(split.rows['userCold'], dataset), ...usersIn(split.rows['bothCold'], dataset)]).size,
    20,
  );
  for (const [set, tasks] of Object.entries(split.sets)) {
    const count = new Map<number, number>();
    for (const row of split.rows[set]) count.set(dataset.user[row], (count.get(dataset.user[row]) ?? 0) + 1);
    const eligible = [...count.values()].filter((n) => n >= 13 && n <= 100);
    assert.equal(tasks.size, eligible.length, set);
    const sizes = tasksOf(tasks);
    assert.ok(sizes.every(({ query }) => query === 10));
    assert.deepEqual(
      sizes.map(({ support, query }) => support + query).sort((a, b) => a - b),
      eligible.sort((a, b) => a - b),
    );
  }
  assert.deepEqual(own.trainTasks, { min: 13, max: 100, query: 10 });
});

test('melu: a split of partitions without validation is trained on whole', async () => {
  const half = { protocol: 'partitions', newUsers: { fraction: 0.2 }, newItems: { fraction: 0.2 } };
  const { split, validationNames } = await divided('melu', config({ split: { ...half, tasks: { min: 8, query: 5 } } }));
  assert.deepEqual(Object.keys(split.sets), ['train', 'userCold', 'itemCold', 'bothCold']);
  assert.deepEqual(validationNames, []);
});
const usersIn = (rows: Int32Array, { user }: { user: Int32Array }) => Array.from(rows, (row) => user[row]);

const shared = join(packageRoot(), '..', 'shared', 'data', 'ml-1m');
test(
  "melu on MovieLens-1M: the paper's own tasks",
  { skip: !fs.existsSync(join(shared, 'ratings.parquet')) && 'no ../shared/data/ml-1m' },
  async () => {
    const { split } = await divided('melu', join(packageRoot(), 'bench', 'ml-1m-compare.json'));
    assert.deepEqual(
      ['userCold', 'itemCold', 'bothCold'].map((set) => split.sets[set].size),
      [668, 2863, 723],
    );
  },
);

for (const name of Object.keys(PROTOCOLS) as ProtocolName[])
  test(`compare --protocol ${name} measures what it says, and what was published stands below`, async () => {
    const out = join(folder, `run-${made++}`);
    const { stdout } = ok('compare', '-c', config(), '--protocol', name, '-o', out);
    const table = JSON.parse(fs.readFileSync(join(out, 'compare.json'), 'utf8')) as RunTable;
    const { metrics } = (PROTOCOLS[name].apply({}) as { evaluation: { metrics: string[] } }).evaluation;
    assert.deepEqual([...new Set(table.columns.map(({ metric }) => metric))].sort(), [...metrics].sort());
    const [maml] = table.methods;
    assert.ok(maml.cells.every((cell) => cell !== null && Number.isFinite(cell.mean) && cell.tasks > 0));
    for (const text of [`Protocol ${name}:`, 'Published', 'Differs: '])
      assert.ok(stdout.includes(text) && table.notes!.some((note) => note.startsWith(text)), text);
    assert.ok(fs.readFileSync(join(out, 'compare.md'), 'utf8').includes(`Protocol ${name}`));

    // The file of results of a page has ours and theirs in one table.
    const target = join(out, 'record.json');
    const recorded = spawnSync(
      process.execPath,
      [join(packageRoot(), 'docs/tools/record.mjs'), target, out, 'command'],
      {
        cwd: packageRoot(),
        encoding: 'utf8',
      },
    );
    assert.equal(recorded.status, 0, recorded.stderr);
    const { tables, notes, seeds } = JSON.parse(fs.readFileSync(target, 'utf8')) as Recorded;
    assert.deepEqual(notes, table.notes);
    assert.equal(seeds, 1);
    for (const { method, set = 'test', metric, value } of publishedOf(name)) {
      const { columns, rows } = tables[set];
      assert.ok(rows.some((row) => row.method === 'MAML'));
      const row = rows.find((one) => one.method === `${method}, published`)!;
      assert.equal(row.cells[columns.indexOf(metric)]!.mean, value);
    }
  });

test('the configurations of bench/ are valid, under the protocols that they are run with too', async () => {
  const runs: [string, ProtocolName?][] = [
    ['demo-choices'],
    ['ml-1m-few-shot'],
    ['ml-1m-implicit', 'tanp'],
    ['ml-1m-partitions'],
    ['ml-1m-partitions', 'melu'],
    ['ml-1m-protocols'],
    ['ml-1m-protocols', 'coldnas'],
    ['ml-1m-protocols', 'recbole-metarec'],
  ];
  for (const [name, protocol] of runs) {
    const { learners, base } = await readComparison(join(packageRoot(), 'bench', `${name}.json`), protocol);
    assert.ok(learners.length >= 3, name);
    assert.equal(base.evaluation.baselineRows, protocol && 'tasks', name);
  }
});

test('a protocol that is none, and a file that is wrong by itself, are refused', async () => {
  const wrong = run('compare', '-c', config(), '--protocol', 'mine');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /Allowed choices are melu, recbole-metarec, coldnas, tanp/);
  const broken = run('compare', '-c', config({ split: { protocol: 'users' } }), '--protocol', 'coldnas');
  assert.equal(broken.code, 2);
  assert.match(broken.stderr, /split/);
});

test('shots: each reported set again with fewer known rows, the same tasks and query rows in all of them', async () => {
  const path = config({ evaluation: { shots: [0, 1, 10], baselines: ['itemMean'] } });
  const { base } = await readComparison(path);
  const prepared = await divide(base, await openData(base, signal));
  const names = ['test, 0 shots', 'test, 1 shot', 'test, 10 shots', 'test'];
  assert.deepEqual(reportedSets(prepared), names);
  const [none, one, ten, whole] = names.map((name) => prepared.split.sets[name]);
  const enough = tasksOf(whole).filter(({ support }) => support >= 10);
  assert.ok(enough.length > 0 && enough.length < whole.size, 'tasks with fewer rows are left out of the cuts alone');
  for (const [set, support] of [
    [none, 0],
    [one, 1],
    [ten, 10],
  ] as const) {
    assert.equal(set.size, enough.length);
    assert.ok(tasksOf(set).every((task) => task.support === support && task.query === 5));
    assert.deepEqual(set.queryRows, none.queryRows);
  }
  const out = join(folder, `run-${made++}`);
  ok('compare', '-c', path, '-o', out);
  const table = JSON.parse(fs.readFileSync(join(out, 'compare.json'), 'utf8')) as RunTable;
  assert.deepEqual([...new Set(table.columns.map(({ set }) => set))], names);
  const mean = table.methods.find(({ method }) => method === 'item mean')!;
  const values = table.columns.flatMap(({ set, metric }, c) =>
    metric === 'mae' && set !== 'test' ? [mean.cells[c]!.mean] : [],
  );
  assert.equal(new Set(values).size, 1, 'what does not adapt has one error at every number of shots');
  const maml = table.methods.find(({ method }) => method === 'MAML')!;
  const own = table.columns.flatMap(({ set, metric }, c) =>
    metric === 'mae' && set !== 'test' ? [maml.cells[c]!.mean] : [],
  );
  assert.equal(new Set(own).size, 3);

  const wrong = run('compare', '-c', config({ evaluation: { shots: [5, 1] } }));
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /evaluation\.shots\[1\]/);
});
