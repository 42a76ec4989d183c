/**
 * `npm run docs:screenshots`: the site of `npm run docs` as a reader sees it, in Chromium: every page at a desk and on a phone, in light and
 * in dark colours. Pictures of the pages below go to `build/docs-screenshots`. What a reader would stumble over is a failure: a picture that
 * is missing, an error in the page, a request to another machine, a page wider than its window, text too faint to read.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [site, pictures] = ['docs', 'docs-screenshots'].map((name) => join(root, 'build', name));
if (!existsSync(join(site, 'index.html'))) fail('build/docs is not there: npm run docs makes it');
const { findBrowser, withBrowser } = await import('../../dist/test/fixtures/browser.js');
const browser = findBrowser();
if (browser === undefined) fail('no Chromium (Debian: chromium; BROWSER_PATH names another)');

const VIEWS = [
  { name: 'desk-light', width: 1440, height: 900, scheme: 'light' },
  { name: 'desk-dark', width: 1440, height: 900, scheme: 'dark' },
  { name: 'phone-light', width: 390, height: 844, scheme: 'light' },
  { name: 'phone-dark', width: 390, height: 844, scheme: 'dark' },
];
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
};
/** Of each kind of page one has its picture taken. */
const PICTURES = [
  'index.html',
  'documents/Data.html',
  'documents/Results.html',
  'functions/innerloop.fit.html',
  'documents/快速开始.html',
];

const documents = readdirSync(join(site, 'documents')).map((file) => `documents/${file}`);
const pages = [...new Set(['index.html', ...documents, ...PICTURES])].filter((page) => existsSync(join(site, page)));
const missing = PICTURES.filter((page) => !pages.includes(page));
rmSync(pictures, { recursive: true, force: true });
mkdirSync(pictures, { recursive: true });

/** Runs in the page: what is broken on it. The contrast is WCAG 2's, of the text of paragraphs, cells, links and headings. */
const LOOK = `(() => {
  const broken = [...document.images].filter((i) => !i.complete || i.naturalWidth === 0).map((i) => 'no picture at ' + i.getAttribute('src'));
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e !== null; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  };
  const faint = new Set();
  for (const element of document.querySelectorAll('.tsd-typography :is(p, li, td, th, h1, h2, h3, a, code)')) {
    if (element.offsetParent === null || element.textContent.trim() === '') continue;
    const [text, ground] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (contrast < 4.5) faint.add('contrast ' + contrast.toFixed(1) + ' of <' + element.tagName.toLowerCase() + '> "' + element.textContent.trim().slice(0, 30) + '"');
  }
  return [...broken, ...(wide > 0 ? [wide + ' pixels wider than the window'] : []), ...[...faint].slice(0, 3)];
})()`;

const problems = missing.map((page) => `${page}: not in the site`);
const server = createServer(answer).listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}/`;
await withBrowser(browser, async (open) => {
  for (const { name, ...view } of VIEWS)
    for (const page of pages) await open(origin + encodeURI(page), view, (opened) => look(opened, page, name));
});
server.close();
for (const problem of problems) console.error(problem);
console.log(`${pages.length} pages, ${VIEWS.length} views each: ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

/** The files of the site, as a web server gives them: from `file:` a browser shows no icons. */
function answer({ url }, response) {
  const file = join(site, decodeURIComponent(new URL(url, 'http://site').pathname));
  const type = TYPES[extname(file)];
  if (type === undefined || !existsSync(file)) response.writeHead(404).end();
  else response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
}

async function look(opened, page, view) {
  const found = await opened.evaluate(LOOK);
  const elsewhere = opened.requests.filter((url) => !url.startsWith(origin) && !/^(data|blob):/.test(url));
  found.push(...opened.errors, ...elsewhere.map((url) => `asks for ${url}`));
  problems.push(...found.map((problem) => `${page}, ${view}: ${problem}`));
  if (!PICTURES.includes(page)) return;
  const file = `${page.replace(/^.*\//, '').replace(/\.html$/, '')}-${view}.webp`;
  writeFileSync(join(pictures, file), await opened.screenshot('webp'));
  console.log(`build/docs-screenshots/${file}`);
}

function fail(why) {
  console.error(why);
  process.exit(1);
}
