/** `innerloop tune`: options of all learners and baselines of a configuration, chosen by validation tasks with one budget. */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { drawLines } from '../charts/lines.js';
import { standalone } from '../charts/standalone.js';
import { lockFile, writeDurable } from '../files/durable.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import { escapeMarkdown } from '../foundation/text.js';
import { rankedSettings } from '../tune/best.js';
import { packageVersion as version } from '../learner/manifest.js';
import { runtime } from '../index.js';
import type { Config } from './config.js';
import { choosingMetric, contendersOf, seedsFrom, splitsFrom } from './contenders.js';
import { toJson } from './json.js';
import type { ComparisonConfig, NamedLearner } from './learners.js';
import { refuseFolders, seconds, SILENT } from './output.js';
import type { Console } from './output.js';
import { fingerprint, prepare } from './pipeline.js';
import { ofFirst } from './ranks.js';
import { searchAll, show } from './search.js';
import type { Searched } from './search.js';

/** In the output folder; the states of the searches are in the folder beside. */
const FILES = { json: 'tune.json', table: 'tune.md', plot: 'tune.svg', tuned: 'tuned.json', states: 'tune' } as const;

/** Settings to try of each learner and baseline, where the command line does not say. */
export const DEFAULT_BUDGET = 20;
export const defaultJobs = (): number => Math.max(1, Math.floor(runtime().threads / 2));

export interface TuneRunOptions {
  comparison: ComparisonConfig;
  learners: readonly NamedLearner[];
  output: string;
  budget: number;
  seeds: number;
  splits: number;
  jobs: number;
  fresh: boolean;
  console: Console;
  signal: AbortSignal;
  /** The processes that share the search: the one of rank 0 writes the files. */
  group?: ProcessGroup;
}

export async function runTuning(options: TuneRunOptions): Promise<void> {
  const { comparison, learners, output, budget, jobs, fresh, signal, group } = options;
  const leads = group === undefined || group.rank === 0;
  const console = leads ? options.console : SILENT;
  const began = performance.now();
  const { base, raw } = comparison;
  const prepared = await prepare(base, signal);
  for (const note of [...prepared.dataset.notes, ...prepared.split.notes]) console.note(note);
  const metric = choosingMetric(base, learners, prepared.split.sets['train']);
  const contenders = contendersOf(base, learners, prepared.dataset);
  const at = (name: keyof typeof FILES) => join(output, FILES[name]);
  let lock: Awaited<ReturnType<typeof lockFile>> | undefined;
  // Nobody begins to work where the first process refuses to.
  await ofFirst(group, 'the output folder', async () => {
    await mkdir(output, { recursive: true });
    await refuseFolders([at('json'), at('table'), at('plot'), at('tuned')]);
    lock = await lockFile(at('json'));
    return true;
  });
  try {
    const searched = await searchAll({
      base,
      contenders,
      prepared,
      metric,
      budget,
      seeds: seedsFrom(comparison.seeds, options.seeds),
      splits: splitsFrom(base, options.splits),
      jobs,
      folder: at('states'),
      fresh,
      console,
      signal,
      ...(group && { group }),
    });
    if (!leads) return;
    const table = tableOf(searched, metric, budget);
    const { rows, users, items } = fingerprint(prepared.dataset);
    const results = searched.map(({ contender, space, found, trials, better }) => ({
      name: contender.name,
      kind: contender.baseline === undefined ? 'learner' : 'baseline',
      space,
      found: found ?? null,
      better,
      trials,
    }));
    const head = { version: version(), isa: runtime().isa, node: process.version, data: { rows, users, items } };
    await write(at('json'), `${JSON.stringify({ ...head, metric, budget, results }, undefined, 1)}\n`);
    await write(at('table'), table);
    await write(at('plot'), plotOf(searched, metric));
    await write(at('tuned'), toJson(tunedConfig(raw, base, searched, output)));
    console.result(table);
    console.note(
      `table, plot, all trials, and the configuration with what was found: ${output} (${seconds(began).toFixed(1)} s)`,
    );
    console.json({ event: 'result', output, metric, results: results.map(({ trials: _, ...rest }) => rest) });
  } finally {
    await lock?.release();
  }
}

