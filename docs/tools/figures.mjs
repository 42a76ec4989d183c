/**
 * `node docs/tools/figures.mjs [--check]`, after `npm run build`: draws the figures of pages from the result files of few-shot
 * scenarios, `docs/images/few-shot-<data>.svg` from `bench/results/few-shot-<data>.json`, or checks that they are those.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const NAME = /^(few-shot-.*)\.json$/;

/** The figures by their paths below the root. */
export async function figures() {
  const { drawLines } = await import('../../dist/lib/charts/lines.js');
  const { standalone } = await import('../../dist/lib/charts/standalone.js');
  const files = readdirSync(join(root, 'bench', 'results')).flatMap((name) => NAME.exec(name)?.[1] ?? []);
  return new Map(
    files.map((name) => {
      const { tables } = JSON.parse(readFileSync(join(root, 'bench', 'results', `${name}.json`), 'utf8'));
      const [title] = Object.keys(tables);
      return [join('docs', 'images', `${name}.svg`), standalone(drawLines(chartOf(title, tables[title])))];
    }),
  );
}

/** The chart of a table whose columns are named `mae, 5 shots`. */
function chartOf(title, { columns, rows }) {
  const [, y, x] = /^(.*) by (.*)$/.exec(title);
  const values = columns.map((column) => Number(/, (\d+) shots?$/.exec(column)[1]));
  const of = (cells, value) => cells.map((cell) => (cell === null ? null : value(cell)));
  return {
    title,
    x,
    y,
    series: rows.map(({ method, cells }) => ({
      name: method,
      x: values,
      y: of(cells, ({ mean }) => mean),
      low: of(cells, ({ mean, half }) => (half ? mean - half : null)),
      high: of(cells, ({ mean, half }) => (half ? mean + half : null)),
    })),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stale = [];
  for (const [file, svg] of await figures()) {
    const path = join(root, file);
    if (readFileSync(path, 'utf8') === svg) continue;
    stale.push(file);
    if (!process.argv.includes('--check')) writeFileSync(path, svg);
  }
  if (process.argv.includes('--check') && stale.length > 0) {
    console.error(
      `figures that are not those of their files: ${stale.join(', ')}; node docs/tools/figures.mjs draws them`,
    );
    process.exitCode = 1;
  }
}
