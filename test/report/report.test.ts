/** The report of a run: of a real one, of what else may lie in its folder, and in a real browser on a phone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { drawIntervals } from '../../lib/charts/intervals.js';
import { drawLines } from '../../lib/charts/lines.js';
import { linearScale, logScale, tickLabel } from '../../lib/charts/scale.js';
import { standalone } from '../../lib/charts/standalone.js';
import { compareGroups } from '../../lib/evaluation/groups.js';
import { reliability } from '../../lib/evaluation/probability.js';
import { resultTable } from '../../lib/evaluation/result-table.js';
import { random } from '../../lib/foundation/random.js';
import { writeReport } from '../../lib/report/write.js';
import { findBrowser, withPage } from '../fixtures/browser.js';
import { main } from '../fixtures/command.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { typed } from '../fixtures/typed-errors.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-report-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const runFolder = join(folder, 'small <run>');
const read = (path: string) => fs.readFileSync(path, 'utf8');
const data = join(packageRoot(), 'data', 'ml-latest-small.json');
const hasData = fs.existsSync(join(packageRoot(), 'data', 'ml-latest-small', 'ratings.csv'));

/** A run of two epochs, then what a scenario and an evaluation by groups would add. */
before(() => {
  if (!hasData) return;
  const { status, stderr } = spawnSync(
    process.execPath,
    [main, 'train', '--config', data, '--epochs', '2', '--output', runFolder],
    { encoding: 'utf8', timeout: 120_000 },
  );
  assert.equal(status, 0, stderr);
  const stream = random(1, 'report test');
  const path = join(runFolder, 'evaluation.json');
  const evaluation = JSON.parse(read(path)) as { sets: { methods: Record<string, unknown>[] }[] };
  const adapted = evaluation.sets[0].methods.find(({ method }) => method === 'ridge')!;
  const values = Float64Array.from({ length: 60 }, (_, t) => 0.7 + 0.2 * (t % 2) + 0.1 * stream.normal());
  adapted['groups'] = {
    mae: compareGroups(
      values,
      Array.from(values, (_, t) => (t % 2 ? 'F & others' : 'M')),
    ),
  };
  const p = Float64Array.from({ length: 400 }, () => stream.uniform());
  adapted['reliability'] = reliability(
    Array.from(p, (x) => Number(stream.uniform() < x)),
    p,
  );
  fs.writeFileSync(path, JSON.stringify(evaluation));
  fs.mkdirSync(join(runFolder, 'scenarios'));
  const interval = (mean: number) => ({ mean, low: mean - 0.02, high: mean + 0.02, tasks: 9 });
  const scenario = {
    name: 'fewShot',
    tables: [
      resultTable(
        [
          { method: '1 rating', metrics: { mae: interval(0.8) } },
          { method: '5 ratings', metrics: { mae: interval(0.7) } },
        ],
        'shots',
      ),
    ],
    charts: [
      {
        title: 'Few shots',
        x: 'support rows',
        y: 'mae',
        series: ['a', 'b', 'c', 'd', 'e', 'f'].map((name, s) => ({
          name,
          x: [0, 1, 3, 5, 10, 20],
          y: [0.9, 0.8, null, 0.75, 0.72, 0.7].map((y) => y && y + s / 50),
          low: [0.85, 0.75, null, null, 0.7, 0.68],
          high: [0.95, 0.85, null, null, 0.75, 0.72],
        })),
      },
    ],
    notes: ['<b>Nested</b> support sets.'],
  };
  fs.writeFileSync(join(runFolder, 'scenarios', 'few-shot.json'), JSON.stringify(scenario));
});

