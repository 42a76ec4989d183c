/** `innerloop tune` as a stranger uses it, and the ranges that every learner and baseline declares. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';
import { BASELINES } from '../../lib/baselines/options.js';
import { parseConfig } from '../../lib/cli/config.js';
import { readComparison } from '../../lib/cli/learners.js';
import { baselineSpace, learnerSpace, withSetting } from '../../lib/cli/spaces.js';
import type { SearchRange } from '../../lib/foundation/options.js';
import { random } from '../../lib/foundation/random.js';
import { commandIn } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-tune-command-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const { run, ok } = commandIn(folder);

const ends = (range: SearchRange): unknown[] =>
  'of' in range ? [...range.of] : 'log' in range ? [...range.log] : [...range.even];

function configOf(algorithm: string, more: object = {}): object {
  return {
    data: { interactions: { from: 'ratings.csv', user: 'who', item: 'what', label: 'stars' } },
    split: { protocol: 'users', validation: 0.25, test: 0.2, tasks: { min: 6, query: 3 } },
    model: { inputs: [{ name: 'item', dim: 4 }], hidden: [4], activation: 'identity' },
    algorithm: { name: algorithm },
    training: { epochs: 3, metaBatch: 8 },
    ...more,
  };
}

test('every learner and baseline declares ranges, and takes their ends', async () => {
  for (const name of Object.keys(ALGORITHMS)) {
    const config = parseConfig(
      configOf(
        name,
        name === 'laplace' ? { model: { inputs: [{ name: 'item', dim: 4 }], hidden: [], loss: 'bce' } } : {},
      ),
    );
    const space = learnerSpace(config, false);
    assert.ok('optimizer.learningRate' in space && 'training.supportSize' in space, name);
    assert.equal('rows.center' in space, config.model.loss === 'mse', name);
    for (const [path, range] of Object.entries(space)) {
      assert.ok(ends(range).length > 1, `${name} ${path}`);
      for (const value of ends(range)) {
        const changed = withSetting(config, { [path]: value });
        const { data: _, ...plain } = JSON.parse(JSON.stringify(changed)) as { data: unknown };
        assert.doesNotThrow(
          () => parseConfig({ ...plain, data: config.data }),
          `${name} ${path} ${JSON.stringify(value)}`,
        );
      }
    }
    assert.ok(!('training.supportSize' in learnerSpace(config, true)), 'not where the data says what is support');
  }
  // An optimizer that is left out is the learner's own.
  const own = parseConfig(configOf('reptile'));
  assert.deepEqual(learnerSpace(own, false)['optimizer.learningRate'], { log: [0.05, 1] });
  assert.deepEqual(withSetting(own, { 'optimizer.learningRate': 0.5 }).optimizer, {
    name: 'sgd',
    schedule: 'linear',
    learningRate: 0.5,
  });
  const base = parseConfig(configOf('ridge', { evaluation: { baselines: [...BASELINES] } }));
  for (const name of BASELINES) {
    for (const [path, range] of Object.entries(baselineSpace(name, base)))
      for (const value of ends(range))
        assert.doesNotThrow(() => parseConfig(withSetting(base, { [path]: value })), path);
  }
});

function ratings(): string {
  const stream = random(5, 'ratings');
  const lines = ['who,what,stars'];
  for (let user = 1; user <= 60; user++) {
    const taste = 2 * stream.uniform() - 1;
    for (let item = 1; item <= 20; item++) {
      if (stream.uniform() < 0.3) continue;
      const stars = 3 + 2 * taste * (item % 2 === 0 ? 1 : -1) + stream.uniform();
      lines.push(`u${user},i${item},${Math.min(5, Math.max(1, Math.round(stars)))}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

interface Document {
  metric: string;
  results: {
    name: string;
    kind: string;
    found: { value: number; index: number } | null;
    trials: { value: number }[];
  }[];
}

test('innerloop tune: the same budget for all, on validation tasks; goes on; writes a configuration that trains', async () => {
  fs.writeFileSync(join(folder, 'ratings.csv'), ratings());
  const config = configOf('ridge', {
    learners: [{ name: 'ridge' }, { name: 'MAML', algorithm: { name: 'maml', steps: 1, learningRate: 0.01 } }],
    evaluation: { baselines: ['userItemBias', 'globalMean'] },
    tune: { space: { 'algorithm.steps': { of: [1, 2] }, 'model.hidden': false } },
    output: 'out',
  });
  fs.writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const first = ok('tune', '-c', 'config.json', '--budget', '5', '--jobs', '2', '--threads', '1');
  assert.match(first.stdout, /\| MAML \| \d/);
  assert.match(first.stdout, /Nothing to search: globalMean\./);
  const document = JSON.parse(fs.readFileSync(join(folder, 'out', 'tune.json'), 'utf8')) as Document;
  assert.equal(document.metric, 'mae');
  for (const { name, kind, found, trials } of document.results) {
    if (name === 'globalMean') continue;
    const settings = new Set(trials.map((trial) => (trial as unknown as { index: number }).index));
    assert.equal(settings.size, 5, `${name}: five settings, whatever it is`);
    assert.ok(found !== null && found.value < 1.5, kind);
  }
  assert.match(fs.readFileSync(join(folder, 'out', 'tune.svg'), 'utf8'), /<svg[^]*MAML[^]*<\/svg>/);

  // What is done is not done again: the states hold the same seconds.
  const states = () =>
    ['ridge', 'maml', 'baseline.userItemBias'].map((name) =>
      fs.readFileSync(join(folder, 'out', 'tune', `${name}.json`), 'utf8'),
    );
  const before = states();
  ok('tune', '-c', 'config.json', '--budget', '5', '--jobs', '1', '--threads', '1');
  assert.deepEqual(states(), before);

  const tuned = await readComparison(join(folder, 'out', 'tuned.json'));
  assert.deepEqual(
    tuned.learners.map(({ name }) => name),
    ['ridge', 'MAML'],
  );
  const compared = ok('compare', '-c', 'out/tuned.json', '--threads', '1', '-o', 'compared');
  assert.match(compared.stdout, /^MAML/m);
  assert.equal(tuned.learners[1].config.model.hidden?.[0], 4, 'what the search was told to leave alone');

  const misspelt = { ...config, tune: { space: { 'algorithm.step': { of: [1] } } } };
  fs.writeFileSync(join(folder, 'misspelt.json'), JSON.stringify(misspelt));
  const refused = run('tune', '-c', 'misspelt.json', '-o', 'none');
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /tune\.space.*did you mean algorithm\.steps/);
  fs.writeFileSync(
    join(folder, 'none.json'),
    JSON.stringify({ ...config, split: { protocol: 'users', test: 0.2, tasks: { query: 3 } } }),
  );
  assert.match(run('tune', '-c', 'none.json', '-o', 'none').stderr, /split\.validation/);
});
