/** The option `device`: every cause for which there is no GPU, and what is refused on one. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { anil, imaml, lstmMetaLearner, maml, mamlPlusPlus, matchingNets } from '../../lib/algorithms/registry.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { ModelSpec } from '../../lib/foundation/contract.js';
import { resolveDevice } from '../../lib/foundation/device.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { refuses } from '../fixtures/family.js';
import { attempt, emulations, missing, scratch, use } from './plugins.js';

const fake = join(scratch, 'fake.so');
const noCompiler = attempt('cc', [
  ...['-shared', '-fPIC', '-o', fake],
  join(packageRoot(), 'test', 'cuda', 'fake-plugin.c'),
]);

const withCompiler = { skip: noCompiler === undefined ? false : `no C compiler: ${noCompiler.split('\n')[0]}` };

/** A copy each, since a plugin is asked once a process. */
function pretend(how: string): void {
  const library = join(scratch, `fake-${how}.so`);
  copyFileSync(fake, library);
  process.env['INNERLOOP_CUDA_PLUGIN'] = library;
  process.env['INNERLOOP_FAKE'] = how;
}

const CAUSES: readonly [string, ErrorCode, RegExp][] = [
  ['driver', 'CUDA_DRIVER', /no CUDA driver/],
  ['old', 'CUDA_DRIVER_VERSION', /got "12\.2"; expected a driver for CUDA 13\.0/],
  ['none', 'CUDA_DEVICE', /no CUDA device/],
  ['architecture', 'CUDA_ARCHITECTURE', /got "6\.1"; expected compute capability 8\.0/],
  ['interface', 'CUDA_INTERFACE', /version 7 of the interface.*expected interface version 1/],
  ['crash', 'CUDA_DRIVER', /ended with SIGSEGV/],
];

const spec: ModelSpec = {
  inputs: [{ name: 'x', kind: 'dense', size: 2 }],
  body: { kind: 'mlp', hidden: [3] },
  head: { loss: 'mse' },
};

for (const [how, code, pattern] of CAUSES) {
  test(`no device (${how}): cuda says why, auto is the processor and says the same`, withCompiler, async () => {
    delete process.env['INNERLOOP_DEVICE'];
    pretend(how);
    refuses(() => defineModel(spec, { device: 'cuda' }), code, pattern);
    const { device } = defineModel(spec, { device: 'auto' });
    assert.equal(device.kind, 'cpu');
    assert.match(device.reason ?? '', pattern);
  });
}

test('a device that a plugin finds is described', withCompiler, async () => {
  pretend('fine');
  assert.deepEqual(resolveDevice('cuda', 'device').info?.name, 'Fake');
});

test('the package missing, a library that is none, one that is no plugin', async () => {
  delete process.env['INNERLOOP_CUDA_PLUGIN'];
  refuses(() => defineModel(spec, { device: 'cuda' }), 'CUDA_PACKAGE', /innerloop-cuda is not installed.*npm install/);
  process.env['INNERLOOP_CUDA_PLUGIN'] = join(scratch, 'nothing.so');
  refuses(() => defineModel(spec, { device: 'cuda' }), 'CUDA_PACKAGE', /does not exist/);
  const text = join(scratch, 'text.so');
  writeFileSync(text, 'not a library');
  process.env['INNERLOOP_CUDA_PLUGIN'] = text;
  refuses(() => defineModel(spec, { device: 'cuda' }), 'CUDA_PACKAGE');
});

test('INNERLOOP_DEVICE=cpu: nothing is asked, auto says so, cuda is refused', async () => {
  process.env['INNERLOOP_CUDA_PLUGIN'] = join(scratch, 'nothing.so');
  process.env['INNERLOOP_DEVICE'] = 'cpu';
  assert.match(defineModel(spec, { device: 'auto' }).device.reason ?? '', /INNERLOOP_DEVICE=cpu/);
  refuses(() => defineModel(spec, { device: 'cuda' }), 'UNSUPPORTED', /INNERLOOP_DEVICE=cpu/);
  delete process.env['INNERLOOP_DEVICE'];
});

test('an option that is no device', async () => {
  refuses(() => defineModel(spec, { device: 'gpu' as 'cuda' }), 'INVALID_OPTION', /options\.device/);
});

// ------------------------------------------------------------------------------------------ what is not supported

if (missing !== undefined) {
  test('what the device does not do', { skip: missing }, () => {});
} else {
  const models: readonly [string, ModelSpec, RegExp][] = [
    [
      'gru',
      {
        inputs: [{ name: 'history', kind: 'sequence', cardinality: 3, dim: 2, maxLength: 2 }],
        body: { kind: 'gru', gruHidden: 2, hidden: [] },
        head: { loss: 'mse' },
      },
      /the layer gru is not supported/,
    ],
    [
      'further heads',
      { ...spec, head: { loss: 'mse', also: [{ name: 'second', loss: 'bce' }] } },
      /further heads is not supported/,
    ],
  ];
  for (const [name, model, pattern] of models)
    test(`${name}: refused by name when the model is defined`, async () => {
      use(emulations[0]);
      refuses(() => defineModel(model, { device: 'cuda' }), 'UNSUPPORTED', pattern);
    });

  for (const [algorithm, pattern] of [
    [lstmMetaLearner(), /the solver lstm/],
    [matchingNets(), /a program of matrix operations/],
  ] as const)
    test(`${algorithm.name}, ${String(pattern)}: refused when the learner is made`, async () => {
      use(emulations[0]);
      const head: ModelSpec['head'] =
        algorithm.name === 'matchingNets' ? { loss: 'softmax', classes: 3 } : { loss: 'mse' };
      const model = defineModel({ ...spec, head }, { device: 'cuda' });
      refuses(() => createLearner({ model, algorithm }), 'UNSUPPORTED', pattern);
    });

  test('auto: what the device does not do runs on the processor, which says why', async () => {
    use(emulations[0]);
    const [, gru, pattern] = models[0];
    const there = defineModel(gru, { device: 'auto' });
    assert.equal(there.device.kind, 'cpu');
    assert.match(there.device.reason ?? '', pattern);
    const model = defineModel(spec, { device: 'auto' });
    assert.equal(model.device.kind, 'cuda');
    assert.equal(createLearner({ model, algorithm: maml() }).model.device.kind, 'cuda');
    assert.equal(createLearner({ model, algorithm: imaml({ lambda: 1 }) }).model.device.kind, 'cuda');
    const chosen = createLearner({ model, algorithm: lstmMetaLearner() }).model.device;
    assert.equal(chosen.kind, 'cpu');
    assert.match(chosen.reason ?? '', /the solver lstm/);
    const onGru = createLearner({ model: defineModel(gru), algorithm: maml(), device: 'auto' }).model.device;
    assert.match(onGru.reason ?? '', pattern);
  });

  test('a learner goes to a device by an option of its own', async () => {
    use(emulations[0]);
    const model = defineModel(spec);
    assert.equal(createLearner({ model, algorithm: anil() }).model.device.kind, 'cpu');
    const learner = createLearner({ model, algorithm: anil(), device: 'cuda' });
    assert.equal(learner.model.device.info?.backend, 'emulation');
    assert.equal(createLearner({ model: learner.model, algorithm: mamlPlusPlus() }).model, learner.model);
  });
}
