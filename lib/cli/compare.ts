/** `innerloop compare`: many learners and the baselines on the same tasks, each run in a process of its own, one at a time. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeCandidates } from '../evaluation/candidates.js';
import { compareRuns } from '../compare/runs.js';
import type { MethodRun, RunTable } from '../compare/runs.js';
import { renderComparison, renderComparisonMarkdown } from '../compare/comparison-table.js';
import type { TaskSet } from '../foundation/contract.js';
import { lockFile, writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import { runtime } from '../index.js';
import type { Job, Message } from './compare-worker.js';
import type { Config } from './config.js';
import { chanceRun } from './chance.js';
import {
  choosingMetric,
  contendersOf,
  likenessNotes,
  runConfig,
  seedsFrom,
  splitSeedOf,
  splitsFrom,
} from './contenders.js';
import type { Contender } from './contenders.js';
import type { ComparisonConfig, NamedLearner } from './learners.js';
import { UNMEASURED } from './method-runs.js';
import { attempt, openProgress, refuseFolders, seconds } from './output.js';
import type { Console, Progress } from './output.js';
import { divide, fingerprint, measures, openData, reportedSets } from './pipeline.js';
import type { Prepared } from './pipeline.js';
import { protocolNotes, publishedOf } from './protocols.js';
import type { ProtocolName } from './protocols.js';
import { searchAll } from './search.js';
import { packageVersion as version } from '../learner/manifest.js';

/** In the output folder; the results of single runs are in the folder beside. */
const FILES = { json: 'compare.json', table: 'compare.md', runs: 'compare', tuned: 'tune' } as const;
const WORKER = fileURLToPath(new URL('./compare-worker.js', import.meta.url));

export interface CompareRun {
  comparison: ComparisonConfig;
  /** The learners of the configuration that are to run; its baselines stand beside them. */
  learners: readonly NamedLearner[];
  output: string;
  /** Run again what the output folder holds results of. */
  fresh: boolean;
  /** Number of seeds; default those of the configuration. */
  seeds?: number;
  /** Number of splits into training, validation and test; default one. */
  splits?: number;
  /** Settings to try of each learner and baseline on the validation tasks of each split, before it is compared; default none. */
  tune?: number;
  /** What the configuration was changed to. */
  protocol?: ProtocolName;
  /** Processes at a time. */
  jobs: number;
  console: Console;
  signal: AbortSignal;
}

interface Planned extends Job {
  /** Seed of the split, where there are several. */
  split: number | undefined;
  /** Names of the tasks of the reported sets, where splits are several. */
  tasks: Record<string, readonly string[]> | undefined;
  /** Name of its file of results, without folder. */
  file: string;
  /** What its result depends on. */
  key: string;
}

export async function runComparison(options: CompareRun): Promise<void> {
  const { comparison, learners, output, fresh, jobs: most, protocol, console, signal } = options;
  const began = performance.now();
  const { base } = comparison;
  const dataset = await openData(base, signal);
  const splits = splitsFrom(base, options.splits ?? 1);
  const prepared: Prepared[] = [];
  for (const seed of splits) prepared.push(await divide({ ...base, split: { ...base.split, seed } }, { ...dataset }));
  for (const note of [...dataset.notes, ...prepared[0].split.notes]) console.note(note);
  const chosenBy = choosingMetric(base, learners, prepared[0].split.sets['train']);
  await attempt(output, () => mkdir(join(output, FILES.runs), { recursive: true }));
  await refuseFolders([FILES.json, FILES.table].map((name) => join(output, name)));
  const lock = await lockFile(join(output, FILES.json));
  try {
    const contenders = await contendersBySplit(options, prepared, chosenBy);
    const jobs = prepared.flatMap((one, s) =>
      plan(base, seedsFrom(comparison.seeds, options.seeds), contenders[s], one, splits.length > 1, chosenBy),
    );
    const chance: MethodRun[] = [];
    for (const [s, one] of prepared.entries())
      chance.push(placed(await chanceRun(one, signal), splits.length > 1 ? splits[s] : undefined, tasksOf(one)));
    const runs = new Map<Planned, MethodRun>();
    for (const job of jobs) {
      const path = join(output, FILES.runs, job.file);
      if (fresh) await attempt(path, () => rm(path, { force: true }));
      const kept = await readRun(path, job.key);
      if (kept !== undefined) runs.set(job, placed(kept, job.split, job.tasks));
    }
    if (runs.size > 0) console.note(`${runs.size} of ${jobs.length} runs are done; --fresh does them again`);
    const left = jobs.filter((job) => !runs.has(job));
    let ended: unknown;
    const lane = async (): Promise<void> => {
      for (let job = left.shift(); job !== undefined && ended === undefined; job = left.shift()) {
        const run = await runInProcess(
          job,
          `${jobs.length - left.length}/${jobs.length} ${titleOf(job)}`,
          most === 1,
          signal,
        ).catch((error: unknown) => void (ended ??= error));
        if (run === undefined) break;
        console.note(`${titleOf(job)}: ${describe(run, chosenBy)}`);
        console.json({ event: 'run', ...run });
        runs.set(job, placed(run, job.split, job.tasks));
        // Another failure than divergence may be another the next time: out of memory, a full disk.
        if (run.failed === undefined || run.failed.code === 'DIVERGED')
          await write(join(output, FILES.runs, job.file), { key: job.key, run });
        // After the last one the table is saved below.
        if (runs.size < jobs.length)
          saving = saving.then(async () => void (await save(output, prepared[0], jobs, runs, chance, most, protocol)));
        await saving;
      }
    };
    let saving = Promise.resolve();
    await Promise.all(Array.from({ length: most }, lane));
    if (runs.size > 0) {
      const table = await save(output, prepared[0], jobs, runs, chance, most, protocol);
      console.result(renderComparison(table));
      if (runs.size < jobs.length) console.note(`${jobs.length - runs.size} of ${jobs.length} runs are missing`);
      console.note(`table and results: ${output} (${seconds(began).toFixed(1)} s)`);
      console.json({ event: 'result', output, complete: runs.size === jobs.length, ...table });
    }
    if (ended !== undefined) throw ended as Error;
    const broken = [...runs].find(([, { failed }]) => failed !== undefined && failed.code !== 'DIVERGED');
    if (broken !== undefined)
      throw new InnerloopError('INVALID_DATA', broken[1].failed!.message, { field: titleOf(broken[0]) });
  } finally {
    await lock.release();
  }
}

