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
