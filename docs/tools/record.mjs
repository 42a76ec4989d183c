/**
 * `node docs/tools/record.mjs bench/results/NAME.json OUTPUT 'COMMAND'`: keeps what a command of the package wrote into its output
 * folder (evaluation.json of `train`, compare.json of `compare`, tables of a scenario's JSON) as the numbers of pages, with the
 * command and the commit that they come from. `npm run docs` writes them into the pages.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [target, folder, command] = process.argv.slice(2);
if (command === undefined) {
  console.error("node docs/tools/record.mjs bench/results/NAME.json OUTPUT-FOLDER-OR-FILE 'innerloop …'");
  process.exit(2);
}
const round = (x) => (typeof x === 'number' ? Number(x.toPrecision(5)) : null);
const half = ({ low, high, half: own }) => round(own ?? (typeof low === 'number' ? (high - low) / 2 : null));

const tables = {};
const extra = {};
const at = (name) =>
  existsSync(join(folder, name)) ? JSON.parse(readFileSync(join(folder, name), 'utf8')) : undefined;
const evaluation = at('evaluation.json');
const comparison = at('compare.json');
const scenario = folder.endsWith('.json') ? JSON.parse(readFileSync(folder, 'utf8')) : undefined;
if (evaluation !== undefined) {
  for (const { set, methods } of evaluation.sets) {
    const metrics = [...new Set(methods.flatMap((method) => Object.keys(method.metrics)))];
    tables[set] = {
      columns: metrics,
      rows: methods.map(({ method, metrics: of }) => ({ method, cells: metrics.map((metric) => cell(of[metric])) })),
    };
  }
}
if (comparison !== undefined) {
  const table = comparison.table ?? comparison;
  for (const set of new Set(table.columns.map((column) => column.set))) {
    const columns = table.columns.flatMap((column, c) => (column.set === set ? [c] : []));
    tables[set] = {
      columns: columns.map((c) => table.columns[c].metric),
      rows: table.methods.map(({ method, cells }) => ({ method, cells: columns.map((c) => cell(cells[c])) })),
    };
  }
  // What learners are chosen by, on tasks that are not reported.
  if (table.methods.some(({ validation }) => typeof validation === 'number'))
    tables['chosen by'] = {
      columns: [`validation ${table.validationMetric}`],
      rows: table.methods.map(({ method, validation }) => ({
        method,
        cells: [typeof validation === 'number' ? { mean: round(validation), half: null } : null],
      })),
    };
  tables['time'] = {
    note: 'Wall time on the machine of the runs, at the median over them',
    columns: ['training, s', 'adapting to one user, µs'],
    rows: table.methods.map(({ method, trainSeconds, adaptMicroseconds }) => ({
      method,
      cells: [trainSeconds, adaptMicroseconds].map((value) =>
        typeof value === 'number' ? { mean: round(value), half: null } : null,
      ),
    })),
  };
  // What others published stands in rows of its own: under no set where the protocol has only one.
  for (const { method, set = Object.keys(tables)[0], metric, value } of comparison.published ?? []) {
    const { columns, rows } = tables[set];
    const name = `${method}, published`;
    const row = rows.find((one) => one.method === name) ?? { method: name, cells: columns.map(() => null) };
    if (!rows.includes(row)) rows.push(row);
    row.cells[columns.indexOf(metric)] = { mean: value };
  }
  extra.notes = comparison.notes ?? [];
  extra.seeds = Math.max(...table.methods.map(({ seeds }) => seeds.filter((seed) => seed !== null).length));
  if (comparison.missing?.length > 0) extra.missing = comparison.missing;
  const searched = join(folder, 'tune');
  if (existsSync(searched)) extra.found = await settingsOf(searched, table);
  extra.failures = table.methods.flatMap(({ method, failures }) => failures.map((failure) => `${method}: ${failure}`));
}
for (const { title, columns, rows } of scenario?.tables ?? [])
  tables[title] = {
    columns: columns.map(({ metric }) => metric),
    rows: rows.map(({ method, cells }) => ({ method, cells: cells.map(cell) })),
  };
if (Object.keys(tables).length === 0) {
  console.error(`${folder} holds no evaluation.json or compare.json, and is no scenario's JSON`);
  process.exit(1);
}

/** What `compare --tune` chose on the validation tasks, by learner and baseline, and how long it looked. */
async function settingsOf(searched, table) {
  const { bestSetting } = await import('../../dist/lib/tune/best.js');
  const { better } = table.columns.find(({ metric }) => metric === table.validationMetric);
  const names = readdirSync(searched).filter((name) => name.endsWith('.json'));
  return Object.fromEntries(
    names.map((name) => {
      const { trials } = JSON.parse(readFileSync(join(searched, name), 'utf8'));
      const { setting, value } = bestSetting(trials, better);
      const seconds = trials.reduce((sum, trial) => sum + trial.seconds, 0);
      return [name.slice(0, -'.json'.length), { setting, value: round(value), seconds: round(seconds) }];
    }),
  );
}

function cell(of) {
  return typeof of?.mean === 'number' ? { mean: round(of.mean), half: half(of), tasks: of.tasks } : null;
}

const git = (...args) => spawnSync('git', args, { encoding: 'utf8' }).stdout.trim();
const record = {
  command,
  commit:
    git('rev-parse', '--short', 'HEAD') +
    (git('status', '--porcelain', '--untracked-files=no', 'lib', 'native') ? ' with changes' : ''),
  date: new Date().toISOString().slice(0, 10),
  ...extra,
  tables,
};
writeFileSync(target, `${JSON.stringify(record, null, 1)}\n`);
