/** `mpirun innerloop tune`: processes share a search, are killed, and another number of them goes on with it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'tap';
import { random } from '../../lib/foundation/random.js';
import type { Trial } from '../../lib/tune/index.js';
import { main } from '../fixtures/command.js';
import { at, buildAddon, killRank, mpirunOf, ranksOf, skip, until } from '../fixtures/mpirun.js';

/** Every commit shares one search between two processes; `npm run test:all` ends and resumes one as well. */
const isWhole = process.env['INNERLOOP_TEST_ALL'] === '1';

function prepare(): void {
  const rows = ['user,item,label'];
  for (let u = 0; u < 60; u++) {
    const stream = random(5, 'mpi', u);
    const order = stream.shuffle(Int32Array.from({ length: 30 }, (_, i) => i));
    order.subarray(0, 12 + (u % 9)).forEach((i) => rows.push(`u${u},i${i},${1 + stream.below(5)}`));
  }
  writeFileSync(at('ratings.csv'), `${rows.join('\n')}\n`);
  const config = (learners: object[], epochs: number) => ({
    data: { interactions: { from: 'ratings.csv', user: 'user', item: 'item', label: 'label' } },
    split: { protocol: 'users', validation: 0.2, test: 0.2, tasks: { query: 4 } },
    model: { inputs: [{ name: 'item', dim: 4 }], hidden: [4] },
    algorithm: { name: 'ridge' },
    training: { epochs, metaBatch: 8 },
    evaluation: { baselines: learners.length > 1 ? ['userItemBias'] : false },
    learners,
    seed: 1,
  });
  const maml = { name: 'MAML', algorithm: { name: 'maml', steps: 2, learningRate: 0.05 } };
  writeFileSync(at('tune.json'), JSON.stringify(config([{ name: 'ridge' }, maml], 3)));
  writeFileSync(at('long.json'), JSON.stringify(config([maml], 300)));
}

interface Document {
  results: { name: string; found: object; trials: Trial[] }[];
}

/** What a search tried and found, without how long it took, and the configuration that it wrote. */
function found(run: string): unknown {
  const { results, ...head } = JSON.parse(readFileSync(at(run, 'tune.json'), 'utf8')) as Document;
  const plain = results.map(({ trials, ...result }) => ({
    ...result,
    trials: trials.map(({ seconds: _, ...trial }) => JSON.stringify(trial)).sort(),
  }));
  return { head, plain, tuned: readFileSync(at(run, 'tuned.json'), 'utf8').replaceAll(run, 'run') };
}

function alone(config: string, run: string, ...more: string[]): void {
  const args = [main, 'tune', '-c', at(config), '-o', at(run), ...more, '--jobs', '1', '--threads', '1'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const counts = isWhole ? [2, 4] : [2];
prepare();

test(`1 and ${counts.join(' and ')} processes try and find the same`, { timeout: 300_000 }, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  buildAddon();
  alone('tune.json', 'tune-1', '--budget', '3');
  for (const n of counts) {
    const run = mpirunOf('tune', n, '-c', at('tune.json'), '-o', at(`tune-${n}`), '--budget', '3', '--jobs', '1');
    assert.equal(await run.ended, 0, run.output());
    assert.deepEqual(found(`tune-${n}`), found('tune-1'));
    assert.equal(run.output().match(/\| method \|/g)?.length, 1, 'one process speaks');
  }
});

test(
  'a rank of a search is killed, which ends all; another number of ranks goes on',
  { timeout: 300_000 },
  async (t) => {
    if (skip !== undefined) return t.plan(0, skip);
    if (!isWhole) return t.plan(0, 'INNERLOOP_TEST_ALL=1 runs it');
    const options = ['-c', at('long.json'), '-o', at('killed'), '--budget', '9', '--jobs', '1'];
    const run = mpirunOf('tune', 3, ...options);
    const state = at('killed', 'tune', 'maml.json');
    await until(() => existsSync(state), 'the first trial', 120);
    const seconds = await killRank(run, 3, 1);
    t.comment(`all ended ${seconds.toFixed(1)} s after one was killed`);

    const kept = (JSON.parse(readFileSync(state, 'utf8')) as { trials: Trial[] }).trials;
    assert.ok(kept.length > 0 && !existsSync(at('killed', 'tune.json')));
    const resumed = mpirunOf('tune', 2, ...options);
    assert.equal(await resumed.ended, 0, resumed.output());
    alone('long.json', 'whole', '--budget', '9');
    const whole = JSON.stringify(found('killed')).replaceAll('killed', 'run');
    assert.equal(whole, JSON.stringify(found('whole')).replaceAll('whole', 'run'));
    const [{ trials }] = (JSON.parse(readFileSync(at('killed', 'tune.json'), 'utf8')) as Document).results;
    for (const trial of kept)
      assert.ok(
        trials.some((other) => JSON.stringify(other) === JSON.stringify(trial)),
        'what was measured is not measured again, and so keeps its duration',
      );
  },
);

test('ranks that were not started are refused', { timeout: 300_000 }, async () => {
  const none = spawnSync(process.execPath, [main, 'tune', '-c', at('tune.json'), '-o', at('none'), '--ranks', '2'], {
    encoding: 'utf8',
  });
  assert.equal(none.status, 2);
  assert.match(none.stderr, /mpirun -n 2 innerloop tune/);
});

test('a rank that is silent ends the search and is named', { timeout: 300_000 }, async (t) => {
  if (skip !== undefined) return t.plan(0, skip);
  if (!isWhole) return t.plan(0, 'INNERLOOP_TEST_ALL=1 runs it');
  const run = mpirunOf('tune', 2, '-c', at('long.json'), '-o', at('silent'), '--rank-timeout', '4', '--jobs', '1');
  await until(() => existsSync(at('silent', 'tune', 'maml.json')), 'the first trial', 120);
  const [, second] = ranksOf(run.launcher);
  process.kill(second, 'SIGSTOP');
  assert.notEqual(await run.ended, 0);
  assert.match(run.output(), /RANK .*rank 1 on .* did not answer within 4 s, at round 1 of 3, \d+ of \d+ measured/);
});
