/** The search over settings: what it finds, what it spends, that it goes on where it was cut off, and what it refuses. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { bestSetting, rankedSettings, tune } from '../../lib/tune/index.js';
import { mostTrials } from '../../lib/tune/tune.js';
import type { SearchSpace, Trial, TuneOptions, TuneRun } from '../../lib/tune/index.js';
import { rejects } from '../fixtures/family.js';
import { localGroup } from '../fixtures/local-group.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-tune-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const SPACE: SearchSpace = { rate: { log: [0.001, 1] }, depth: { of: [1, 2, 3] }, extra: { of: [null, { at: 1 }] } };
type Values = { rate?: number; depth?: number; extra?: { at: number } | null };

/** Best at rate 0.05 and depth 2; a part of the training measures it with an error that a setting keeps. */
const loss = ({ rate = 1, depth = 1 }: Values, { share, seed, split }: TuneRun) =>
  Math.log(rate / 0.05) ** 2 + (depth - 2) ** 2 + (1 - share) + 0.01 * seed + 0.1 * split;
const validation: TuneOptions['validation'] = async (setting, run) => loss(setting, run);

async function all(options: Omit<TuneOptions, 'validation'> & Partial<TuneOptions>, space = SPACE): Promise<Trial[]> {
  const trials: Trial[] = [];
  for await (const trial of tune(space, { validation, ...options })) trials.push(trial);
  return trials;
}
const plain = (trials: Trial[]) => trials.map(({ seconds: _, ...rest }) => JSON.stringify(rest)).sort();

test('finds what is good, with the budget that was given; the same however many run at a time', async () => {
  const options = { budget: 40, seeds: [1, 2], splits: [0, 3], start: { rate: 0.9, depth: 3, extra: null } };
  const trials = await all(options);
  const rounds = [0, 1, 2].map((rung) => trials.filter((trial) => trial.rung === rung));
  assert.equal(rounds[0].length, 40);
  assert.equal(new Set(rounds[0].map(({ setting }) => JSON.stringify(setting))).size, 40, 'every draw another one');
  assert.ok(rounds[1].length >= 14 && rounds[1].length <= 15, `${rounds[1].length}, a third, and the start`);
  assert.ok(rounds[2].length >= 4 * 5 && rounds[2].length <= 4 * 6, `${rounds[2].length}, two seeds on two splits`);
  assert.equal(mostTrials(options), 40 + 15 + 4 * 6, 'where the start is not among the best');
  assert.ok(trials.length <= mostTrials(options));
  for (const round of rounds)
    assert.ok(
      round.some(({ index }) => index === 0),
      'the start is in every round',
    );

  const found = bestSetting(trials);
  const { rate, depth } = found.setting as Required<Values>;
  assert.ok(rate > 0.02 && rate < 0.13 && depth === 2, JSON.stringify(found.setting));
  assert.equal(found.runs, 4);
  assert.ok(found.deviation! > 0.1, 'of seeds and splits');
  const ranked = rankedSettings(trials);
  assert.ok(found.value <= ranked.find(({ index }) => index === 0)!.value);
  assert.equal(bestSetting(trials, 'higher').index, ranked.at(-1)!.index);
  assert.deepEqual(plain(await all({ ...options, parallel: 7 })), plain(trials));
  assert.notDeepEqual(plain(await all({ ...options, seed: 2 })), plain(trials));

  const drawn = rounds[0].slice(1).map(({ setting }) => setting as Required<Values>);
  assert.ok(drawn.every((each) => each.rate >= 0.001 && each.rate <= 1));
  assert.ok(
    drawn.filter((each) => each.rate < 0.03).length > 10,
    'as many below as above the middle of the logarithms',
  );
  assert.deepEqual([...new Set(drawn.map((each) => each.depth))].sort(), [1, 2, 3]);
  assert.ok(drawn.some(({ extra }) => extra === null) && drawn.some(({ extra }) => extra?.at === 1));
});

