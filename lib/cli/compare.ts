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
import { choosingMetric, contendersOf, runConfig, splitSeedOf } from './contenders.js';
import type { Contender } from './contenders.js';
import type { ComparisonConfig, NamedLearner } from './learners.js';
import { openProgress, refuseFolders, seconds } from './output.js';
import type { Console, Progress } from './output.js';
import { fingerprint, measures, prepare, reportedSets } from './pipeline.js';
import type { Prepared } from './pipeline.js';
import { packageVersion as version } from '../learner/manifest.js';

/** In the output folder; the results of single runs are in the folder beside. */
const FILES = { json: 'compare.json', table: 'compare.md', runs: 'compare' } as const;
const WORKER = fileURLToPath(new URL('./compare-worker.js', import.meta.url));

export interface CompareRun {
  comparison: ComparisonConfig;
  /** Of the learners of the configuration, those to run; the baselines of the configuration stand beside them. */
  learners: readonly NamedLearner[];
  output: string;
  /** Run again what the output folder holds results of. */
  fresh: boolean;
  console: Console;
  signal: AbortSignal;
}

interface Planned extends Job {
  /** Name of its file of results, without folder. */
  file: string;
  /** What its result depends on. */
  key: string;
}

export async function runComparison({
  comparison,
  learners,
  output,
  fresh,
  console,
  signal,
}: CompareRun): Promise<void> {
  const began = performance.now();
  const prepared = await prepare(comparison.base, signal);
  for (const note of [...prepared.dataset.notes, ...prepared.split.notes]) console.note(note);
  const chosenBy = choosingMetric(comparison.base, learners, prepared.split.sets['train']);
  const jobs = plan(comparison, learners, prepared, chosenBy);
  await attempt(output, () => mkdir(join(output, FILES.runs), { recursive: true }));
  await refuseFolders([FILES.json, FILES.table].map((name) => join(output, name)));
  const lock = await lockFile(join(output, FILES.json));
  try {
    const runs = new Map<Planned, MethodRun>();
    for (const job of jobs) {
      const path = join(output, FILES.runs, job.file);
      if (fresh) await attempt(path, () => rm(path, { force: true }));
      const kept = await readRun(path, job.key);
      if (kept !== undefined) runs.set(job, kept);
    }
    if (runs.size > 0) console.note(`${runs.size} of ${jobs.length} runs are done; --fresh does them again`);
    let ended: unknown;
    for (const job of jobs) {
      if (runs.has(job)) continue;
      const run = await runInProcess(job, `${runs.size + 1}/${jobs.length} ${titleOf(job)}`, signal).catch(
        (error: unknown) => void (ended = error),
      );
      if (run === undefined) break;
      console.note(`${titleOf(job)}: ${describe(run, chosenBy)}`);
      console.json({ event: 'run', ...run });
      runs.set(job, run);
      // Another failure than divergence may be another the next time: out of memory, a full disk.
      if (run.failed === undefined || run.failed.code === 'DIVERGED')
        await write(join(output, FILES.runs, job.file), { key: job.key, run });
      await save(output, prepared, jobs, runs);
    }
    if (runs.size > 0) {
      const table = await save(output, prepared, jobs, runs);
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

/** Seed by seed, so that a machine that slows down does so for all learners; baselines last. */
function plan(
  { base, seeds }: ComparisonConfig,
  learners: readonly NamedLearner[],
  prepared: Prepared,
  chosenBy: string,
): Planned[] {
  const data = identity(prepared);
  const job = ({ name, file, config, baseline }: Contender, seed: number | undefined): Planned => {
    const own = runConfig(config, base, seed ?? base.seed, splitSeedOf(base));
    // Results do not depend on the threads, but times do.
    const key = createHash('sha256')
      .update(JSON.stringify([version(), runtime().isa, data, own, baseline, chosenBy]))
      .digest('hex');
    return {
      method: name,
      config: own,
      baseline,
      chosenBy,
      file: `${file}${seed === undefined ? '' : `.seed-${seed}`}.json`,
      key,
    };
  };
  const contenders = contendersOf(base, learners, prepared.dataset);
  return [
    ...seeds.flatMap((seed) =>
      contenders.filter(({ baseline }) => baseline === undefined).map((contender) => job(contender, seed)),
    ),
    ...contenders.filter(({ baseline }) => baseline !== undefined).map((contender) => job(contender, undefined)),
  ];
}

/** Of the data and of the tasks that are reported. */
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
function runInProcess(job: Planned, title: string, signal: AbortSignal): Promise<MethodRun> {
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
      else if (process.stderr.isTTY !== true) return;
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
  const nothing = {
    sets: {},
    validation: {},
    trainSeconds: 0,
    memory: { peak: 0, data: 0 },
    adaptMicroseconds: null,
    parameters: null,
    epoch: null,
  };
  return {
    method,
    kind: baseline === undefined ? 'learner' : 'baseline',
    seed: baseline === undefined ? config.seed : null,
    ...nothing,
    failed: { code: 'FAILED', message },
  };
}

// ------------------------------------------------------------------------------------------------------------- results

async function save(
  output: string,
  prepared: Prepared,
  jobs: readonly Planned[],
  runs: ReadonlyMap<Planned, MethodRun>,
): Promise<RunTable> {
  const inOrder = jobs.flatMap((job) => runs.get(job) ?? []);
  const compared = compareRuns(inOrder, prepared.validation === undefined ? undefined : jobs[0].chosenBy);
  const { train: tasks } = prepared.split.sets;
  const { candidates = 'query' } = measures(prepared.config, tasks);
  const table = { ...compared, notes: candidates === 'query' ? [] : [describeCandidates(candidates, tasks)] };
  const { rows, users, items } = fingerprint(prepared.dataset);
  await write(join(output, FILES.json), {
    version: version(),
    isa: runtime().isa,
    node: process.version,
    data: { rows, users, items },
    missing: jobs.filter((job) => !runs.has(job)).map(titleOf),
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

const titleOf = ({ method, config, baseline }: Job) =>
  baseline === undefined ? `${method}, seed ${config.seed}` : method;

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

/** A refusal of the operating system, as a typed error. */
async function attempt<R>(path: string, action: () => Promise<R>): Promise<R> {
  try {
    return await action();
  } catch (cause) {
    throw new InnerloopError('IO', (cause as Error).message, {
      field: path,
      expected: 'a folder that can be written to',
      cause,
    });
  }
}
