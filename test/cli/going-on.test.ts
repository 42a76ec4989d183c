/** A run goes on with data that has grown; what was measured once is measured again, whatever was appended or is named now. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { loadLearner } from '../../lib/serving/persist.js';
import { commandIn, main } from '../fixtures/command.js';
import { linesOf, tastes } from '../fixtures/tastes.js';

const folders: string[] = [];
after(() => folders.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

const tasks = { min: 5, query: 4 };
const standard = {
  data: {
    interactions: { from: 'r.csv', user: 'u', item: 'i', label: 'r', time: 't' },
    items: {
      from: 'items.csv',
      id: 'id',
      features: [
        { name: 'price', kind: 'dense' },
        { name: 'title', kind: 'categorical' },
      ],
    },
  },
  split: { protocol: 'users', validation: 0.15, test: 0.15, tasks },
  model: { inputs: [{ name: 'item', dim: 4 }, { name: 'price' }], hidden: [8], activation: 'tanh', loss: 'mse' },
  algorithm: { name: 'maml', steps: 2, learningRate: 0.05 },
  training: { epochs: 4 },
  evaluation: { metrics: ['mae', 'ndcg@5'], baselines: ['itemMean', 'contentRidge'] },
  output: 'run',
};
const ITEMS = Array.from({ length: 40 }, (_, i) => `${i + 1},${10 * i},Film ${i + 1}\n`).join('');

/** A folder with data and a configuration, and what is done in it. */
function workplace(config: object = standard) {
  const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-going-on-'));
  folders.push(folder);
  const at = (name: string) => join(folder, name);
  fs.writeFileSync(at('r.csv'), `u,i,r,t\n${linesOf(tastes({ users: 120 }))}`);
  fs.writeFileSync(at('items.csv'), `id,price,title\n${ITEMS}`);
  fs.writeFileSync(at('c.json'), JSON.stringify(config));
  const { run, ok } = commandIn(folder);
  const table = (...args: string[]): unknown => {
    const lines = ok(...args, '-c', 'c.json', '--json')
      .stdout.trim()
      .split('\n');
    return (JSON.parse(lines[lines.length - 1]) as { tables: unknown }).tables;
  };
  const evaluated = (...args: string[]) => table('evaluate', '-m', join('run', 'model.safetensors'), ...args);
  /** New films, new users, and more of the old users. */
  const grow = (price = 210) => {
    fs.appendFileSync(at('items.csv'), `41,${price},Film 41\n`);
    const more = tastes({ users: 30, firstUser: 121, seed: 2 });
    fs.appendFileSync(at('r.csv'), linesOf({ ...more, item: more.item.map((id) => (id === '7' ? '41' : id)) }));
    fs.appendFileSync(at('r.csv'), Array.from({ length: 40 }, (_, u) => `${u + 1},41,3,9000\n`).join(''));
  };
  return { folder, at, run, ok, table, evaluated, grow };
}

test('evaluate gives the table of train after rows, users and a dear film were appended, and by other seeds', async () => {
  for (const config of [
    standard,
    {
      ...standard,
      model: {
        inputs: [
          { name: 'user', dim: 4 },
          { name: 'item', dim: 4 },
        ],
        body: { kind: 'mf', user: 'user', item: 'item' },
        loss: 'mse',
      },
      algorithm: { name: 'maml', steps: 2, learningRate: 0.05 },
    },
  ]) {
    const { at, table, evaluated, grow } = workplace(config);
    const trained = table('train', '--seed', '5');
    // Another seed in the configuration, then other rows, users and films, then another split too.
    assert.deepEqual(evaluated(), trained);
    grow(100_000);
    if (config === standard) assert.deepEqual(evaluated(), trained);
    fs.writeFileSync(at('c.json'), JSON.stringify({ ...config, seed: 9, split: { ...config.split, test: 0.3 } }));
    assert.deepEqual(evaluated(), trained);
  }
});

test('--resume goes on with data that has grown: new ids get rows, who was tested stays tested, and it is measured alike', async () => {
  const { at, run, ok, table, evaluated, grow } = workplace();
  ok('train', '-c', 'c.json');
  const model = at(join('run', 'model.safetensors'));
  const before = await loadLearner(model);
  grow();
  const bytes = fs.readFileSync(model);
  const again = run('train', '-c', 'c.json', '--resume');
  assert.equal(again.code, 2);
  assert.match(
    again.stderr,
    /training\.epochs: 4 are done, and the data has grown by 490 rows and 30 users.*--epochs N/,
  );
  assert.match(run('train', '-c', 'c.json').stderr, /holds a finished run/);
  assert.deepEqual(fs.readFileSync(model), bytes, 'nothing was touched');

  const trained = table('train', '--resume', '--epochs', '7');
  const after = await loadLearner(model);
  assert.equal(after.epochs, 7);
  assert.deepEqual(evaluated(), trained);
  const rowsOf = (learner: typeof after) => learner.parameters()['embedding.item.weight'].shape[0];
  assert.equal(rowsOf(after), rowsOf(before) + 1);
  assert.ok(after.catalog!.items.keys.idOf('41') > 0);
  const { itemCounts, catalog } = after;
  assert.ok(itemCounts![catalog!.items.keys.idOf('41')] > 20, 'new rows were trained on');
  const epochs = fs
    .readFileSync(at(join('run', 'metrics.jsonl')), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { epoch: number }).epoch);
  assert.deepEqual(epochs, [1, 2, 3, 4, 5, 6, 7]);

  // And on, from the model, without growth.
  assert.match(run('train', '-c', 'c.json', '--resume', '--epochs', '7').stderr, /7 are done; got 7/);
  assert.deepEqual(evaluated(), trained);
  const last = table('train', '--resume', '--epochs', '8');
  assert.deepEqual(evaluated(), last);
  assert.equal((await loadLearner(model)).epochs, 8);
});

