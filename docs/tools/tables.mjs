/**
 * `node docs/tools/tables.mjs [--check]`: writes the tables of pages from the result files that they name, or checks that they
 * are those. A page has
 *
 *     <!-- results: bench/results/ml-1m.json set=userCold metrics=mae,ndcg@5 rows=ridge,ALS -->
 *     …
 *     <!-- end -->
 *
 * `shots` in place of `metrics` is one metric of the set at each number of known rows (`evaluation.shots`), and at all of them.
 * `notes=none` leaves out what stands under a table that is one of several.
 * `rows` (default: all) and `metrics` (default: all) choose and order; `digits` is those after the point (default 3).
 *
 * A number within a sentence is one of a file, too, or the first less the second of two rows:
 *
 *     <!-- value: bench/results/ml-1m.json set=userCold metric=mae row=ridge minus=ALS -->−0.004<!-- end -->
 *
 * `<!-- load: bench/results/serve-load.json -->` … `<!-- end -->` is what `bench/serve-load.ts` measured, `<!-- models: … -->` in the same way
 * what `npm run bench -- --only models` did, and within a sentence `<!-- speed: … -->` its ratios to PyTorch.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelsOf, speedOf } from './timings.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MARK = /<!-- results: (\S+)((?:\s+\w+=[^=]*?)*) -->\n[\s\S]*?<!-- end -->/g;

const LOAD = /<!-- load: (\S+) -->\n[\s\S]*?<!-- end -->/g;
const MODELS = /<!-- models: (\S+) -->\n[\s\S]*?<!-- end -->/g;
const SPEED = /<!-- speed: (\S+) -->.*?<!-- end -->/g;
const VALUE = /<!-- value: (\S+)((?:\s+\w+=[^=]*?)*) -->.*?<!-- end -->/g;

export function pages() {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', ...docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name))].sort();
}

/** The text of a page with its tables as the files say. */
export async function withTables(page, text) {
  const models = new Map();
  for (const [, file] of text.matchAll(MODELS)) models.set(file, await modelsOf(page, file));
  return text
    .replaceAll(MODELS, (_, file) => `<!-- models: ${file} -->\n\n${models.get(file)}\n\n<!-- end -->`)
    .replaceAll(SPEED, (_, file) => `<!-- speed: ${file} -->${speedOf(file)}<!-- end -->`)
    .replaceAll(
      MARK,
      (_, file, given) =>
        `<!-- results: ${file}${given} -->\n\n${tableOf(page, file, optionsOf(given))}\n\n<!-- end -->`,
    )
    .replaceAll(
      VALUE,
      (_, file, given) => `<!-- value: ${file}${given} -->${valueOf(page, file, optionsOf(given))}<!-- end -->`,
    )
    .replaceAll(LOAD, (_, file) => `<!-- load: ${file} -->\n\n${loadOf(page, file)}\n\n<!-- end -->`);
}

/** Milliseconds in which a list of 10,000 items is wanted at half the rate of saturation, for 99 of 100 requests. */
const WANTED = 10;

/** What a load test of the service measured, with what it does not show. */
function loadOf(page, file) {
  const { machine, results, memory, cpuPerRequest, mainPerRequest, load, workers, ...run } = JSON.parse(
    readFileSync(join(root, file), 'utf8'),
  );
  const rows = results.map(
    (each) =>
      `| ${each.mix} | ${each.loop} | ${each.perSecond} | ${each.p50} | ${each.p90} | ${each.p99} | ${each.max} | ${each.errors} of ${each.requests} |`,
  );
  const { p99, client } = results.find(({ mix, loop }) => mix === 'sessions' && loop === 'open');
  const half = memory[Math.floor(memory.length / 2)].resident;
  const end = memory.at(-1).resident;
  // Each kind of request has two of the quarters, and holds other people: the second of them must need no more either.
  const quarters = [0, 1, 2, 3].map((q) => {
    const own = memory.slice((q * memory.length) / 4, ((q + 1) * memory.length) / 4);
    return own.map(({ resident }) => resident).sort((x, y) => x - y)[Math.floor(own.length / 2)];
  });
  const isFlat = end <= 1.1 * half && quarters[1] <= 1.1 * quarters[0] && quarters[3] <= 1.1 * quarters[2];
  // The load afterwards is that of the test itself, too.
  const isBusy = Number(machine.load) > machine.threads;
  const link = relative(dirname(join(root, page)), join(root, file)).replaceAll('\\', '/');
  const from = run.command === undefined ? '' : `: \`${run.command}\` at ${run.commit}, ${run.date}`;
  const main = mainPerRequest === undefined ? '' : `, ${mainPerRequest} ms of it in the thread that takes requests`;
  const late =
    client === undefined
      ? ''
      : `; the client, on the same processors, took ${client.cpu} ms and was late by ${client.p99} ms in one of a hundred cases`;
  const others = isBusy
    ? ': it was busy with others, so latencies and rates are not those of a machine of its own'
    : '';
  return [
    '| requests | loop | a second | p50 (ms) | p90 | p99 | max | errors |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
    `Adapting and ranking 10,000 items at half the rate of saturation (sessions, open): p99 ${p99} ms, where ${WANTED} ms are wanted${p99 <= WANTED ? '' : ' (missed)'}.`,
    `Memory: ${half} MB half-way, ${end} MB at the end, and at the median of each of the four loops ${quarters.join(', ')} MB${isFlat ? '' : ' (not flat)'}. Processor time a request: ${cpuPerRequest} ms${main}${late}.`,
    `${machine.cpu}, ${machine.threads} threads, Node.js ${machine.node}; ${run.connections} connections, ${workers ?? 0} worker threads; runnable processes of the machine ${machine.load} before and ${load} after${others}.`,
    `[\`${file}\`](${link})${from}.`,
  ].join('\n');
}

