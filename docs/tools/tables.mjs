/**
 * `node docs/tools/tables.mjs [--check]`: writes the tables of pages from the result files that they name, or checks that they
 * are those. A page has
 *
 *     <!-- results: bench/results/ml-1m.json set=userCold metrics=mae,ndcg@5 rows=ridge,ALS -->
 *     …
 *     <!-- end -->
 *
 * `rows` (default: all) and `metrics` (default: all) choose and order; `digits` is those after the point (default 3).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MARK = /<!-- results: (\S+)((?:\s+\w+=[^=]*?)*) -->\n[\s\S]*?<!-- end -->/g;

export function pages() {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', ...docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name))].sort();
}

/** The text of a page with its tables as the files say. */
export function withTables(page, text) {
  return text.replaceAll(MARK, (_, file, given) => {
    const options = Object.fromEntries(
      [...given.matchAll(/(\w+)=([^=]*?)(?=\s+\w+=|$)/g)].map(([, key, value]) => [key, value.trim()]),
    );
    return `<!-- results: ${file}${given} -->\n\n${tableOf(page, file, options)}\n\n<!-- end -->`;
  });
}

function tableOf(page, file, { set, metrics, rows, digits = '3' }) {
  const result = JSON.parse(readFileSync(join(root, file), 'utf8'));
  const names = Object.keys(result.tables);
  const table = result.tables[set ?? names[0]];
  if (table === undefined) throw new Error(`${page}: ${file} has no table ${set}, but ${names.join(', ')}`);
  const columns = metrics?.split(',') ?? table.columns;
  const wanted = rows?.split(',') ?? table.rows.map(({ method }) => method);
  const lines = wanted.map((name) => {
    const row = table.rows.find(({ method }) => method === name);
    if (row === undefined) throw new Error(`${page}: ${file} has no row ${name}`);
    return [name, ...columns.map((metric) => text(row.cells[table.columns.indexOf(metric)], Number(digits)))];
  });
  const tasks = Math.max(...table.rows.flatMap(({ cells }) => cells.map((cell) => cell?.tasks ?? 0)));
  const link = relative(dirname(join(root, page)), join(root, file)).replaceAll('\\', '/');
  return [
    `| method | ${columns.join(' | ')} |`,
    `| --- | ${columns.map(() => '---:').join(' | ')} |`,
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `${tasks.toLocaleString('en')} tasks; ± half the 95 % interval over them. [\`${file}\`](${link}): \`${result.command}\` at ${result.commit}, ${result.date}.`,
  ].join('\n');
}

function text(cell, digits) {
  if (cell === undefined || cell === null) return '–';
  return cell.half ? `${cell.mean.toFixed(digits)} ± ${cell.half.toFixed(digits)}` : cell.mean.toFixed(digits);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check');
  const stale = [];
  for (const page of pages()) {
    const path = join(root, page);
    const before = readFileSync(path, 'utf8');
    const after = withTables(page, before);
    if (after === before) continue;
    if (check) stale.push(page);
    else writeFileSync(path, after);
  }
  if (stale.length > 0) {
    console.error(
      `tables that are not those of their files: ${stale.join(', ')}; node docs/tools/tables.mjs writes them`,
    );
    process.exitCode = 1;
  }
}