/** Runs the command until a file is there, which goes when the run has ended. */
async function killedOnce(folder: string, file: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: 'ignore' });
  const path = join(folder, 'run', file);
  while (!fs.existsSync(path)) await new Promise((go) => setTimeout(go, 5));
  child.kill('SIGKILL');
  await new Promise((go) => child.once('exit', go));
  assert.ok(fs.existsSync(path), 'it was killed before its end');
}

test('a run that was killed goes on with data that has grown', async () => {
  const { folder, at, run, ok, evaluated, table, grow } = workplace();
  await killedOnce(folder, 'begun.safetensors', ['train', '-c', 'c.json', '--epochs', '4000']);
  const begun = await loadLearner(at(join('run', 'begun.safetensors')));
  grow();
  const epochsOf = () =>
    fs
      .readFileSync(at(join('run', 'metrics.jsonl')), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { epoch: number }).epoch);
  const few = run('train', '-c', 'c.json', '--resume', '--epochs', '1');
  assert.equal(few.code, 2);
  const done = Number(
    /training\.epochs: (\d+) are done, and the data has grown by 490 rows and 30 users/.exec(few.stderr)![1],
  );
  assert.ok(done >= 1 && done >= Math.max(...epochsOf()));

  const trained = table('train', '--resume', '--epochs', String(done + 2));
  assert.deepEqual(epochsOf().slice(-2), [done + 1, done + 2]);
  assert.deepEqual(evaluated(), trained);
  const learner = await loadLearner(at(join('run', 'model.safetensors')));
  assert.equal(learner.epochs, done + 2);
  const { keys } = learner.catalog!.items;
  assert.ok(learner.itemCounts![keys.idOf('41')] > 20, 'new rows were trained on');
  // Whoever was in a set stays there; who is new is trained on.
  const [before, now] = [begun.split!.membership.users!, learner.split!.membership.users!];
  assert.deepEqual(now.slice(0, before.length), before);
  assert.ok(now.length > before.length && now.slice(before.length).every((set) => set === 0));
  for (const file of ['begun', 'checkpoint', 'checkpoint-later'])
    assert.ok(!fs.existsSync(at(join('run', `${file}.safetensors`))), file);
  ok('train', '-c', 'c.json', '--resume', '--epochs', String(done + 3));
});

test('a run that was killed before its first epoch was kept says what the data was', async () => {
  const { folder, at, run, grow } = workplace();
  const asked = ['train', '-c', 'c.json', '--epochs', '4000'];
  await killedOnce(folder, 'begun.safetensors', asked);
  fs.rmSync(at(join('run', 'begun.safetensors')));
  grow();
  const { code, stderr } = run(...asked, '--resume');
  assert.equal(code, 1);
  assert.match(
    stderr,
    /its data or its tasks are others \(\d+ rows of 120 users and 40 items there, \d+ rows of 150 users and 41 items here\).*--fresh/,
  );
});

test('a run that is to be refitted ends on the data that it began with, and says so', async () => {
  const { folder, run, grow } = workplace({ ...standard, training: { epochs: 4000, refit: true } });
  await killedOnce(folder, 'begun.safetensors', ['train', '-c', 'c.json']);
  grow();
  const { code, stderr } = run('train', '-c', 'c.json', '--resume');
  assert.equal(code, 2);
  assert.match(stderr, /training\.refit: a refit is of the data that the run began with.*--fresh/);
});

test('a run that goes on with grown data and is killed resumes to the same bytes', async () => {
  const one = workplace();
  one.ok('train', '-c', 'c.json');
  one.grow();
  const other = fs.mkdtempSync(join(tmpdir(), 'innerloop-going-on-'));
  folders.push(other);
  fs.cpSync(one.folder, other, { recursive: true });
  const asked = ['train', '-c', 'c.json', '--resume', '--epochs', '40'];
  one.ok(...asked);
  await killedOnce(other, 'checkpoint-later.safetensors', asked);
  commandIn(other).ok(...asked);
  const bytes = (folder: string) => fs.readFileSync(join(folder, 'run', 'model.safetensors'));
  assert.deepEqual(bytes(other), bytes(one.folder));
});

test('a refitted model has nothing to go on by, and says so', async () => {
  const { run, ok, grow } = workplace({ ...standard, training: { epochs: 2, refit: true } });
  ok('train', '-c', 'c.json');
  grow();
  const ended = run('train', '-c', 'c.json', '--resume', '--epochs', '4');
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /training\.refit: .*--fresh/);
});
