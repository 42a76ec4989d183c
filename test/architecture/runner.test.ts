/** The runner sees what a broken test file does not say itself. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { runTestFile } from '../fixtures/tap.js';

// Below the package, so that `tap` is found.
const folder = mkdtempSync(join(packageRoot(), 'build', 'runner-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function counts(source: string) {
  const file = join(folder, 'file.mjs');
  writeFileSync(file, `import { test } from 'tap';\n${source}`);
  const { passed, failed, skipped, comments } = await runTestFile([file], {}, { stderr: 'ignore' });
  return { passed, failed: [...new Set(failed.map(({ name }) => name))], skipped, comments };
}

test('passed, failed and skipped tests are told apart, by name', async () => {
  const result = await counts(`
    test('fine', async (t) => t.comment('said'));
    test('outer', async (t) => { await t.test('inner', async () => { throw new Error('no'); }); });
    test('absent # 1', async (t) => t.plan(0, 'no data'));
    test('later', { skip: 'not yet' }, async () => {});
    test('thrown later', async () => {
      setTimeout(() => { throw new Error('late'); }, 5);
      await new Promise((done) => setTimeout(done, 50));
    });`);
  assert.deepEqual(result, {
    passed: ['fine'],
    failed: ['outer', 'thrown later'],
    skipped: [
      { name: 'absent # 1', reason: 'no data' },
      { name: 'later', reason: 'not yet' },
    ],
    comments: [{ name: 'fine', text: 'said' }],
  });
});

test('a file without tests, a crash and a test that never ends are failures', async () => {
  const fine = "test('fine', async () => {});\n";
  assert.deepEqual((await counts('')).failed, ['the file: it ended with 0 after 0 tests']);
  assert.deepEqual((await counts("throw new Error('at once');")).failed, ['the file: it ended with 1 after 0 tests']);
  const killed = await counts(`${fine}test('kills', async () => process.kill(process.pid, 'SIGKILL'));`);
  assert.deepEqual(killed.passed, ['fine']);
  assert.deepEqual(killed.failed, ['the file: it ended with SIGKILL after 1 tests']);
  const left = await counts(`${fine}test('leaves', async () => process.exit(0));`);
  assert.ok(left.failed.length > 0, JSON.stringify(left));
  const stuck = await counts(`${fine}test('waits', async () => new Promise(() => undefined));`);
  assert.deepEqual(stuck.failed, ['waits']);
});

test('a test that is not asynchronous fails instead of passing unseen', async () => {
  const { failed, passed } = await counts("test('not async', () => {});");
  assert.deepEqual(passed, []);
  assert.ok(failed.includes('not async'));
});