/**
 * Learners and baselines of each split, with what a search on the split's own validation tasks found: a test user of one split may be
 * a validation user of another.
 */
async function contendersBySplit(
  { comparison, learners, output, fresh, tune: budget, jobs, console, signal }: CompareRun,
  prepared: readonly Prepared[],
  metric: string,
): Promise<Contender[][]> {
  const { base, seeds } = comparison;
  const all = contendersOf(base, learners, prepared[0].dataset);
  if (budget === undefined) return prepared.map(() => all);
  const found: Contender[][] = [];
  for (const one of prepared) {
    const seed = splitSeedOf(one.config);
    const folder = join(output, FILES.tuned, ...(prepared.length > 1 ? [`split-${seed}`] : []));
    const rest = { budget, seeds: seeds.slice(0, 1), splits: [seed], jobs, folder, fresh, console, signal };
    const searched = await searchAll({ base, contenders: all, prepared: one, metric, ...rest });
    found.push(searched.map(({ contender, config }) => ({ ...contender, config })));
  }
  return found;
}

/** Seed by seed, so that a machine that slows down does so for all learners; baselines last. */
function plan(
  base: Config,
  seeds: readonly number[],
  contenders: readonly Contender[],
  prepared: Prepared,
  areSeveral: boolean,
  chosenBy: string,
): Planned[] {
  const data = identity(prepared);
  const split = splitSeedOf(prepared.config);
  const tasks = areSeveral ? tasksOf(prepared) : undefined;
  const job = ({ name, file, config, baseline }: Contender, seed: number | undefined): Planned => {
    const own = runConfig(config, base, seed ?? base.seed, split);
    // Results do not depend on the threads, but times do.
    const key = createHash('sha256')
      .update(JSON.stringify([version(), runtime().isa, data, own, baseline, chosenBy]))
      .digest('hex');
    const names = [file, ...(areSeveral ? [`split-${split}`] : []), ...(seed === undefined ? [] : [`seed-${seed}`])];
    const place = { split: areSeveral ? split : undefined, tasks, file: `${names.join('.')}.json`, key };
    return { method: name, config: own, baseline, chosenBy, ...place };
  };
  return [
    ...seeds.flatMap((seed) =>
      contenders.filter(({ baseline }) => baseline === undefined).map((contender) => job(contender, seed)),
    ),
    ...contenders.filter(({ baseline }) => baseline !== undefined).map((contender) => job(contender, undefined)),
  ];
}

const tasksOf = (prepared: Prepared): Record<string, readonly string[]> =>
  Object.fromEntries(reportedSets(prepared).map((name) => [name, prepared.split.sets[name].keys]));

/** A run with the split that it was on, where there are several. */
const placed = (run: MethodRun, split: number | undefined, tasks: MethodRun['tasks']): MethodRun =>
  split === undefined ? run : { ...run, split, tasks };

