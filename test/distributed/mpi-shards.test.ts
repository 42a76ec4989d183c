/** `mpirun innerloop train --shards`: every process reads the shards that it owns, and all together write what one alone writes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'tap';
import { generateInteractions } from '../../bench/generate-interactions.js';
import { main } from '../fixtures/command.js';
import { at, buildAddon, killRank, model, mpirun, skip, until } from '../fixtures/mpirun.js';

const ROWS = 40_000;
const limit = { timeout: 300_000 };
const options = (config: string, output: string, ...more: string[]) => [
  ...['--config', at(config), '--shards', at('shards'), '--output', at(output)],
  ...more,
];
/** The same by this process alone. */
function alone(config: string, output: string, ...more: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [main, 'train', ...options(config, output, ...more)], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
}

test('generated interactions become shards of different sizes', limit, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  buildAddon();
  await generateInteractions(ROWS, at('rows.parquet'), 'parquet');
  const config = (training: object, algorithm: object) =>
    JSON.stringify({
      data: { interactions: { from: 'rows.parquet', user: 'user', item: 'item', label: 'rating', time: 'time' } },
      split: { protocol: 'users', validation: 0.1, test: 0.1, tasks: { min: 5, query: { fraction: 0.2 } } },
      model: { inputs: [{ name: 'item', dim: 8 }], body: { kind: 'mlp', hidden: [16] } },
      algorithm,
      training: { metaBatch: 24, ...training },
      evaluation: { baselines: false },
      seed: 1,
    });
  writeFileSync(at('maml.json'), config({ epochs: 2 }, { name: 'maml', steps: 2 }));
  writeFileSync(at('ridge.json'), config({ epochs: 2 }, { name: 'ridge' }));
  writeFileSync(at('long.json'), config({ epochs: 100_000, checkpointSteps: 2 }, { name: 'maml', steps: 1 }));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [main, 'shard', '--config', at('maml.json'), '--output', at('shards'), '--rows', '700'],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  // More than a window, and a number that neither two nor four processes divide evenly.
  const shards = Number(/train: .* in (\d+) shards/.exec(stdout)?.[1]);
  assert.ok(shards > 8 && shards % 4 !== 0, stdout);
});

/** Every commit runs one learner on four processes; `npm run test:all` the other one, and two processes, too. */
const isWhole = process.env['INNERLOOP_TEST_ALL'] === '1';
const counts = isWhole ? [2, 4] : [4];
for (const name of isWhole ? ['maml', 'ridge'] : ['ridge'])
  test(`${name}: 1 and ${counts.join(' and ')} processes on shards write the same files`, limit, async (t) => {
    if (skip !== undefined) return t.plan(0, skip);
    alone(`${name}.json`, `${name}-1`);
    for (const n of counts) {
      const run = mpirun(n, ...options(`${name}.json`, `${name}-${n}`, '--ranks', String(n)));
      assert.equal(await run.ended, 0, run.output());
      assert.ok(model(`${name}-${n}`).equals(model(`${name}-1`)), `the models of 1 and ${n} processes differ`);
      for (const file of ['evaluation.json', 'table.md'])
        assert.equal(readFileSync(at(`${name}-${n}`, file), 'utf8'), readFileSync(at(`${name}-1`, file), 'utf8'), file);
    }
  });

test('a rank is killed within an epoch; the run goes on with another number of ranks', limit, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  const run = mpirun(4, ...options('long.json', 'killed'));
  await until(() => existsSync(at('killed', 'metrics.jsonl')), 'the first epoch', 120);
  await killRank(run, 4, 1);

  const done = readFileSync(at('killed', 'metrics.jsonl'), 'utf8').trim().split('\n').length;
  const more = ['--epochs', String(done + 2)];
  const resumed = mpirun(2, ...options('long.json', 'killed', '--resume', ...more));
  assert.equal(await resumed.ended, 0, resumed.output());
  alone('long.json', 'whole', ...more);
  assert.ok(model('killed').equals(model('whole')), 'as if nothing had happened');
});

test('a shard that is cut ends all processes, which is named', limit, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  const [from, to] = [at('shards'), at('cut')];
  mkdirSync(to);
  for (const file of readdirSync(from)) copyFileSync(`${from}/${file}`, `${to}/${file}`);
  const [first] = readdirSync(to).filter((file) => file.startsWith('train-'));
  truncateSync(`${to}/${first}`, 1000);
  const run = mpirun(2, '--config', at('maml.json'), '--shards', to, '--output', at('cut-run'));
  assert.notEqual(await run.ended, 0);
  assert.match(run.output(), new RegExp(`INVALID_DATA .*${first}: cut short`));
});
