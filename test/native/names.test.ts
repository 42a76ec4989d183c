/** What the package and its core call things: names cross between them, never positions. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { addon, withNames } from '../../lib/foundation/addon.js';
import type { NativeAddon, NativeInnerLoop } from '../../lib/foundation/addon.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { noAdaptation } from '../../lib/meta/inner-loop.js';
import { defineModel } from '../../lib/model/model.js';

test('the core knows every name, each by a number of its own', async () => {
  const tables = Object.entries(addon().enums);
  assert.ok(tables.length >= 17, `${tables.length} tables`);
  for (const [table, names] of tables) {
    const numbers = Object.values(names);
    assert.ok(numbers.length >= 2 && numbers.every(Number.isInteger), table);
    assert.equal(new Set(numbers).size, numbers.length, table);
  }
});

test('a core that lacks a name is refused when it is loaded, by that name', async () => {
  const { enums } = addon();
  const { bpr: _, ...LossKind } = enums.LossKind;
  const { Op: __, ...others } = enums;
  for (const [tables, field, value] of [
    [{ ...enums, LossKind }, 'LossKind', 'bpr'],
    [others, 'Op', 'slot'],
    [undefined, 'Activation', 'relu'],
  ] as const)
    assert.throws(
      () => withNames({ ...addon(), enums: tables } as NativeAddon),
      (error) =>
        error instanceof InnerloopError && error.code === 'NATIVE' && error.field === field && error.value === value,
    );
});

test('a number, an unknown name and no name are refused where a name belongs', async () => {
  const model = defineModel({
    inputs: [{ name: 'x', kind: 'dense', size: 2 }],
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'mse' },
  });
  for (const solver of [0, 1, '0', 'Gradient', 'gradients', 'gradient\0', 'x'.repeat(100), '', undefined, null, {}])
    assert.throws(
      () => model.ops.createInnerLoop(model.native, { ...noAdaptation(model), solver } as NativeInnerLoop),
      (error) => (error as { code?: string }).code === 'INVALID_OPTION' && /solver/.test(String(error)),
      JSON.stringify(solver),
    );
});