const optionsOf = (given) =>
  Object.fromEntries([...given.matchAll(/(\w+)=([^=]*?)(?=\s+\w+=|$)/g)].map(([, key, value]) => [key, value.trim()]));

function valueOf(page, file, { set, metric, row, minus, digits = '3' }) {
  const { tables } = JSON.parse(readFileSync(join(root, file), 'utf8'));
  const table = tables[set ?? Object.keys(tables)[0]];
  const of = (name) => {
    const cell = table?.rows.find(({ method }) => method === name)?.cells[table.columns.indexOf(metric)];
    if (cell === undefined || cell === null) throw new Error(`${page}: ${file} has no ${metric} of ${name} on ${set}`);
    return cell.mean;
  };
  if (minus === undefined) return of(row).toFixed(Number(digits));
  const difference = of(row) - of(minus);
  return `${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(Number(digits))}`;
}

function tableOf(page, file, { set, metrics, shots, rows, notes, digits = '3' }) {
  const result = JSON.parse(readFileSync(join(root, file), 'utf8'));
  const names = Object.keys(result.tables);
  const table = shots === undefined ? result.tables[set ?? names[0]] : byShots(result.tables, set ?? names[0], shots);
  if (table === undefined) throw new Error(`${page}: ${file} has no table ${set}, but ${names.join(', ')}`);
  const columns = metrics?.split(',') ?? table.columns;
  const wanted = rows?.split(',') ?? table.rows.map(({ method }) => method);
  const runs =
    result.seeds === undefined ? '' : `, learners over ${result.seeds} ${result.seeds === 1 ? 'seed' : 'seeds'}`;
  const missing = result.missing === undefined ? [] : [`Still missing: ${result.missing.join('; ')}.`];
  const below = [...(notes === 'none' ? [] : (result.notes ?? []).map(sourceOf)), ...missing].flatMap((note) => [
    '',
    note,
  ]);
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
    `${table.note !== undefined ? table.note : tasks > 0 ? `${tasks.toLocaleString('en')} tasks; ± half the 95 % interval over them` : 'Means over validation tasks'}${runs}. [\`${file}\`](${link}): \`${result.command}\` at ${result.commit}, ${result.date}.`,
    ...below,
  ].join('\n');
}

/** Of what was published the source: the numbers are rows of the table. */
const sourceOf = (note) => note.replace(/^Published \((.*?)\): .*$/, 'Published: $1.');

/** One metric of a set and of its cuts, side by side. */
function byShots(tables, set, metric) {
  const names = Object.keys(tables).filter((name) => name === set || name.startsWith(`${set}, `));
  if (tables[set] === undefined) return undefined;
  const at = (name, row) => tables[name].rows[row].cells[tables[name].columns.indexOf(metric)];
  return {
    columns: names.map((name) => (name === set ? `${metric}, all` : `${metric}, ${name.slice(set.length + 2)}`)),
    rows: tables[set].rows.map(({ method }, row) => ({ method, cells: names.map((name) => at(name, row)) })),
  };
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
    const after = await withTables(page, before);
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
