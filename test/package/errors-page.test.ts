/** The page of error codes has every code of the library, and no other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';

const read = (...names: string[]) => readFileSync(join(packageRoot(), ...names), 'utf8');

test('docs/errors.md: a row for every error code', async () => {
  const [, union] = /export type ErrorCode =\n([\s\S]*?)\n\n/.exec(read('lib', 'foundation', 'errors.ts'))!;
  const codes = [...union.matchAll(/^ *\| '([A-Z_]+)'/gm)].map(([, code]) => code);
  assert.ok(codes.length > 10);
  const rows = [...read('docs', 'errors.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
  assert.deepEqual(rows.sort(), codes.sort());
});