/** A digest of the data and of the tasks that are reported. */
function identity(prepared: Prepared): string {
  const hash = createHash('sha256').update(JSON.stringify(fingerprint(prepared.dataset)));
  for (const name of [...reportedSets(prepared), ...prepared.validationNames]) {
    const { supportOffsets, supportRows, queryOffsets, queryRows }: TaskSet = prepared.split.sets[name];
    for (const rows of [supportOffsets, supportRows, queryOffsets, queryRows])
      hash.update(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
  }
  return hash.digest('hex');
}

// ---------------------------------------------------------------------------------------------------------- processes

/** @throws {InnerloopError} ABORTED; whatever else goes wrong is a failed run */
function runInProcess(job: Planned, title: string, isAlone: boolean, signal: AbortSignal): Promise<MethodRun> {
  return new Promise((done, fail) => {
    const child = fork(WORKER, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let run: MethodRun | undefined;
    let progress: { phase: string; bar: Progress } | undefined;
    let complaint = '';
    const bar = (phase: string, metric = '') => {
      if (progress?.phase !== phase) {
        progress?.bar.stop();
        progress = { phase, bar: openProgress(phase === 'train' ? title : `${title}, ${phase}`, metric) };
      }
      return progress.bar;
    };
    const abort = () => void child.kill('SIGKILL');
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (complaint = `${complaint}${text}`.slice(-2000)));
    child.on('message', (message: Message) => {
      if (message.event === 'result') run = message.run;
      // A line an epoch of every learner is too much for a log.
      else if (process.stderr.isTTY !== true || !isAlone) return;
      else if (message.event === 'progress') bar(message.phase).step(message.share);
      else bar(message.phase, message.metric).epoch(message.report);
    });
    child.on('error', fail);
    child.on('close', (code, ending) => {
      signal.removeEventListener('abort', abort);
      progress?.bar.stop();
      if (run !== undefined) done(run);
      else if (signal.aborted)
        fail(new InnerloopError('ABORTED', 'the comparison was aborted', { cause: signal.reason }));
      else
        done(
          lost(
            job,
            `the process ended with ${ending ?? `code ${code}`}${complaint === '' ? '' : `: ${complaint.trim().split('\n').at(-1)}`}`,
          ),
        );
    });
    const { method, config, baseline, chosenBy } = job;
    child.send({ method, config, baseline, chosenBy } satisfies Job);
  });
}

/** A run whose process ended without a word: killed for its memory, say. */
function lost({ method, config, baseline }: Job, message: string): MethodRun {
  return {
    method,
    kind: baseline === undefined ? 'learner' : 'baseline',
    seed: baseline === undefined ? config.seed : null,
    ...UNMEASURED,
    failed: { code: 'FAILED', message },
  };
}

// ------------------------------------------------------------------------------------------------------------- results

async function save(
  output: string,
  prepared: Prepared,
  jobs: readonly Planned[],
  runs: ReadonlyMap<Planned, MethodRun>,
  chance: readonly MethodRun[],
  atATime: number,
  protocol: ProtocolName | undefined,
): Promise<RunTable> {
  const inOrder = jobs.flatMap((job) => runs.get(job) ?? []);
  const compared = compareRuns(
    [...inOrder, ...chance],
    prepared.validation === undefined ? undefined : jobs[0].chosenBy,
  );
  const { train: tasks } = prepared.split.sets;
  const { candidates = 'query' } = measures(prepared.config, tasks);
  const notes = [
    ...(protocol === undefined ? [] : protocolNotes(protocol)),
    ...likenessNotes(jobs),
    ...(candidates === 'query' ? [] : [describeCandidates(candidates, tasks)]),
    ...(atATime === 1 ? [] : [`Up to ${atATime} runs at a time: times are longer than those of a run alone.`]),
  ];
  const table = { ...compared, notes };
  const { rows, users, items } = fingerprint(prepared.dataset);
  await write(join(output, FILES.json), {
    version: version(),
    isa: runtime().isa,
    node: process.version,
    data: { rows, users, items },
    missing: jobs.filter((job) => !runs.has(job)).map(titleOf),
    ...(protocol !== undefined && { published: publishedOf(protocol) }),
    ...table,
  });
  await writeText(join(output, FILES.table), renderComparisonMarkdown(table));
  return table;
}

/** A result of exactly this run; anything else is done anew. */
async function readRun(path: string, key: string): Promise<MethodRun | undefined> {
  try {
    const kept = JSON.parse(await readFile(path, 'utf8')) as { key: string; run: MethodRun };
    return kept.key === key ? kept.run : undefined;
  } catch {
    return undefined;
  }
}

const titleOf = ({ method, config, baseline, split }: Planned) =>
  [
    method,
    ...(split === undefined ? [] : [`split ${split}`]),
    ...(baseline === undefined ? [`seed ${config.seed}`] : []),
  ].join(', ');

function describe({ failed, validation, trainSeconds, epoch }: MethodRun, metric: string): string {
  if (failed !== undefined) return `failed: ${failed.code} ${failed.message}`;
  const value = validation[metric];
  return [
    `${trainSeconds.toFixed(1)} s`,
    ...(epoch === null ? [] : [`epoch ${epoch}`]),
    ...(value === undefined ? [] : [`validation ${metric} ${value.toFixed(4)}`]),
  ].join('  ');
}

const write = (path: string, value: object) => writeText(path, `${JSON.stringify(value, undefined, 1)}\n`);
const writeText = (path: string, text: string) => writeDurable(path, [Buffer.from(text)]);