test('a search that was cut off goes on from its state, and measures nothing twice', async () => {
  const state = join(folder, 'state.json');
  const calls: string[] = [];
  const counted: TuneOptions['validation'] = async (setting, run) => {
    calls.push(JSON.stringify([setting, run.share, run.seed, run.split]));
    return loss(setting, run);
  };
  const options = { budget: 12, seeds: [1, 2], state, identity: 'data', validation: counted };
  const stop = new AbortController();
  const cut = (async () => {
    for await (const _ of tune(SPACE, { ...options, signal: stop.signal })) if (calls.length === 7) stop.abort();
  })();
  await rejects(cut, 'ABORTED');
  const kept = (JSON.parse(fs.readFileSync(state, 'utf8')) as { trials: unknown[] }).trials.length;
  assert.ok(kept >= 7, `${kept} trials kept`);
  const trials = await all(options);
  assert.equal(new Set(calls).size, calls.length, 'no measurement twice');
  assert.deepEqual(plain(trials), plain(await all({ ...options, state: undefined, validation })));
  const again = calls.length;
  assert.deepEqual(plain(await all(options)), plain(trials));
  assert.equal(calls.length, again, 'a finished search measures nothing');

  await rejects(all({ ...options, identity: 'other data' }), 'INVALID_DATA', /not the state of this search/);
  await rejects(all({ ...options, budget: 13 }), 'INVALID_DATA', /not the state of this search/);
  fs.writeFileSync(state, '{"identity":');
  await rejects(all(options), 'INVALID_DATA', /not the state of this search/);
  assert.deepEqual(fs.readdirSync(folder), ['state.json'], 'no lock and no half-written file is left');
});

/** What each member of a group of processes yields; `optionsOf`: what a member is given besides. */
async function together(
  size: number,
  options: Parameters<typeof all>[0],
  optionsOf: (rank: number) => object = () => ({}),
) {
  return Promise.allSettled(localGroup(size).map((group, rank) => all({ ...options, group, ...optionsOf(rank) })));
}
const fulfilled = (results: PromiseSettledResult<Trial[]>[]) =>
  results.map((result) => {
    assert.ok(result.status === 'fulfilled', String((result as PromiseRejectedResult).reason));
    return result.value;
  });

test('any number of processes yields the trials of one, each measured once; the state goes on with any number', async () => {
  const options = { budget: 12, seeds: [1, 2], start: { rate: 0.9 } };
  const alone = plain(await all(options));
  for (const [size, parallel] of [
    [2, 1],
    [3, 2],
    [7, 1],
  ]) {
    const calls: number[] = Array.from({ length: size }, () => 0);
    const byRank = (rank: number) => ({
      validation: async (setting: Values, run: TuneRun) => {
        calls[rank]++;
        // Ends in another order than it began.
        await new Promise((go) => setTimeout(go, (7 * calls[rank]) % 5));
        return loss(setting, run);
      },
    });
    const state = join(folder, `shared-${size}.json`);
    const searches = fulfilled(await together(size, { ...options, parallel, state }, byRank));
    for (const trials of searches) {
      assert.deepEqual(plain(trials), alone);
      assert.deepEqual(trials, searches[0], 'in one order, with one duration');
    }
    assert.equal(
      calls.reduce((a, b) => a + b),
      alone.length,
      'nothing is measured twice',
    );
    assert.ok(Math.min(...calls) > 0, `every process measured something: ${calls.join(', ')}`);
    // The file of some processes is one that another number of them goes on from.
    const document = JSON.parse(fs.readFileSync(state, 'utf8')) as { identity: string; trials: Trial[] };
    assert.deepEqual(plain(document.trials), alone);
    fs.writeFileSync(state, JSON.stringify({ ...document, trials: document.trials.slice(0, 5) }));
    calls.fill(0);
    for (const trials of fulfilled(await together(2, { ...options, state }, byRank)))
      assert.deepEqual(plain(trials), alone);
    assert.equal(
      calls.reduce((a, b) => a + b),
      alone.length - 5,
    );
    fs.rmSync(state);
  }
});

