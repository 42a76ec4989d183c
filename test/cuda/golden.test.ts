/** The reference vectors on the device: those of what it supports, to the tolerances of the processor. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { cases, checkGolden } from '../fixtures/golden.js';
import { emulations, missing, realPlugin, use } from './plugins.js';
import type { Plugin } from './plugins.js';

/** Bodies that the device does not do. */
const UNSUPPORTED = ['gru'];
const supported = cases.filter(({ method, model }) => method === undefined && !UNSUPPORTED.includes(model.body.kind));

function suite(plugin: Plugin): void {
  for (const golden of supported)
    for (const precision of ['float64', 'float32'] as const)
      test(`golden ${golden.name} ${precision} on ${plugin.name}`, async () => {
        use(plugin);
        return checkGolden(golden, { precision, device: 'cuda' });
      });
}

if (missing !== undefined) test('golden cases by emulation', { skip: missing }, () => {});
test('there are golden cases to check', async () => assert.ok(supported.length >= 12));
emulations.forEach(suite);
const gpu = realPlugin();
if (typeof gpu === 'string') test('golden cases on a GPU', { skip: gpu }, () => {});
else suite(gpu);
