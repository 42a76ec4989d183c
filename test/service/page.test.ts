/**
 * The page of the demo in a real browser: rating, lists, reasons, certainty, keyboard, phone and desk, light and dark. With
 * INNERLOOP_SCREENSHOTS it leaves pictures in that folder, of the model that INNERLOOP_DEMO_MODEL names.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { findBrowser, withPage } from '../fixtures/browser.js';
import type { Page } from '../fixtures/browser.js';
import { started } from '../fixtures/served.js';

const browser = findBrowser();
const skip = browser === undefined && 'no Chromium on the PATH (BROWSER_PATH names one)';
const pictures = process.env['INNERLOOP_SCREENSHOTS'];
const model = process.env['INNERLOOP_DEMO_MODEL'];

async function until(page: Page, condition: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await page.evaluate<boolean>(`Boolean(${condition})`)) return;
    await new Promise((go) => setTimeout(go, 25));
  }
  throw new Error(
    `never: ${condition}; ${await page.evaluate<string>('document.getElementById("status").textContent')}`,
  );
}
const lists = (page: Page) =>
  page.evaluate<{ mine: string[]; prior: string[]; asked: string[]; status: string }>(`(() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent);
    return { mine: texts('#list .title'), prior: texts('#prior .title'), asked: texts('#questions legend'),
      status: document.getElementById('status').textContent };
  })()`);
const rateTo = (film: number, star: number) =>
  `(() => { const row = document.querySelectorAll('#questions fieldset')[${film}]; row.querySelectorAll('input')[${star}].click(); return row.querySelector('legend').textContent; })()`;
/** Contrast of text against what is behind it (WCAG 2.2), the least of a page. */
const LEAST_CONTRAST = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const f = (x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  return Math.min(...[...document.querySelectorAll('main *')].filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()) && node.checkVisibility()).map((node) => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
})()`;

for (const [name, width, height, scheme] of [
  ['phone', 360, 740, 'light'],
  ['desk', 1200, 900, 'dark'],
  ['desk', 1200, 900, 'light'],
] as const) {
  test(`the page on a ${name}, ${scheme}`, { skip }, async () => {
    const { url, close } = await started({ state: 'none', page: true, ...(model !== undefined && { model }) });
    await withPage(browser!, url, { width, height, scheme }, async (page) => {
      await until(page, 'document.querySelectorAll("#questions fieldset").length === 5');
      const before = await lists(page);
      assert.deepEqual(before.mine, before.prior, 'without a rating there is one list');
      assert.equal(before.mine.length, 10);
      // Ratings change the list at once.
      const film = await page.evaluate<string>(rateTo(0, 4));
      await until(page, '/Adapted to 1 rating /.test(document.getElementById("status").textContent)');
      await page.evaluate(rateTo(1, 0));
      await until(page, '/Adapted to 2 ratings/.test(document.getElementById("status").textContent)');
      await until(page, 'document.querySelectorAll("#questions fieldset").length === 7');
      const after = await lists(page);
      assert.notDeepEqual(after.mine, after.prior);
      assert.match(after.status, /in \d+\.\d ms; \d+ of the 10 are not in the other list/);
      assert.ok(!after.mine.includes(film), 'what is rated is not recommended');
      assert.equal(after.asked[0], film, 'what is rated stays, to be changed');
      // Why, and how sure.
      const told = await page.evaluate<{ why: string[]; score: string[] }>(
        `({ why: [...document.querySelectorAll('#list .why')].map((each) => each.textContent), score: [...document.querySelectorAll('#list .score')].map((each) => each.textContent) })`,
      );
      assert.ok(
        told.why.some((text) => /[+−]\d\.\d\d by your [15] for /.test(text)),
        told.why.join(' | '),
      );
      for (const score of told.score) assert.match(score, /^-?\d\.\d ± \d\.\d$/);
      // A film that was not seen makes room for another.
      const last = after.asked[6];
      await page.evaluate(`document.querySelectorAll('#questions fieldset')[6].querySelector('button').click()`);
      await until(
        page,
        `document.querySelectorAll('#questions fieldset').length === 7 && ![...document.querySelectorAll('#questions legend')].some((each) => each.textContent === ${JSON.stringify(last)})`,
      );
      // Looked for by a part of its title.
      await page.evaluate(
        `(() => { const box = document.getElementById('search'); box.value = ${JSON.stringify(last.slice(0, -1))}; box.dispatchEvent(new Event('change')); })()`,
      );
      assert.ok(
        await page.evaluate<boolean>('document.activeElement.type === "radio"'),
        'the film is there to be rated',
      );

      const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
      assert.ok(wide <= width, `${wide} px`);
      const contrast = await page.evaluate<number>(LEAST_CONTRAST);
      assert.ok(contrast >= 4.5, `contrast ${contrast}`);
      const small = await page.evaluate<number[]>(
        `[...document.querySelectorAll('button, .stars span, input[type=search]')].map((each) => Math.min(each.getBoundingClientRect().width, each.getBoundingClientRect().height))`,
      );
      assert.ok(Math.min(...small) >= 44, `${Math.min(...small)} px to touch`);
      assert.deepEqual(page.errors, []);
      for (const asked of page.requests) assert.ok(asked.startsWith(url) || asked.startsWith('data:'), asked);
      if (pictures !== undefined) {
        mkdirSync(pictures, { recursive: true });
        writeFileSync(join(pictures, `demo-${name}-${scheme}.webp`), await page.screenshot('webp'));
      }
    });
    await close();
  });
}

test('the page by keyboard alone, as a screen reader reads it', { skip }, async () => {
  const { url, close } = await started({ state: 'none', page: true });
  await withPage(browser!, url, { width: 1200, height: 900 }, async (page) => {
    await until(page, 'document.querySelectorAll("#questions fieldset").length === 5');
    await page.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.id'), 'search');
    await page.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.type'), 'radio');
    await page.press(' ');
    await until(page, '/Adapted to 1 rating /.test(document.getElementById("status").textContent)');
    // The next value by an arrow, as of any group of radio buttons; the place is kept while lists change.
    await page.press('ArrowRight');
    await until(page, 'document.querySelector("#questions fieldset input:checked").value === "2"');
    assert.equal(await page.evaluate('document.activeElement.value'), '2');
    const named = await page.evaluate<string[]>(`[...document.querySelectorAll('input, button')].filter((each) =>
      !(each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.[0]?.textContent.trim())).map((each) => each.outerHTML)`);
    assert.deepEqual(named, [], 'every control has a name');
    assert.deepEqual(
      await page.evaluate(`({ lang: document.documentElement.lang, status: document.getElementById('status').getAttribute('role'),
        headings: [...document.querySelectorAll('h1, h2')].map((each) => each.tagName), hidden: [...document.querySelectorAll('.sure')].every((each) => each.ariaHidden === 'true') })`),
      { lang: 'en', status: 'status', headings: ['H1', 'H2', 'H2', 'H2'], hidden: true },
    );
  });
  await close();
});
