/** Personal models on the device: many at once, ranked, updated, and moved between the device and the processor. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { anil, laplace, maml, ridge } from '../../lib/algorithms/registry.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import type { Support } from '../../lib/serving/support.js';
import { everything, servedLearner } from '../fixtures/catalog.js';
import type { Served } from '../fixtures/catalog.js';
import { path, rejects } from '../fixtures/family.js';
import { emulations, missing, realPlugin, use } from './plugins.js';
import type { Plugin } from './plugins.js';

const KINDS: [string, Served][] = [
  ['maml', { algorithm: maml({ steps: 2 }), precision: 'float64' }],
  [
    'anil, with features of users',
    { algorithm: anil({ steps: 2 }), precision: 'float64', inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] },
  ],
  ['ridge', { algorithm: ridge(), precision: 'float64' }],
  ['laplace', { algorithm: laplace(), precision: 'float64', head: { loss: 'bce' } }],
];

/** Of different sizes, some with nothing, some with features of their own. */
const supportsFor = ({ inputs, head }: Served): Support[] =>
  Array.from({ length: 40 }, (_, u) => {
    const items = Array.from({ length: u % 7 }, (__, k) => (u * 13 + k * 29) % 700);
    return {
      items,
      labels: items.map((_, k) => (head?.loss === 'bce' ? (u + k) % 2 : 1 + ((u + k) % 5))),
      ...(inputs && u % 3 === 0 && { features: { age: u % 50 } }),
      ...(inputs && u % 3 === 1 && { user: 'u1' }),
    };
  });

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < expected.length; i++)
    assert.ok(Math.abs(actual[i] - expected[i]) <= 1e-9, `${what}[${i}]: ${actual[i]} is not ${expected[i]}`);
}

function suite(plugin: Plugin): void {
  for (const [name, served] of KINDS)
    test(`${name} on ${plugin.name}: users one by one and many at once, lists, updates, through JSON, as on the processor`, async () => {
      use(plugin);
      const cpu = await servedLearner(served);
      const file = path();
      await saveLearner(cpu, file);
      const cuda = await loadLearner(file, { device: 'cuda' });
      assert.equal(cuda.model.device.kind, 'cuda');
      const supports = supportsFor(served);
      const asked = [1, 5, 699, 3];
      const [here, there] = [await cpu.adaptMany(supports), await cuda.adaptMany(supports)];
      const expected = await cpu.predictMany(here, asked);
      for (const [how, actual] of [
        ['adapted, then scored', await cuda.predictMany(there, asked)],
        ['adapted and scored at once', await cuda.predictMany(supports, asked)],
        ['scored alone', await Promise.all(there.map((person) => person.predict(asked)))],
      ] as const)
        actual.forEach((scores, u) => close(scores, expected[u], `${how}, user ${u}`));
      const [lists, others] = [
        await cpu.recommendMany(here, { count: 5 }),
        await cuda.recommendMany(there, { count: 5 }),
      ];
      assert.deepEqual(
        others.map((list) => list.map(({ item }) => item)),
        lists.map((list) => list.map(({ item }) => item)),
      );
      const [updated, updatedThere] = await Promise.all(
        [here[5], there[5]].map((person) => person.update(20, served.head?.loss === 'bce' ? 1 : 4)),
      );
      close(await updatedThere.predict(everything), await updated.predict(everything), 'updated');
      close(await cpu.restore(there[4].toJSON()).predict(asked), expected[4], 'restored on the processor');
      close(await cuda.restore(here[4].toJSON()).predict(asked), expected[4], 'restored on the device');
      if (served.algorithm.solver === 'ridge' || served.algorithm.solver === 'laplace') {
        const uncertain = { uncertainty: true } as const;
        const [a, b] = await Promise.all([here[6], there[6]].map((person) => person.predict(asked, uncertain)));
        close(b.variance, a.variance, 'variances');
      }
    });

  test(`what is kept for all users on ${plugin.name} is refused by name`, async () => {
    use(plugin);
    const file = path();
    await saveLearner(await servedLearner({ algorithm: ridge() }), file);
    await rejects((await loadLearner(file, { device: 'cuda' })).itemVectors([1]), 'UNSUPPORTED', /on the device/);
  });
}

if (missing !== undefined) test('serving by emulation', { skip: missing }, () => {});
emulations.slice(0, 1).forEach(suite);
const gpu = realPlugin();
if (typeof gpu === 'string') test('serving on a GPU', { skip: gpu }, () => {});
else suite(gpu);
