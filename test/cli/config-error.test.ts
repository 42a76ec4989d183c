/** An empty configuration is completed by what its errors say. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { parseConfig } from '../../lib/cli/config.js';
import { InnerloopError } from '../../lib/foundation/errors.js';

/** What a reader would write for an option, by what the error says of it. */
function answer(what: string): unknown {
  const choices = /one of ([^;]+)/.exec(what);
  const example = / such as (\[.*?\])(?: or |$)/.exec(what);
  if (example !== null) return JSON.parse(example[1]);
  if (choices !== null) return choices[1].split(', ')[0];
  return /integer/.test(what) ? 5 : 'text';
}

test('{} is complete after three tries', async () => {
  const config: Record<string, unknown> = {};
  for (let tries = 1; ; tries++) {
    let message: string;
    try {
      parseConfig(config);
      assert.ok(tries <= 3, `${tries} tries`);
      break;
    } catch (error) {
      assert.ok(error instanceof InnerloopError);
      message = error.expected!;
      if (tries === 1) assert.match(message, /algorithm\.name: one of maml, .*ridge/);
    }
    assert.match(message, /^all of: /, `try ${tries}: ${message}`);
    for (const entry of message.slice('all of: '.length).split('; ')) {
      const path = /^[\w.]+/.exec(entry)![0].split('.');
      let at = config;
      for (const key of path.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
      at[path.at(-1)!] = answer(entry);
    }
  }
  assert.deepEqual(Object.keys(config).sort(), ['algorithm', 'data', 'model', 'split']);
});

test('where a name, a number or an object may stand, all of them are said, the names first', async () => {
  const config = {
    data: { interactions: { from: 'x', user: 'u', item: 'i' } },
    split: { protocol: 'users', tasks: {} as Record<string, unknown> },
    model: { inputs: [{ name: 'item', dim: 2 }], hidden: [], loss: 'mse' },
    algorithm: { name: 'ridge' },
  };
  for (const query of [undefined, true]) {
    config.split.tasks = query === undefined ? {} : { query };
    assert.throws(
      () => parseConfig(config),
      /split\.tasks\.query: .*expected one of rest, part, or an integer, or an object with the fields fraction/,
    );
  }
});
