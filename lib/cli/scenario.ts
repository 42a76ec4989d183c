/** `innerloop scenario`: one scenario of a configuration, for each of its learners; tables, charts and notes as files. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { drawLines } from '../charts/lines.js';
import { standalone } from '../charts/standalone.js';
import { unknownName } from '../foundation/check.js';
import { writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import { renderMarkdown, renderText } from '../evaluation/result-table.js';
import type { ResultTable } from '../evaluation/result-table.js';
import { runtime } from '../index.js';
import { slug } from '../report/words.js';
import type { Chart, Scenario } from '../scenarios/index.js';
import { refuseEnsemble } from './ensemble.js';
import type { NamedLearner } from './learners.js';
import type { Config } from './config.js';
import { withField } from './named.js';
import { attempt, openProgress, seconds } from './output.js';
import type { Console, Progress } from './output.js';
import { fingerprint, openData, validationMetric } from './pipeline.js';
import { SCENARIOS } from './scenarios.js';
import type { Part, ScenarioName } from './scenarios.js';
import { packageVersion as version } from '../learner/manifest.js';

export interface ScenarioRun {
  name: ScenarioName;
  base: Config;
  learners: readonly NamedLearner[];
  /** Folder for the results. */
  output: string;
  console: Console;
  signal: AbortSignal;
}

/** @throws {InnerloopError} UNKNOWN_OPTION with the nearest of the names */
export function scenarioName(name: string): ScenarioName {
  const known = Object.keys(SCENARIOS);
  if (!known.includes(name)) throw unknownName('scenario', 'no such scenario', name, known);
  return name as ScenarioName;
}

export async function runScenario({ name, base, learners, output, console, signal }: ScenarioRun): Promise<void> {
  const began = performance.now();
  const dataset = await openData(base, signal);
  const { rows, users, items } = fingerprint(dataset);
  for (const note of dataset.notes) console.note(note);
  console.note(`${rows} interactions of ${users} users with ${items} items`);
  await attempt(output, () => mkdir(output, { recursive: true }));

  const parts: { learner: NamedLearner; scenario: Scenario; seconds: number }[] = [];
  for (const [i, learner] of learners.entries()) {
    const started = performance.now();
    const config: Config = {
      ...learner.config,
      split: { ...learner.config.split, seed: base.split.seed ?? base.seed },
    };
    const scenario = await play(
      name,
      { name: learner.name, config, dataset: { ...dataset }, isFirst: i === 0, signal },
      console,
    );
    parts.push({ learner, scenario, seconds: seconds(started) });
  }
  const { tables, charts, notes } = joined(name, parts);
  const figures = drawn(name, charts);
  for (const { file, svg } of figures) await write(join(output, file), svg);
  const files = {
    json: join(output, `scenario-${name}.json`),
    table: join(output, `scenario-${name}.md`),
    figures: figures.map(({ file }) => join(output, file)),
  };
  const document = {
    name,
    version: version(),
    isa: runtime().isa,
    node: process.version,
    seed: base.seed,
    config: base,
    data: { rows, users, items },
    learners: parts.map((part) => ({ name: part.learner.name, seconds: part.seconds })),
    seconds: seconds(began),
    tables,
    charts,
    notes,
    figures: figures.map(({ file }) => file),
  };
  await write(files.json, `${JSON.stringify(document, undefined, 1)}\n`);
  await write(files.table, markdown(tables, figures, notes));
  for (const table of tables.flatMap(narrow)) console.result(renderText(table));
  if (notes.length > 0) console.result(`${notes.map((note) => `- ${note}`).join('\n')}\n`);
  console.note(
    [`table, data and figures (${seconds(began).toFixed(1)} s):`, files.table, files.json, ...files.figures].join(
      '\n  ',
    ),
  );
  console.json({ event: 'result', output, files, name, seconds: document.seconds, tables, charts, notes });
}

