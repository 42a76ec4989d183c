/** A configuration with an ensemble, through train, evaluate, recommend and compare. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { memberConfigs } from '../../lib/cli/ensemble.js';
import { readConfig } from '../../lib/cli/config.js';
import type { MethodRun } from '../../lib/compare/runs.js';
import { loadEnsemble, loadLearner } from '../../lib/index.js';
import { config, fails, ok, output } from '../fixtures/small-run.js';
import type { Json } from '../fixtures/small-run.js';

const MEMBERS = [
  { algorithm: { name: 'ridge' }, model: { activation: 'identity' } },
  { algorithm: { name: 'maml', steps: 1 } },
];
const together = (json: Json) => Object.assign(json, { ensemble: MEMBERS });

test('members take what they do not change from the file, and seeds that no other run has', async () => {
  const own = await readConfig(config(together));
  const members = memberConfigs({ ...own, seed: 4 });
  assert.deepEqual(
    members.map(({ algorithm: { name }, seed, split }) => [name, seed, split.seed]),
    [
      ['ridge', 8, 4],
      ['maml', 9, 4],
    ],
  );
  const { steps, rates } = members[1].algorithm as { steps: number; rates: string };
  assert.deepEqual([steps, rates], [1, 'perParameter'], 'the rates are those of the file');
  assert.ok(members.every((member) => member.ensemble === undefined));
  assert.deepEqual(memberConfigs(members[0]), [members[0]]);
});

test('an ensemble is trained, goes on, is measured again and recommends', async () => {
  const path = config(together);
  const out = output();
  const { stdout } = ok('train', '-c', path, '-o', out);
  assert.match(stdout, /ensemble of ridge, maml /);
  const file = join(out, 'model.safetensors');
  const ensemble = await loadEnsemble(file);
  const singles = await Promise.all(
    [0, 1].map((k) => loadLearner(join(out, 'members', String(k), 'model.safetensors'))),
  );
  const support = { items: ['i1', 'i2'], labels: [5, 2] };
  const scores = await (await ensemble.adapt(support)).predict(['i3', 'i4']);
  const each = await Promise.all(singles.map(async (single) => (await single.adapt(support)).predict(['i3', 'i4'])));
  assert.deepEqual(
    Array.from(scores),
    [0, 1].map((i) => (each[0][i] + each[1][i]) / 2),
  );

  const table = stdout.slice(stdout.lastIndexOf('ensemble of ridge, maml '));
  assert.ok(ok('evaluate', '-c', path, '-m', file).stdout.includes(table.split('\n')[0]), 'the same numbers again');
  assert.match(ok('recommend', '-m', file, 'i1=5', 'i2=2').stdout, /Recommended:\n {2}\d\.\d\d/);
  assert.match(ok('report', out).stdout, /report\.html/);
  fails(2, /holds a finished run/, 'train', '-c', path, '-o', out);
  fails(2, /seed: was \d/, 'train', '-c', path, '-o', out, '--resume', '--seed', '77');
  // The folder of one learner is not that of an ensemble, nor the other way round.
  const single = output();
  ok('train', '-c', config(), '-o', single);
  const kept = readFileSync(join(single, 'model.safetensors'));
  for (const how of [[], ['--resume']]) {
    fails(2, /ensemble|holds a finished run/, 'train', '-c', path, '-o', single, ...how);
    fails(2, /ensemble|holds a finished run/, 'train', '-c', config(), '-o', out, ...how);
  }
  assert.ok(kept.equals(readFileSync(join(single, 'model.safetensors'))), 'left as it was');
  // The second member is missing, as after an interrupt.
  rmSync(join(out, 'members', '1'), { recursive: true });
  const before = readFileSync(file);
  ok('train', '-c', path, '-o', out, '--resume');
  assert.ok(before.equals(readFileSync(file)) || (await sameScores(file, scores, support)), 'the same ensemble');
});

async function sameScores(file: string, scores: Float64Array, support: { items: string[]; labels: number[] }) {
  const again = await (await loadEnsemble(file)).adapt(support);
  assert.deepEqual(await again.predict(['i3', 'i4']), scores);
  return true;
}

test('a member may read statistics of items that the others do not', async () => {
  const inputs = [{ name: 'item', dim: 4 }, { name: 'item.mean' }];
  const reading = [{ algorithm: { name: 'ridge' } }, { algorithm: { name: 'ridge' }, model: { inputs } }];
  const path = config((json) => Object.assign(json, { ensemble: reading, learners: [{ name: 'both' }], seeds: [1] }));
  const out = output();
  assert.match(ok('train', '-c', path, '-o', out).stdout, /ensemble of 2 ridge /);
  const file = join(out, 'model.safetensors');
  assert.match(ok('evaluate', '-c', path, '-m', file).stdout, /ensemble of 2 ridge /);
  assert.match(ok('compare', '-c', path, '-o', output()).stdout, /^both( \(at chance\))? +\d/m);
});

test('medians are decoded of an ensemble, by its members before a refit', async () => {
  const both = (refit: boolean) =>
    config((json) =>
      Object.assign(together(json), {
        training: { epochs: 2, metaBatch: 8, keep: 'last', refit },
        evaluation: { metrics: ['mae'], baselines: ['itemMean'], calibration: true },
      }),
    );
  const decodersOf = (out: string) =>
    (JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8')) as { decoders: object }).decoders;
  const [plain, again] = [output(), output()];
  const { stdout } = ok('train', '-c', both(true), '-o', again);
  assert.match(stdout, /^ensemble of ridge, maml, median +\d\.\d{4}/m);
  assert.match(stdout, /^item mean, median +\d\.\d{4}/m);
  ok('train', '-c', both(false), '-o', plain);
  assert.deepEqual(decodersOf(again), decodersOf(plain), 'the validation rows of a refit change no decoder');
  const table = stdout.slice(stdout.lastIndexOf('ensemble of ridge, maml, median')).split('\n')[0];
  const file = join(again, 'model.safetensors');
  assert.ok(ok('evaluate', '-c', both(true), '-m', file).stdout.includes(table), 'the same numbers again');
});

test('compare trains an ensemble as one learner', async () => {
  const path = config((json) =>
    Object.assign(json, { learners: [{ name: 'MAML' }, { name: 'two', ensemble: MEMBERS }], seeds: [1, 2] }),
  );
  const out = output();
  const { stdout } = ok('compare', '-c', path, '-o', out);
  assert.match(stdout, /^two( \(at chance\))? +\d\.\d{4} ± \d\.\d{4} /m);
  const { run } = JSON.parse(readFileSync(join(out, 'compare', 'two.seed-1.json'), 'utf8')) as { run: MethodRun };
  assert.ok(run.epoch === null && run.parameters! > 0 && run.sets['test']['mae'].length > 0);
});

test('what is wrong with a member is named by its place', async () => {
  const refused = (pattern: RegExp, members: unknown) =>
    fails(
      2,
      pattern,
      'train',
      '-c',
      config((json) => Object.assign(json, { ensemble: members })),
      '-o',
      output(),
    );
  refused(/ensemble\[1\]\.algorithm\.steps/, [{}, { algorithm: { name: 'maml', steps: -1 } }]);
  refused(/ensemble\[0\]\.sed/, [{ sed: 1 }, {}]);
  refused(/ensemble/, [{}]);
  const ranking = config((json) => Object.assign(json, { ensemble: [{}, { model: { loss: 'bpr' } }] }));
  fails(1, /UNSUPPORTED members\[1\]\.model\.head\.loss/, 'train', '-c', ranking, '-o', output());
  const path = config(together);
  fails(1, /a scenario takes one learner/, 'scenario', 'few-shot', '-c', path, '-o', output());
});
