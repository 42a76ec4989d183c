/** Baselines by the configuration: how they are fitted, and what a comparison says that they ranked. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { parseConfig } from '../../lib/cli/config.js';
import { baselinesOf, prepare } from '../../lib/cli/pipeline.js';
import { commandIn } from '../fixtures/command.js';
import { file, folder, throws } from '../fixtures/interactions.js';

const rows = Array.from({ length: 300 }, (_, k) => `${k % 20},${(k * k + (k % 20)) % 17}\n`).join('');
const config = {
  data: { baseDirectory: folder, interactions: { from: file(`u,i\n${rows}`, 'plays.csv'), user: 'u', item: 'i' } },
  split: { protocol: 'users', validation: 0.2, test: 0.3, tasks: { query: { fraction: 0.3 } } },
  model: { inputs: [{ name: 'item', dim: 4 }], hidden: [], loss: 'bpr' },
  algorithm: { name: 'maml', steps: 1 },
  training: { epochs: 1 },
};

test('options of ease and itemKnn reach their fits', async () => {
  const signal = new AbortController().signal;
  const scores = async (baselineOptions?: object): Promise<number[][]> => {
    const parsed = parseConfig({ ...config, evaluation: { baselines: ['itemKnn', 'ease'], baselineOptions } });
    const prepared = await prepare(parsed, signal);
    const fitted = await baselinesOf(prepared, prepared.split.trainRows, signal);
    return fitted.map((baseline) => [...baseline.predict(prepared.split.sets['test'])]);
  };
  const [knn, ease] = await scores();
  const [otherKnn, otherEase] = await scores({ itemKnn: { neighbours: 2, shrinkage: 0 }, ease: { regularization: 1 } });
  assert.notDeepEqual(otherKnn, knn);
  assert.notDeepEqual(otherEase, ease);
  assert.deepEqual(await scores({ ease: { regularization: 100 } }), [knn, ease]);
  const refused = (evaluation: object, ...patterns: RegExp[]) =>
    throws(() => parseConfig({ ...config, evaluation }), 'INVALID_OPTION', ...patterns);
  refused({ baselineOptions: { ease: { regularization: 0 } } }, /baselineOptions\.ease\.regularization/);
  refused({ baselines: ['alsFoldIn'], baselineOptions: { alsFoldIn: { factors: 2000 } } }, /alsFoldIn\.factors.*1024/);
  refused({ baselines: ['popularity'], baselineOptions: { ease: {} } }, /ease: is of a baseline that is not fitted/);
});

test('a comparison says what its lists were ranked among', (t) => {
  const { ok } = commandIn(folder);
  for (const [candidates, pattern] of [
    ['catalog', /ranked among the whole catalogue: 17 items/],
    [{ negatives: 5 }, /ranked among 5 items drawn from those the user never had \(of 17\)/],
  ] as const) {
    const name = file(
      JSON.stringify({
        ...config,
        evaluation: { baselines: ['popularity'], candidates },
        learners: [{ name: 'maml' }],
      }),
      'ranked.json',
    );
    const { stdout } = ok('compare', '-c', name, '-o', 'ranked', '--fresh');
    assert.match(stdout, pattern);
  }
  t.end();
});
