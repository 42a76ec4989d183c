/** The measurement of opening: every row is opened, in both formats, and the same file comes of the same number of rows. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';

test('opening generated rows is measured in both formats', (t) => {
  const measured = () => {
    const script = join(packageRoot(), 'dist', 'bench', 'ingest.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--rows', '3000'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return Array.from(stdout.matchAll(/new: (\d+) interactions, (\d+\.\d+) CPU s, (\d+\.\d+) GiB/g), (match) =>
      match.slice(1).map(Number),
    );
  };
  const [csv, parquet, ...more] = measured();
  assert.deepEqual(more, []);
  // Users and items are few and skewed, so some pairs are there twice.
  assert.ok(csv[0] === parquet[0] && csv[0] > 50 && csv[0] < 3000, String(csv[0]));
  assert.ok(csv[1] > 0 && csv[2] > 0);
  assert.equal(measured()[0][0], csv[0]);
  t.end();
});
