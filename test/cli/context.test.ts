/** `innerloop recommend --context`: features of the interactions, as the library takes them. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import '../../lib/serving/adapt.js';
import { loadLearner } from '../../lib/serving/persist.js';
import { commandIn } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-context-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const { run, ok } = commandIn(folder);

const lines = ['user,item,rating,season,price'];
for (let u = 0; u < 40; u++)
  for (let k = 0; k < 10; k++) {
    const season = (u * 7 + k * 3) % 2 === 0 ? 'summer' : 'winter';
    lines.push(`u${u},i${(u + k) % 20},${season === 'summer' ? 5 : 1},${season},${10 * (1 + (k % 3))}`);
  }
fs.writeFileSync(join(folder, 'ratings.csv'), `${lines.join('\n')}\n`);
const features = [
  { name: 'season', kind: 'categorical' },
  { name: 'price', kind: 'dense' },
];
const config = {
  data: { interactions: { from: 'ratings.csv', user: 'user', item: 'item', label: 'rating', features } },
  split: { protocol: 'users', test: 0.2, tasks: { min: 5, query: 4 } },
  model: {
    inputs: [{ name: 'item', dim: 4 }, { name: 'season', dim: 2 }, { name: 'price' }],
    hidden: [8],
    loss: 'mse',
  },
  algorithm: { name: 'ridge' },
  optimizer: { name: 'adam', learningRate: 0.02 },
  training: { epochs: 20 },
  output: 'run',
};
fs.writeFileSync(join(folder, 'c.json'), JSON.stringify(config));
const model = join('run', 'model.safetensors');

const scores = (...args: string[]) => {
  const { recommendations } = JSON.parse(ok('recommend', '-m', model, ...args, '--json').stdout) as {
    recommendations: { item: string; score: number }[];
  };
  return recommendations;
};

test('recommend takes features of interactions, says which a model reads, and refuses what it cannot be', async () => {
  ok('train', '-c', 'c.json');
  const missing = run('recommend', '-m', model, 'i1=5');
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /--context: missing: the model reads season, price of interactions.*--context season=/);

  const summer = scores('i1=5', 'i2=5', '--context', 'season=summer', '--context', 'price=20');
  const winter = scores('i1=1', 'i2=1', '--context', 'season=winter', '--context', 'price=20');
  assert.ok(summer[0].score > winter[0].score + 1, `${summer[0].score} and ${winter[0].score}`);
  const learner = await loadLearner(join(folder, model));
  const context = { season: 'summer', price: 20 };
  const me = await learner.adapt({ items: ['i1', 'i2'], labels: [5, 5], context });
  assert.deepEqual(summer, await me.recommend({ count: 10, context }));
  const usual = await learner.adapt({ items: ['i1'], labels: [5], context: {} });
  assert.deepEqual(scores('i1=5', '--context', 'default'), await usual.recommend({ count: 10, context: {} }));

  for (const [text, pattern] of [
    ['seazon=summer', /no such feature of interactions; did you mean season\?/],
    ['season', /name=value of season, price/],
    ['price=cheap', /not a number/],
  ] as const) {
    const ended = run('recommend', '-m', model, 'i1=5', '--context', text);
    assert.equal(ended.code, 2, text);
    assert.match(ended.stderr, pattern);
  }
});