/** What was found of everyone, the best first, and then the settings that were trained to the end. */
export function tableOf(searched: readonly Searched[], metric: string, budget: number): string {
  const line = (cells: readonly string[]) => `| ${cells.map((text) => escapeMarkdown(text)).join(' | ')} |`;
  const number = (value: number | null | undefined) => (value == null ? '–' : value.toFixed(4));
  const rows = searched
    .flatMap(({ contender, trials, found, better }) => {
      if (found === undefined) return [];
      const ranked = rankedSettings(trials, better);
      const failed = trials.filter((trial) => trial.failed !== undefined).length;
      const time = trials.reduce((sum, trial) => sum + trial.seconds, 0);
      const cells = [
        contender.name,
        number(ranked.find(({ index }) => index === 0)?.value),
        number(found.value),
        number(found.deviation),
        String(new Set(trials.map(({ index }) => index)).size),
        String(failed),
        time.toFixed(0),
        show(found.setting),
      ];
      return [{ value: found.value, better, cells }];
    })
    .sort((a, b) => (a.better === 'lower' ? a.value - b.value : b.value - a.value));
  const none = searched.filter(({ found }) => found === undefined).map(({ contender }) => contender.name);
  const header = ['method', 'as configured', 'found', 'deviation', 'settings', 'failed runs', 'seconds', 'setting'];
  return [
    line(header),
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |',
    ...rows.map(({ cells }) => line(cells)),
    '',
    `Validation ${metric}, ${budget} settings each, the one as configured among them, by random search with successive halving. “Found” is the best of them on the validation tasks, and so better than it will be on others; no test task was measured. “Deviation” is over seeds and splits.`,
    ...(none.length === 0 ? [] : ['', `Nothing to search: ${none.join(', ')}.`]),
    '',
  ].join('\n');
}

/** The best value of the first round after so many settings, a line each. */
function plotOf(searched: readonly Searched[], metric: string): string {
  const series = searched
    .filter(({ found }) => found !== undefined)
    .map(({ contender, trials, better }) => {
      const first = trials.filter(({ rung }) => rung === 0).sort((a, b) => a.index - b.index);
      let best: number | null = null;
      const y = first.map(({ value }) => {
        if (value !== null && (best === null || (better === 'lower' ? value < best : value > best))) best = value;
        return best;
      });
      return { name: contender.name, x: first.map(({ index }) => index + 1), y };
    });
  const title = `Best validation ${metric} of the first round`;
  return standalone(drawLines({ title, x: 'settings tried', y: metric, series, spacing: 'linear' }));
}

/** The configuration as it was written, with what was found: learners whole, so that nothing of the rest changes them. */
function tunedConfig(raw: object, base: Config, searched: readonly Searched[], output: string): object {
  const rest = without(raw, ['$schema', 'learners', 'rows', 'tune', 'output']);
  const tuned = searched.filter(({ contender }) => contender.baseline === undefined);
  const baselineOptions = Object.assign(
    {},
    ...searched.map(({ config }) => config.evaluation.baselineOptions),
  ) as object;
  return {
    ...rest,
    data: { ...(rest['data'] as object), baseDirectory: relative(output, base.data.baseDirectory!) || '.' },
    training: without(rest['training'] ?? {}, ['supportSize']),
    learners: tuned.map(({ contender: { name }, config: { model, algorithm, optimizer, rows, training } }) => ({
      name,
      model,
      algorithm,
      ...(optimizer && { optimizer }),
      ...(rows && { rows }),
      training: without(training, ['validation', 'refit']),
    })),
    evaluation: {
      ...(rest['evaluation'] as object),
      ...(Object.keys(baselineOptions).length > 0 && { baselineOptions }),
    },
  };
}

const without = (object: object, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
const write = (path: string, text: string) => writeDurable(path, [Buffer.from(text)]);
