/** `mpirun innerloop train`: real processes, which are killed, stopped and resumed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { random } from '../../lib/foundation/random.js';
import { main } from '../fixtures/command.js';
import { at, buildAddon, killRank, model, mpirun, ranksOf, skip, until } from '../fixtures/mpirun.js';

const addon = join(packageRoot(), 'build', 'mpi', 'innerloop_mpi.node');

/** Ratings of 150 users, and configurations that train on them. */
function prepare(): void {
  const rows = ['user,item,label,time'];
  for (let u = 0; u < 150; u++) {
    const stream = random(5, 'mpi', u);
    const order = stream.shuffle(Int32Array.from({ length: 60 }, (_, i) => i));
    order.subarray(0, 12 + (u % 9)).forEach((i, k) => rows.push(`u${u},i${i},${1 + stream.below(5)},${k}`));
  }
  writeFileSync(at('ratings.csv'), `${rows.join('\n')}\n`);
  const config = (training: object, more: object = {}) => ({
    data: { interactions: { from: 'ratings.csv', user: 'user', item: 'item', label: 'label', time: 'time' } },
    split: { protocol: 'users', validation: 0.2, test: 0.2, tasks: { query: 4 } },
    model: { inputs: [{ name: 'item', dim: 8 }], body: { kind: 'mlp', hidden: [16] } },
    algorithm: { name: 'metaSgd', steps: 2 },
    training: { epochs: 3, metaBatch: 8, refit: true, ...training },
    evaluation: { baselines: ['itemMean'] },
    seed: 1,
    ...more,
  });
  writeFileSync(at('short.json'), JSON.stringify(config({})));
  writeFileSync(at('ridge.json'), JSON.stringify(config({ refit: false }, { algorithm: { name: 'ridge' } })));
  writeFileSync(at('long.json'), JSON.stringify(config({ epochs: 100_000, refit: false, checkpointSteps: 2 })));
}

test('the addon builds', { timeout: 300_000 }, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  prepare();
  buildAddon();
  assert.ok(existsSync(addon));
});

for (const name of ['short', 'ridge'])
  test(`${name}: 1, 2 and 4 processes write the same files`, { timeout: 300_000 }, async (t) => {
    if (skip !== undefined) return t.plan(0, skip);
    const config = ['-c', at(`${name}.json`)];
    const alone = spawnSync(process.execPath, [main, 'train', ...config, '-o', at(`${name}-1`)], { encoding: 'utf8' });
    assert.equal(alone.status, 0, alone.stderr);
    for (const n of [2, 4]) {
      const run = mpirun(n, ...config, '-o', at(`${name}-${n}`));
      assert.equal(await run.ended, 0, run.output());
      assert.ok(model(`${name}-${n}`).equals(model(`${name}-1`)), `the models of 1 and ${n} processes differ`);
      for (const file of ['evaluation.json', 'table.md'])
        assert.equal(readFileSync(at(`${name}-${n}`, file), 'utf8'), readFileSync(at(`${name}-1`, file), 'utf8'), file);
      assert.equal(run.output().match(/model and results:/g)?.length, 1, 'one process speaks');
    }
  });

test(
  'a rank that is killed ends all, at once and not with 0; the run goes on with another number of ranks',
  { timeout: 300_000 },
  async (t) => {
    if (skip !== undefined) return t.plan(0, skip);
    const run = mpirun(3, '-c', at('long.json'), '-o', at('killed'));
    await until(() => existsSync(at('killed', 'metrics.jsonl')), 'the first epoch', 120);
    const seconds = await killRank(run, 3, 2);
    t.comment(`all ended ${seconds.toFixed(1)} s after one was killed`);
    assert.match(run.output(), /rank 2/);
    assert.match(run.output(), new RegExp(hostname()));
    assert.match(run.output(), /rank [01] of 3 on .*epoch \d+, step \d+/, 'the others say where they were');

    const done = readFileSync(at('killed', 'metrics.jsonl'), 'utf8').trim().split('\n').length;
    const more = ['--epochs', String(done + 3)];
    const resumed = mpirun(2, '-c', at('long.json'), '-o', at('killed'), '--resume', ...more);
    assert.equal(await resumed.ended, 0, resumed.output());
    const whole = spawnSync(process.execPath, [main, 'train', '-c', at('long.json'), '-o', at('whole'), ...more], {
      encoding: 'utf8',
    });
    assert.equal(whole.status, 0, whole.stderr);
    assert.ok(model('killed').equals(model('whole')), 'as if nothing had happened');
  },
);

test('a rank that is silent is given up and named', { timeout: 300_000 }, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  const run = mpirun(2, '-c', at('long.json'), '-o', at('silent'), '--rank-timeout', '4');
  await until(() => existsSync(at('silent', 'metrics.jsonl')), 'the first epoch', 120);
  const [, second] = ranksOf(run.launcher);
  process.kill(second, 'SIGSTOP');
  const stopped = performance.now();
  assert.notEqual(await run.ended, 0);
  t.comment(`all ended ${((performance.now() - stopped) / 1000).toFixed(1)} s after one was stopped, of 4 s allowed`);
  assert.match(
    run.output(),
    new RegExp(`RANK .*rank 1 on ${hostname()} did not answer within 4 s, at epoch \\d+, step \\d+`),
  );
});

test('what one process refuses ends all, with one exit code', { timeout: 300_000 }, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  const twice = mpirun(2, '-c', at('short.json'), '-o', at('short-1'));
  assert.equal(await twice.ended, 2, twice.output());
  assert.match(twice.output(), /holds a finished run/);
  const fewer = mpirun(2, '-c', at('short.json'), '-o', at('fewer'), '--ranks', '4');
  assert.notEqual(await fewer.ended, 0);
  assert.match(fewer.output(), /2 processes were started.*mpirun -n 4/);
  assert.ok(!existsSync(at('fewer')), 'nothing was begun');
});

test(
  'more ranks than are started are refused without a launcher; without the addon the command to build it is named',
  { timeout: 60_000 },
  async (t) => {
    if (skip !== undefined) return t.plan(0, skip);
    const alone = spawnSync(
      process.execPath,
      [main, 'train', '-c', at('short.json'), '-o', at('none'), '--ranks', '2'],
      { encoding: 'utf8' },
    );
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /mpirun -n 2 innerloop train/);
    const launched = spawnSync(process.execPath, [main, 'train', '-c', at('short.json'), '-o', at('none')], {
      encoding: 'utf8',
      env: { ...process.env, OMPI_COMM_WORLD_SIZE: '2', INNERLOOP_MPI: at('nothing.node') },
    });
    assert.equal(launched.status, 1);
    assert.match(launched.stderr, /UNSUPPORTED .*npm run build:mpi/);
  },
);
