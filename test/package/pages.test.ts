/** Every code block of the README and of docs/, run in a folder where the package is installed; and links that lead somewhere. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { areSame, differs, prepare, runStep, stepsOf } from './pages.js';
import { main } from '../fixtures/command.js';

const root = packageRoot();
/** Pages whose code the smoke test of the package has run already. */
const TRIED = (process.env['INNERLOOP_PAGES_TRIED'] ?? '').split(' ');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].sort();

for (const page of pages) {
  const text = readFileSync(join(root, page), 'utf8');
  test(`${page}: its code runs and prints what it shows`, async (t) => {
    const original = join(root, page.replace('docs/zh/README', 'README').replace('docs/zh/', 'docs/'));
    if (
      original !== join(root, page) &&
      (await areSame(await stepsOf(text), await stepsOf(readFileSync(original, 'utf8'))))
    )
      return t.comment('the code of the page in English, which is run');
    if (TRIED.includes(page)) return t.plan(0, 'its code was run with the packed package installed');
    const folder = mkdtempSync(join(tmpdir(), 'innerloop-page-'));
    try {
      prepare(folder, root, main);
      for (const step of await stepsOf(text)) runStep(step, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  test(`${page}: its links lead somewhere`, async () => {
    const links = text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/\]\(([^)#\s]+)(#[^)\s]*)?\)|src="([^"]+)"/g);
    for (const [, inText, , inImage] of links) {
      const target = inText ?? inImage;
      if (/^https?:/.test(target)) continue;
      assert.ok(existsSync(join(root, dirname(page), target)), target);
    }
  });
}

test('pages: tables and figures are those of the result files', async () => {
  for (const tool of ['tables.mjs', 'figures.mjs']) {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'docs', 'tools', tool), '--check'], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  }
});

test('pages: a number or a word that is not printed is noticed', async () => {
  assert.equal(differs('mae  0.68\n', 'mae 0.681\n'), undefined);
  assert.match(differs('mae 0.68\n', 'mae 0.78\n')!, /not printed: mae 0.68/);
  assert.match(differs('mae 0.68\n', 'rmse 0.68\n')!, /not printed/);
  assert.match(differs('a\n', 'a\nb\n')!, /not shown: b/);
  assert.match(differs('a\nb\n', 'a\n')!, /not printed: b/);
  assert.equal(differs('a\n…\nc\n', 'a\nb\nc\n'), undefined);
  assert.match(differs('a\n…\nd\n', 'a\nb\nc\n')!, /not printed: d/);
  await assert.rejects(stepsOf('```rust\n```\n'), /rust are not run/);
});
