/** Lists of test files name files that are there: a name that is gone would check nothing, without a word. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import * as suites from '../fixtures/suites.js';

const root = packageRoot();
const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll(sep, '/'))
  .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
  .map((name) => name.replace(/ts$/, 'js'));

test('every suite that a list names is there', async () => {
  const { isAmong, SANITIZED_QUICKLY, ...lists } = suites;
  for (const list of [...Object.values(lists), ...Object.values(SANITIZED_QUICKLY)])
    for (const suite of list)
      assert.ok(
        files.some((file) => isAmong(file, [suite])),
        `test/${suite} is gone`,
      );
  assert.ok(!files.some((file) => isAmong(file, ['model/mode', 'nowhere/'])));
});

test('every suite that should notice a planted fault is there', async () => {
  const { MUTANTS } = (await import(pathToFileURL(join(root, 'test', 'mutants', 'mutants.mjs')).href)) as {
    MUTANTS: { name: string; suites: string[] }[];
  };
  assert.ok(MUTANTS.length > 0);
  for (const { name, suites: noticing } of MUTANTS)
    for (const suite of noticing)
      assert.ok(
        files.some((file) => file.startsWith(suite)),
        `${name}: test/${suite} is gone`,
      );
});
