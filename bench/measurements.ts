/** What is measured of ourselves beside the matrix. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '../lib/foundation/addon.js';
import { CASES, FORM_STEPS, FORM_SUPPORTS } from './matrix.js';
import { quoteModels, readAgainst, timeModels } from './model-timings.js';
import type { ModelRow } from './model-timings.js';
import type { Options } from './options.js';
import { operationsOf } from './operations.js';
import type { Folders } from './peers.js';
import { median } from './statistics.js';
import type { FormsResult, FormsRow } from './trials/forms.js';
import type { KernelResult } from './trials/kernel.js';
import type { ServingResult } from './trials/serving.js';
import type { WholeRunResult } from './trials/whole-run.js';
import { runProcess } from './trials.js';

/** Medians over the rounds; a number per round is in `rounds`. */
export interface Measured {
  kernel?: KernelMeasured;
  forms?: FormsRow[];
  models?: ModelRow[];
  serving?: ServingResult & { rounds: ServingResult[] };
  wholeRun?: WholeRunResult;
}
export interface KernelMeasured {
  isa: string;
  secondOverFirstK1: number;
  secondOverFirstK5: number;
  scaling: number;
  /** The same from processor time: what scaling would be if both threads always had a processor. */
  scalingCpu: number;
  /** Operations a second of one thread: the best. */
  peak: number;
  /** And what bursts in turn with the calls reach. */
  sustained: number;
  /** Second order, one thread: operations a second over the peak, of the direct algorithm and of what is executed. */
  shareK1: { direct: number; executed: number };
  shareK5: { direct: number; executed: number };
  rounds: KernelResult[];
}

interface Context {
  options: Options;
  folders: Folders;
  version: string;
  /** For temporary files. */
  folder: string;
  say: (text: string) => void;
  note: (text: string) => void;
}

export async function measureOurselves(context: Context): Promise<Measured> {
  const { options } = context;
  const measured: Measured = {};
  if (options.measurements.has('kernel')) measured.kernel = await kernel(context);
  if (options.measurements.has('forms')) measured.forms = await forms(context);
  if (options.measurements.has('models')) measured.models = await models(context);
  if (options.measurements.has('serving')) measured.serving = await serving(context);
  if (options.measurements.has('ml-1m')) measured.wholeRun = await wholeRun(context);
  context.note('');
  return measured;
}

async function repeat<R>({ options, folders, note }: Context, trial: string, request: unknown): Promise<R[]> {
  const results: R[] = [];
  for (let round = 0; round < options.rounds; round++) {
    note(`${trial} ${round + 1}/${options.rounds}`);
    const { lines, failure } = await runProcess(
      [process.execPath, join(folders.compiled, 'trials', `${trial}.js`)],
      request,
      {},
    );
    if (lines.length === 0) throw new Error(`${trial} failed: ${failure ?? 'printed nothing'}`);
    results.push(lines[0] as R);
  }
  return results;
}

async function kernel(context: Context): Promise<KernelMeasured> {
  const { problem } = CASES[0];
  const rounds = await repeat<KernelResult>(context, 'kernel', { problem, seconds: context.options.seconds });
  const over = (f: (r: KernelResult) => number) => median(rounds.map(f));
  const share = (steps: number, key: 'k1o2' | 'k5o2', peak: 'peakK1' | 'peakK5') => {
    const { direct, executed } = operationsOf(problem, { steps, order: 2 });
    const rate = over((r) => 1 / r[key].wall / r[peak]);
    return { direct: direct * rate, executed: executed * rate };
  };
  return {
    isa: rounds[0].isa,
    secondOverFirstK1: over((r) => r.k1o2.wall / r.k1o1.wall),
    secondOverFirstK5: over((r) => r.k5o2.wall / r.k5o1.wall),
    scaling: over((r) => r.threads1.wall / r.threads2.wall),
    scalingCpu: over((r) => (2 * r.threads1.cpu) / r.threads2.cpu),
    peak: over((r) => r.peakBest),
    sustained: over((r) => (r.peakK1 + r.peakK5) / 2),
    shareK1: share(1, 'k1o2', 'peakK1'),
    shareK5: share(5, 'k5o2', 'peakK5'),
    rounds,
  };
}

/** Medians over the rounds, case by case. */
async function forms(context: Context): Promise<FormsRow[]> {
  const request = {
    problem: CASES[0].problem,
    supports: FORM_SUPPORTS,
    steps: FORM_STEPS,
    seconds: context.options.seconds / 2,
  };
  const rounds = await repeat<FormsResult>(context, 'forms', request);
  return rounds[0].rows.map((first, i) => {
    const over = (key: 'direct' | 'gram') => median(rounds.map(({ rows }) => rows[i][key]));
    return { ...first, direct: over('direct'), gram: over('gram') };
  });
}

async function models({ options, folders, folder, version, say, note }: Context): Promise<ModelRow[]> {
  const { rounds, seconds, alone } = options;
  const against = options.against === undefined ? undefined : readAgainst(options.against);
  const rows = await timeModels({ rounds, seconds, ...folders, folder, version, against, alone, say, note });
  say(`${quoteModels(rows) ?? ''}\n`);
  return rows;
}

async function serving(context: Context): Promise<ServingResult & { rounds: ServingResult[] }> {
  const rounds = await repeat<ServingResult>(context, 'serving', { calls: 2000, threads: addon().hardwareThreads });
  const medians = Object.fromEntries(
    Object.keys(rounds[0]).map((key) => [key, median(rounds.map((r) => r[key as keyof ServingResult]))]),
  );
  return { ...(medians as unknown as ServingResult), rounds };
}

/** MovieLens-1M, second-order MAML over K = 5 steps, 30 epochs, from the command line to the results on disk. */
async function wholeRun({ folders, folder, say, note }: Context): Promise<WholeRunResult | undefined> {
  const data = join(folders.root, '..', 'shared', 'data', 'ml-1m', 'ratings.parquet');
  if (!existsSync(data)) {
    say('skipped ml-1m: no ../shared/data/ml-1m');
    return undefined;
  }
  note('ml-1m');
  const report = join(folder, 'whole-run.json');
  const args = [
    'train',
    '--config',
    join(folders.root, 'bench', 'ml-1m-maml.json'),
    '--output',
    join(folder, 'ml-1m'),
    '--fresh',
    '--json',
  ];
  const { failure } = await runProcess(
    [process.execPath, join(folders.compiled, 'trials', 'whole-run.js')],
    { arguments: args, report },
    {},
    3_600_000,
  );
  const result = existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as WholeRunResult) : undefined;
  if (result === undefined || result.code !== 0) {
    say(`failed ml-1m: ${failure ?? 'no report'}`);
    return undefined;
  }
  return result;
}
