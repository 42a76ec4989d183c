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

test('the text that a planted fault changes stands once, and every suite that should notice is there', async () => {
  const load = (name: string) => import(pathToFileURL(join(root, 'test', 'mutants', name)).href);
  const { MUTANTS } = (await load('mutants.mjs')) as { MUTANTS: { name: string; from: string; suites: string[] }[] };
  const { placeOf } = (await load('places.mjs')) as { placeOf: (root: string, mutant: object) => { problem?: string } };
  assert.ok(MUTANTS.length > 40);
  for (const mutant of MUTANTS) assert.equal(placeOf(root, mutant).problem, undefined, mutant.name);
  const [first] = MUTANTS;
  assert.match(placeOf(root, { ...first, from: 'no such text' }).problem!, /nowhere below/);
  assert.match(placeOf(root, { ...first, suites: ['meta/none'] }).problem!, /no suite is called meta\/none/);
});