const VOID = new Set(['meta']);
/** Nothing is loaded or run, and every element that is opened is closed, in order. */
function checkMarkup(text: string): void {
  assert.doesNotMatch(
    text.replace('xmlns="http://www.w3.org/2000/svg"', ''),
    /https?:\/\/|<script|<link|<img|@import|url\(|src=|javascript:/i,
    'nothing is loaded',
  );
  assert.doesNotMatch(text.replace(/<pre[^]*?<\/pre>/g, ''), /NaN|undefined|Infinity|\[object/);
  const open: string[] = [];
  for (const [, close, name, rest] of text
    .replace(/<style>[^]*?<\/style>/g, '')
    .matchAll(/<(\/?)([a-zA-Z][a-zA-Z0-9]*)([^>]*)>/g)) {
    if (VOID.has(name) || rest.endsWith('/')) continue;
    if (close === '') open.push(name);
    else assert.equal(open.pop(), name, `</${name}>`);
  }
  assert.deepEqual(open, []);
}

test('the report of a real run: results, intervals, curves, configuration, figures as files', async (t) => {
  if (!hasData) return t.plan(0, 'data/ml-latest-small is not here');
  const { html, figures } = await writeReport(runFolder, join(folder, 'page.html'));
  const page = read(html);
  checkMarkup(page);
  assert.match(page, /^<!doctype html>[^]*name="viewport"[^]*prefers-color-scheme:dark/);
  assert.match(page, /<h1>Ridge on 610 users and 9,\d+ items: small &#60;run&#62;<\/h1>/);
  const evaluation = JSON.parse(read(join(runFolder, 'evaluation.json'))) as {
    sets: {
      set: string;
      methods: { method: string; metrics: Record<string, { mean: number; low: number; high: number }> }[];
    }[];
  };
  for (const { methods } of evaluation.sets) {
    for (const { method, metrics } of methods) {
      assert.ok(page.includes(`<th scope="row">${method}</th>`), method);
      for (const { mean, low, high } of Object.values(metrics))
        assert.ok(
          page.includes(`${mean.toFixed(3)} <span class="soft">± ${((high - low) / 2).toFixed(3)}</span>`),
          `${method}: ${mean}`,
        );
    }
  }
  // The learner first, then the others from the best by the first metric down.
  const [table] = page.split('Results on ')[1].split('</table>');
  const named = [...table.matchAll(/<th scope="row">([^<]+)<\/th><td[^>]*>([\d.]+|–)/g)].map(([, name, mean]) => [
    name,
    mean,
  ]);
  assert.equal(named[0][0], 'ridge');
  const others = named
    .filter(([name, mean]) => !name.startsWith('ridge') && mean !== '–')
    .map(([, mean]) => Number(mean));
  assert.ok(others.length > 3);
  assert.deepEqual(
    others,
    [...others].sort((a, b) => a - b),
    'mae: lower is better',
  );
  assert.match(
    page,
    /Minus ridge, user by user[^]*title="p = 0\.\d{4} after Holm">[+−]0\.\d{3} <span class="soft range">[+−]0\.\d{3} to /,
  );
  assert.match(page, /<b>mae over users<\/b>/);
  const [facts, fold] = page.split('<summary>Digests</summary>');
  assert.ok(!facts.includes('sha256:') && fold.includes('sha256:'));
  // One best a column, or several that are equal as printed.
  assert.ok((page.match(/<td class="best">/g) ?? []).length >= 3);
  assert.match(page, /Training loss[^]*Validation[^]*Gradient norm/);
  assert.match(page, /&#34;name&#34;: &#34;ridge&#34;/, 'the configuration');
  assert.match(page, /F &#38; others is 0\.\d+ above M \(0\.\d+ to 0\.\d+\), p = 0\.00/);
  assert.match(page, /Few shot[^]*&#60;b&#62;Nested&#60;\/b&#62; support sets/);
  assert.match(page, /Reliability[^]*ECE 0\.0/);
  // A chart of the page, a file.
  assert.equal(figures.length, (page.match(/<figure>/g) ?? []).length);
  assert.deepEqual(
    figures.map((file) => basename(file)).filter((name) => /mae|training|few/.test(name)),
    ['test-mae.svg', 'test-mae-users.svg', 'test-mae-groups.svg', 'training-loss.svg', 'fewshot-few-shots.svg'],
  );
  for (const file of figures) {
    const svg = read(file);
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 400 \d+(\.\d+)?"/);
    checkMarkup(svg);
  }
});

test('the same run gives the same page', async (t) => {
  if (!hasData) return t.plan(0, 'data/ml-latest-small is not here');
  const [one, two] = [
    await writeReport(runFolder, join(folder, 'one.html')),
    await writeReport(runFolder, join(folder, 'two.html'), { figures: join(folder, 'drawings') }),
  ];
  assert.equal(read(one.html), read(two.html));
  assert.ok(two.figures.every((file) => file.startsWith(join(folder, 'drawings'))));
});

test('innerloop report writes the page into the folder, or where it is told to', async (t) => {
  if (!hasData) return t.plan(0, 'data/ml-latest-small is not here');
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, 'report', ...args], { cwd: folder, encoding: 'utf8' });
  const { status, stdout, stderr } = run(runFolder);
  assert.equal(status, 0, stderr);
  assert.equal(stdout.split('\n')[0], join(runFolder, 'report.html'));
  assert.match(read(join(runFolder, 'report.html')), /Learning curves/);
  const told = JSON.parse(run(runFolder, '--output', 'told.html', '--json').stdout) as {
    html: string;
    figures: string[];
  };
  assert.equal(told.html, join(fs.realpathSync(folder), 'told.html'));
  for (const file of told.figures) assert.match(read(file), /^<svg/);
  const wrong = run('nowhere');
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /MISSING_FILE nowhere: no such folder/);
  assert.equal(run().status, 2);
});

test('unfinished runs, other folders, and damaged files', async () => {
  const at = (name: string, files: Record<string, string>) => {
    const path = join(folder, name);
    fs.mkdirSync(path);
    for (const [file, text] of Object.entries(files)) fs.writeFileSync(join(path, file), text);
    return path;
  };
  const fails = (path: string, code: ErrorCode, pattern: RegExp, out = join(folder, 'x.html'), options: object = {}) =>
    assert.rejects(writeReport(path, out, options), typed(code, pattern));
  const epochs =
    '{"phase":"train","epoch":1,"loss":2,"gradientNorm":1}\n{"phase":"train","epoch":2,"loss":1,"gradientNorm":1}\n{"phase":"tra';
  const { html } = await writeReport(at('unfinished', { 'metrics.jsonl': epochs }), join(folder, 'unfinished.html'));
  assert.match(read(html), /no results yet[^]*Training loss/);
  checkMarkup(read(html));
  const alone = at('alone', {
    'drift.json':
      '{"tables":[],"charts":[{"title":"Drift","x":"t","y":"mae","series":[{"name":"a","x":[1],"y":[-0.5]}]}]}',
    'other.json': '[1]',
  });
  const scenario = await writeReport(alone, join(folder, 'alone.html'));
  assert.match(read(scenario.html), /<h2>Drift<\/h2>/);
  assert.equal(scenario.figures.length, 1);
  await fails(join(folder, 'nowhere'), 'MISSING_FILE', /no such folder/);
  await fails(at('empty', {}), 'MISSING_FILE', /manifest\.json/);
  await fails(at('broken', { 'manifest.json': '{' }), 'INVALID_DATA', /manifest\.json/);
  await fails(at('foreign', { 'evaluation.json': '{"sets":[{"set":1}]}' }), 'INVALID_DATA', /evaluation\.json/);
  await fails(at('garbled', { 'metrics.jsonl': 'x\n' }), 'INVALID_DATA', /metrics\.jsonl:1/);
  await fails(alone, 'IO', /place that can be written/, join(folder, 'no', 'such', 'x.html'));
  await fails(alone, 'UNKNOWN_OPTION', /did you mean figures\?/, undefined, { figure: 'x' });
  await fails('', 'INVALID_OPTION', /folder/);
});

test('axes: round ticks that cover the data', async () => {
  for (const [low, high] of [
    [0.61, 0.84],
    [0, 1],
    [-3, 7],
    [1234, 1240],
    [5, 5],
    [0, 0],
    [-2e-5, 1e-5],
  ]) {
    const { ticks, share } = linearScale(low, high);
    assert.ok(ticks.length >= 2 && ticks.length <= 8, String(ticks));
    assert.ok(
      ticks[0] <= low + 1e-12 && ticks[ticks.length - 1] >= high - 1e-9,
      `${low} … ${high}: ${ticks.join(' ')}`,
    );
    assert.ok(share(low) >= -1e-9 && share(high) <= 1 + 1e-9);
    const steps = ticks.slice(1).map((tick, i) => tick - ticks[i]);
    for (const step of steps) assert.ok(Math.abs(step - steps[0]) < 1e-9 * Math.abs(steps[0]));
  }
  assert.deepEqual(logScale(1, 100).ticks, [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual([0.25, -1.5, 12500, 3].map(tickLabel), ['0.25', '−1.5', '12.5k', '3']);
});

test('charts draw what they are given', async () => {
  const chart = drawLines({
    title: 'T & U',
    x: 'x',
    y: 'y',
    series: [{ name: 'one', x: [1, 2, 3], y: [1, null, 3], low: [0.5, null, null], high: [1.5, null, 4] }],
  });
  assert.equal((chart.content.match(/<circle/g) ?? []).length, 2, 'no dot for a missing value');
  assert.match(chart.content, /<path class="line first" d="M[\d.]+ [\d.]+M/, 'and a gap in the line');
  assert.equal((chart.content.match(/h6/g) ?? []).length, 2, 'a bar only where both ends are known');
  const many = drawLines({
    title: 'many',
    x: 'epoch',
    y: 'loss',
    series: [
      {
        name: 'train',
        x: Array.from({ length: 500 }, (_, i) => i),
        y: Array.from({ length: 500 }, (_, i) => 1 / (i + 1)),
      },
    ],
  });
  assert.ok(!many.content.includes('class="dot'), 'marks would be one upon another');
  const touched = many.content.match(/class="touch"[^>]*><title>train, epoch \d+: [\d.]+ loss</g) ?? [];
  assert.ok(touched.length > 40 && touched.length < 70, 'but the pointer is shown values');
  assert.ok((many.content.match(/class="tick"/g) ?? []).length < 20);
  assert.equal(drawLines({ title: 'none', x: 'x', y: 'y', series: [{ name: 'a', x: [], y: [] }] }).legend.length, 1);
  const rows = drawIntervals({
    title: 'm',
    unit: 'u',
    reference: 0,
    rows: [
      { name: 'a very long name of a method indeed', mean: 1, low: 0.5, high: 1.5 },
      { name: '<b>', mean: -1, low: null, high: null },
    ],
  });
  const words = [...rows.content.matchAll(/<text class="row"[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  assert.deepEqual(words, ['a very long name of', 'a method indeed', '&#60;b&#62;'], 'whole, in two lines');
  assert.match(rows.content, /&#60;b&#62;/);
  checkMarkup(standalone(rows));
});

const browser = findBrowser();
for (const [name, width, font] of [
  ['a phone', 360, undefined],
  ['a phone, in another font', 360, 'serif'],
  ['a phone, in a wide font', 360, '"DejaVu Sans", Verdana, sans-serif'],
  ['a phone, in a font of one width', 360, 'monospace'],
  ['a screen', 1200, undefined],
] as const) {
  test(`in a browser as wide as ${name}`, async (t) => {
    if (!hasData) return t.plan(0, 'data/ml-latest-small is not here');
    if (browser === undefined) return t.plan(0, 'no Chromium on the PATH (BROWSER_PATH names one)');
    const { html } = await writeReport(runFolder, join(folder, `${width}.html`));
    await withPage(browser, html, { width, height: 740 }, async (page) => {
      if (font !== undefined)
        await page.evaluate(
          `document.head.insertAdjacentHTML('beforeend', ${JSON.stringify(`<style>body, text { font-family: ${font} !important }</style>`)})`,
        );
      assert.equal(page.requests.length, 1, `only the file itself: ${page.requests.join(' ')}`);
      assert.deepEqual(page.errors, []);
      assert.ok(
        (await page.evaluate<number>('document.documentElement.scrollWidth')) <= width,
        'nothing is wider than the screen',
      );
      assert.equal(await page.evaluate('document.querySelectorAll("figure").length > 7'), true);
      // Text of a chart lies within it, and is large enough to read.
      const outside = await page.evaluate<
        string[]
      >(`[...document.querySelectorAll('figure svg[role] text')].filter((text) => {
        const [box, own] = [text.ownerSVGElement.getBoundingClientRect(), text.getBoundingClientRect()];
        return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1;
      }).map((text) => text.textContent)`);
      assert.deepEqual(outside, []);
      const sizes = await page.evaluate<number[]>(
        `[...document.querySelectorAll('figure svg[role] text')].map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)`,
      );
      assert.ok(Math.min(...sizes) >= 9.5, `${Math.min(...sizes)} px`);
      const overlaps = await page.evaluate<
        string[]
      >(`[...document.querySelectorAll('figure svg[role]')].flatMap((svg) => {
        const boxes = [...svg.querySelectorAll('text')].map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.box.left < b.box.right && b.box.left < a.box.right && a.box.top < b.box.bottom - 2 && b.box.top < a.box.bottom - 2).map((b) => a.text + ' over ' + b.text));
      })`);
      assert.deepEqual(overlaps, []);
      // A table of three columns fits a phone.
      const columns = 'document.querySelector(".table thead tr").children.length';
      assert.equal(await page.evaluate(columns), 4);
      if (font === undefined)
        assert.ok(
          await page.evaluate(
            '(() => { const box = document.querySelector(".table"); return box.scrollWidth <= box.clientWidth; })()',
          ),
          'three columns fit',
        );
      // So does the table of differences, whose intervals break into lines.
      if (font === undefined)
        assert.ok(
          await page.evaluate(
            '(() => { const box = document.querySelector(".range").closest(".table"); return box.scrollWidth <= box.clientWidth; })()',
          ),
          'three columns of differences fit',
        );
      // Wide tables scroll by themselves, and keep the method in sight.
      const left = await page.evaluate<number>(
        `(() => { const box = document.querySelector('.table'); box.scrollLeft = 1000; return box.querySelector('tbody th').getBoundingClientRect().left - box.getBoundingClientRect().left; })()`,
      );
      assert.ok(Math.abs(left) < 3, `${left} px`);
      const shown =
        '(() => { const pre = document.querySelector("pre"); return pre.checkVisibility() && pre.getBoundingClientRect().height > 100; })()';
      assert.equal(await page.evaluate(shown), false);
      await page.evaluate('document.querySelector("summary").click()');
      assert.equal(await page.evaluate(shown), true, 'the configuration opens without a script of the page');
      assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width);
    });
  });
}

test('a figure is an image of its own', async (t) => {
  if (!hasData) return t.plan(0, 'data/ml-latest-small is not here');
  if (browser === undefined) return t.plan(0, 'no Chromium on the PATH (BROWSER_PATH names one)');
  const { figures } = await writeReport(runFolder, join(folder, 'figures.html'));
  const file = figures.find((name) => name.endsWith('few-shots.svg'))!;
  await withPage(browser, file, { width: 800, height: 700 }, async (page) => {
    assert.equal(await page.evaluate('document.documentElement.tagName'), 'svg');
    assert.equal(await page.evaluate('document.querySelectorAll(".dot").length'), 30);
    assert.equal(
      await page.evaluate('document.querySelectorAll("text.end").length'),
      6,
      'a name at the end of each line',
    );
    const colour = await page.evaluate<string>('getComputedStyle(document.querySelector(".line.first")).stroke');
    assert.match(colour, /^rgb\((?!0, 0, 0)/, 'colours come with it');
    const lowest = await page.evaluate<number>(
      'Math.max(...[...document.querySelectorAll("text")].map((text) => text.getBoundingClientRect().bottom)) - document.documentElement.getBoundingClientRect().bottom',
    );
    assert.ok(lowest < 0, 'there is room for all texts');
  });
});