/** One learner's part, with progress; errors name options as the configuration does. */
async function play(name: ScenarioName, part: Omit<Part, 'watch'>, console: Console): Promise<Scenario> {
  const { key, play: run, aliases = [] } = SCENARIOS[name];
  const title = `${name}, ${part.name}`;
  refuseEnsemble(part.config, 'a scenario');
  const metric = validationMetric(part.config);
  let progress: { phase: string; bar: Progress } | undefined;
  const bar = (phase: string) => {
    if (progress?.phase !== phase) {
      progress?.bar.stop();
      progress = { phase, bar: openProgress(`${title}: ${phase}`, metric) };
    }
    return progress.bar;
  };
  const watch: Part['watch'] = {
    step: (share, phase) => bar(phase).step(share),
    epoch: (report, phase) => {
      bar(phase).epoch(report);
      console.json({ event: 'epoch', learner: part.name, phase, ...report });
    },
  };
  if (process.stderr.isTTY !== true) console.note(title);
  try {
    // Each kind takes its own options, which the table pairs by key.
    return await (run as (part: Part, options: unknown) => Promise<Scenario>)(
      { ...part, watch },
      part.config.scenarios?.[key],
    );
  } catch (error) {
    const named = [[new RegExp(`^${key}\\b`), key] as const, [/^set$/, `${key}.set`] as const, ...aliases];
    const alias = named.find(([library]) => error instanceof InnerloopError && library.test(error.field ?? ''));
    throw alias === undefined ? error : withField(error, alias[0], `scenarios.${alias[1]}`);
  } finally {
    progress?.bar.stop();
  }
}

// ------------------------------------------------------------------------------------------------------------- results

/** One scenario of several learners: tables of one title become one, and so do charts where their lines belong together. */
function joined(
  name: ScenarioName,
  parts: readonly { learner: NamedLearner; scenario: Scenario }[],
): Omit<Scenario, 'name'> {
  if (parts.length === 1) return parts[0].scenario;
  const { label, joins } = SCENARIOS[name];
  const tables = new Map<string, ResultTable>();
  const charts = new Map<string, Chart>();
  const notes = new Map<string, string[]>();
  for (const { learner, scenario } of parts) {
    for (const { title, columns, rows } of scenario.tables) {
      const own = rows.map(({ method, cells }) => ({ method: label(method, learner), cells }));
      // Columns that data decide on may differ.
      const id = JSON.stringify([title, columns]);
      const table = tables.get(id);
      if (table === undefined) tables.set(id, { title, columns, rows: own });
      else table.rows.push(...own);
    }
    for (const chart of scenario.charts) {
      const title = joins ? chart.title : `${chart.title}, ${learner.name}`;
      const series = joins ? chart.series.map((one) => ({ ...one, name: label(one.name, learner) })) : chart.series;
      const known = charts.get(title);
      if (known === undefined) charts.set(title, { ...chart, title, series });
      else known.series.push(...series);
    }
    for (const note of scenario.notes) notes.set(note, [...(notes.get(note) ?? []), learner.name]);
  }
  const said = [...notes].map(([note, of]) => (of.length === parts.length ? note : `${of.join(', ')}: ${note}`));
  return { tables: [...tables.values()], charts: [...charts.values()], notes: said };
}

interface Drawn {
  title: string;
  file: string;
  svg: string;
}

function drawn(name: ScenarioName, charts: readonly Chart[]): Drawn[] {
  const taken = new Set<string>();
  return charts.map((chart) => {
    const stem = `scenario-${name}-${slug(chart.title)}`;
    let file = `${stem}.svg`;
    for (let n = 2; taken.has(file); n++) file = `${stem}-${n}.svg`;
    taken.add(file);
    return { title: chart.title, file, svg: standalone(drawLines(chart)) };
  });
}

/** Tables as wide as a terminal: the columns of a curve in several rows. */
const COLUMNS = 6;
function narrow(table: ResultTable): ResultTable[] {
  const pieces = Math.ceil(table.columns.length / COLUMNS);
  const width = Math.ceil(table.columns.length / pieces);
  return Array.from({ length: pieces }, (_, p) => ({
    title: p === 0 ? table.title : `${table.title}, continued`,
    columns: table.columns.slice(p * width, (p + 1) * width),
    rows: table.rows.map(({ method, cells }) => ({ method, cells: cells.slice(p * width, (p + 1) * width) })),
  }));
}

function markdown(tables: readonly ResultTable[], figures: readonly Drawn[], notes: readonly string[]): string {
  const images = figures.map(({ title, file }) => `![${title}](${file})`);
  return `${[...tables.map((table) => renderMarkdown(table)), ...images, notes.map((note) => `- ${note}`).join('\n')].join('\n')}\n`;
}

const write = (path: string, text: string) => attempt(path, () => writeDurable(path, [Buffer.from(text)]));
