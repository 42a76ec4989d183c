/** What survives a power loss is what was synced before the rename, and the folder after it: the order of the calls. */
import assert from 'node:assert/strict';
import fs, { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'tap';
import { writeDurable } from '../../lib/files/durable.js';

const folder = mkdtempSync(join(tmpdir(), 'innerloop-synced-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The calls of a function that concern durability, in order, with what they were made on. */
async function callsOf(action: () => Promise<void>): Promise<string[]> {
  const calls: string[] = [];
  const handle = await fs.promises.open(folder, 'r');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { open, rename } = fs.promises;
  const { sync } = prototype;
  const names = new WeakMap<object, string>();
  fs.promises.open = async (path, ...rest) => {
    const opened = await open(path, ...rest);
    names.set(
      opened,
      path === folder ? 'folder' : String(path).endsWith('.tmp') ? 'temporary' : basename(String(path)),
    );
    return opened;
  };
  prototype.sync = function (this: FileHandle) {
    calls.push(`sync ${names.get(this)}`);
    return sync.call(this);
  };
  fs.promises.rename = (from, to) => {
    calls.push(`rename to ${basename(String(to))}`);
    return rename(from, to);
  };
  syncBuiltinESMExports();
  try {
    await action();
  } finally {
    Object.assign(fs.promises, { open, rename });
    prototype.sync = sync;
    syncBuiltinESMExports();
  }
  return calls;
}

test('contents are synced before the rename, and the folder after it, for a new file and an old one', async () => {
  const path = join(folder, 'model');
  for (const text of ['first', 'second']) {
    const calls = await callsOf(() => writeDurable(path, [Buffer.from(text)]));
    assert.deepEqual(calls, ['sync temporary', 'rename to model', 'sync folder']);
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});