test('what one process cannot do ends the search of all, who are told', async () => {
  const reasons = (results: PromiseSettledResult<unknown>[]) =>
    results.map((result) => (result as PromiseRejectedResult).reason as InnerloopError);
  const broken = async () => Promise.reject(new TypeError('a fault'));
  const faults = reasons(await together(3, { budget: 6 }, (rank) => (rank === 1 ? { validation: broken } : {})));
  assert.ok(faults[1] instanceof TypeError);
  for (const rank of [0, 2]) assert.match(faults[rank].message, /rank 1.*ended the search: a fault/);

  const stop = new AbortController();
  const stopping = async (setting: Values, run: TuneRun) => (stop.abort(), loss(setting, run));
  const stopped = reasons(
    await together(2, { budget: 6 }, (rank) => (rank === 0 ? { validation: stopping, signal: stop.signal } : {})),
  );
  assert.deepEqual(
    stopped.map(({ code }) => code),
    ['ABORTED', 'RANK'],
  );

  const state = join(folder, 'other.json');
  fs.writeFileSync(state, '{}');
  const opened = reasons(await together(2, { budget: 6, state }));
  assert.deepEqual(
    opened.map(({ code }) => code),
    ['INVALID_DATA', 'RANK'],
  );
  assert.match(opened[1].message, /rank 0 cannot begin: .*not the state of this search/);
  fs.rmSync(state);
  assert.deepEqual(fs.readdirSync(folder), ['state.json'], 'no lock is left');

  const [first, second] = localGroup(2);
  void all({ budget: 6, group: first }).catch(() => undefined);
  await rejects(all({ budget: 7, group: second }), 'RANK', /rank 1.*searches for something else/);
});

test('a run that fails takes its setting out, also where one seed of it does; where all fail the reason is given', async () => {
  const diverges = (fails: (setting: Values, run: TuneRun) => boolean): TuneOptions['validation'] => {
    return async (setting, run) => {
      if (fails(setting, run)) throw new InnerloopError('DIVERGED', 'epoch 1: not finite');
      return loss(setting, run);
    };
  };
  const some = await all({ budget: 30, validation: diverges(({ rate = 1 }) => rate > 0.02 && rate < 0.2) });
  const failed = some.filter((trial) => trial.failed !== undefined);
  assert.ok(failed.length > 3 && failed.every(({ value, rung }) => value === null && rung === 0));
  assert.equal(failed[0].failed!.code, 'DIVERGED');
  const { rate } = bestSetting(some).setting as { rate: number };
  assert.ok(rate <= 0.02 || rate >= 0.2);

  const best = bestSetting(await all({ budget: 20 })).index;
  const unlucky = await all({
    budget: 20,
    seeds: [1, 2],
    validation: diverges(
      (setting, { seed }) => seed === 2 && loss(setting, { share: 1, seed: 0, split: 0 } as TuneRun) < 1,
    ),
  });
  assert.ok(unlucky.some((trial) => trial.seed === 2 && trial.failed !== undefined));
  assert.notEqual(bestSetting(unlucky).index, best, 'the mean of the seeds that did not fail is no mean');

  await rejects(all({ budget: 3, validation: diverges(() => true) }), 'INVALID_DATA', /every setting failed.*DIVERGED/);
  const nan = await all({ budget: 4, start: { rate: 1 }, validation: async ({ rate }) => (rate === 1 ? 1 : NaN) });
  assert.equal(bestSetting(nan).index, 0);
  const broken = all({ budget: 3, parallel: 2, validation: async () => Promise.reject(new TypeError('a fault')) });
  await assert.rejects(broken, TypeError);
});

test('what cannot be searched is refused by name', async () => {
  const refused = (options: object, field: RegExp, space: object = SPACE) =>
    rejects(all(options, space as SearchSpace), 'INVALID_OPTION', field);
  await refused({ budget: 0 }, /tune\.budget/);
  await refused({ rungs: [0.5] }, /tune\.rungs/);
  await refused({ rungs: [0.5, 0.3, 1] }, /tune\.rungs\[1\]/);
  await refused({ rungs: [] }, /tune\.rungs/);
  await refused({ start: [1] }, /tune\.start/);
  await refused({ identity: 1 }, /tune\.identity/);
  await refused({ state: 1 }, /tune\.state/);
  await refused({ keep: 0 }, /tune\.keep/);
  await refused({ seeds: [] }, /tune\.seeds/);
  await refused({ splits: [1, 1] }, /tune\.splits/);
  await refused({ group: { rank: 2, size: 2 } }, /tune\.group/);
  await refused({ validation: 1 }, /tune\.validation/);
  await refused({ validation: async () => 'good' }, /tune\.validation/);
  await refused({}, /space\.rate\.log/, { rate: { log: [0, 1] } });
  await refused({}, /space\.rate\.even/, { rate: { even: [2, 1] } });
  await refused({}, /space\.rate/, { rate: { between: [2, 1] } });
  await refused({}, /space\.rate\.of/, { rate: { of: [] } });
  await refused({}, /space/, [] as object);
  await rejects(all({ budgets: 3 } as object), 'UNKNOWN_OPTION', /did you mean budget/);
  assert.throws(() => bestSetting([]), /trials/);
});
