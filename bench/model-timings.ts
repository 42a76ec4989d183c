/** The meta-gradients of models.ts, beside those of another build or of an earlier result file (`--against`). */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MODEL_CASES } from './models.js';
import type { ModelCase } from './models.js';
import { TOLERANCE } from './matrix.js';
import type { Contender } from './matrix.js';
import { findRunnable } from './peers.js';
import type { Runnable } from './peers.js';
import { difference } from './protocol.js';
import type { Check, Timing, TrialRequest } from './protocol.js';
import { median } from './statistics.js';
import type { ModelsRequest, ModelsResult } from './trials/models.js';
import { runProcess } from './trials.js';

/** Of one thread: a call after the other. Medians over the rounds. */
export interface ModelRow {
  case: string;
  tasksPerCpuSecond: number;
  /** By the fastest call of all rounds. */
  tasksPerSecond: number;
  /** Of what this is compared with: the same, from the same processes or from its file. */
  against?: { tasksPerCpuSecond: number; tasksPerSecond: number };
  /** How many times as fast this is, by processor time, of each round. */
  ratios: number[];
  /** The same by the fastest calls, which other processes on the machine disturb least. */
  ratio?: number;
  /** A peer in its best form, and how many times as fast this is: by processor time, and by the fastest calls of one thread. */
  peer?: { version: string; tasksPerCpuSecond: number; tasksPerSecond: number; byCpu: number; byFastest: number };
}

/** What computes the same cases, by the trial's file. */
const PEER: Contender = {
  name: 'torch-models',
  runtime: 'python',
  trial: 'torch_models',
  needs: ['torch'],
  threads: [],
};
/** Threads of PyTorch and of its matrix products. */
const PEER_THREADS = [
  [1, 1],
  [2, 2],
  [2, 1],
] as const;

export type Against = { root: string } | { rows: ModelRow[]; name: string };

/** @param path a built checkout, or a result file of this benchmark @throws {Error} where it is neither */
export function readAgainst(path: string): Against {
  const full = resolve(path);
  if (!existsSync(full)) throw new Error(`--against: there is no ${path}`);
  if (statSync(full).isDirectory()) {
    if (!existsSync(join(full, 'dist', 'lib', 'index.js')) || !existsSync(join(full, 'build', 'Release')))
      throw new Error(`--against: ${path} is no checkout that is built (npm run build, npm run setup)`);
    return { root: full };
  }
  const { measured } = JSON.parse(readFileSync(full, 'utf8')) as { measured?: { models?: ModelRow[] } };
  if (measured?.models === undefined) throw new Error(`--against: ${path} holds no measurement "models"`);
  return { rows: measured.models, name: path };
}

interface Context {
  rounds: number;
  seconds: number;
  root: string;
  compiled: string;
  against: Against | undefined;
  /** Ours alone. */
  alone: boolean;
  version: string;
  /** For temporary files. */
  folder: string;
  say: (text: string) => void;
  note: (text: string) => void;
}

/** Prints a line a case as it is done. */
export async function timeModels(context: Context): Promise<ModelRow[]> {
  const { rounds, seconds, root, compiled, against, say, note, folder } = context;
  const roots = against !== undefined && 'root' in against ? [root, against.root] : [root];
  const peer = context.alone ? undefined : findPeer(context);
  const compared = against === undefined ? '' : '; the other’s, and how many times as fast this is (by processor time)';
  say(`meta-gradient, one thread: tasks a second of processor time; and by the fastest call${compared}`);
  const rows: ModelRow[] = [];
  for (const c of MODEL_CASES) {
    const results: ModelsResult[] = [];
    const timings: Timing[][] = [];
    const file = join(folder, `${c.name}.json`);
    for (let round = 0; round < rounds; round++) {
      note(`models ${c.name} ${round + 1}/${rounds}`);
      const request: ModelsRequest = { case: c.name, roots, threads: 1, seconds, file };
      const command = [process.execPath, join(compiled, 'trials', 'models.js')];
      const { lines, failure } = await runProcess(command, request, {});
      if (lines.length < 2) throw new Error(`models ${c.name} failed: ${failure ?? 'printed too little'}`);
      results.push(lines[1] as ModelsResult);
      if (peer === undefined || c.peer !== true) continue;
      const timed = await timePeer(peer, c, file, lines[0] as Check, seconds);
      if (typeof timed === 'string') say(`  ${c.name}: ${peer.version} is not timed: ${timed}`);
      else timings.push(timed);
    }
    const row = withPeer(rowOf(c, results, against), c, timings, peer);
    rows.push(row);
    note('');
    say(renderRow(c, row));
  }
  return rows;
}

function findPeer({ root, compiled, version, say }: Context): Runnable | undefined {
  const found = findRunnable(PEER, { root, compiled }, version);
  if (!('reason' in found)) return found;
  say(`skipped ${PEER.name}: ${found.reason}`);
  return undefined;
}

/** One timing for each of PEER_THREADS, or why there is none. */
async function timePeer(peer: Runnable, c: ModelCase, data: string, want: Check, seconds: number) {
  const timings: Timing[] = [];
  for (const [threads, blasThreads] of PEER_THREADS) {
    const { steps, learningRate } = { steps: 0, learningRate: 0, ...c.algorithm.options };
    const problem = { tasks: c.tasks, support: c.support[1], query: c.query, inputs: 0, hidden: [], seed: 1 };
    const request: TrialRequest = {
      problem,
      data,
      steps,
      order: 2,
      learningRate,
      threads,
      blasThreads,
      variant: '',
      seconds,
    };
    const { lines, failure } = await runProcess(peer.command, request, peer.env);
    if (lines.length < 2) return failure ?? 'printed too little';
    const wrong = difference(lines[0] as Check, want, TOLERANCE);
    if (wrong !== undefined) return wrong;
    timings.push(lines[1] as Timing);
  }
  return timings;
}

/** @param timings by round, then by PEER_THREADS: the best of these counts */
function withPeer(row: ModelRow, { tasks }: ModelCase, timings: Timing[][], peer: Runnable | undefined): ModelRow {
  if (timings.length === 0 || peer === undefined) return row;
  const best = (of: (timing: Timing) => number) =>
    Math.max(...PEER_THREADS.map((_, i) => median(timings.map((round) => of(round[i])))));
  const tasksPerCpuSecond = best(({ calls, cpu }) => (tasks * calls.length) / cpu);
  const tasksPerSecond = Math.max(...timings.map(([single]) => tasks / Math.min(...single.calls)));
  return {
    ...row,
    peer: {
      version: peer.version,
      tasksPerCpuSecond,
      tasksPerSecond,
      byCpu: row.tasksPerCpuSecond / tasksPerCpuSecond,
      byFastest: row.tasksPerSecond / tasksPerSecond,
    },
  };
}

function rowOf({ name, tasks }: ModelCase, results: ModelsResult[], against: Against | undefined): ModelRow {
  const of = (i: number) => ({
    tasksPerCpuSecond: tasks / median(results.map(({ times }) => times[i].cpu)),
    tasksPerSecond: tasks / Math.min(...results.map(({ times }) => times[i].best)),
  });
  const row: ModelRow = { case: name, ...of(0), ratios: [] };
  if (against === undefined) return row;
  if ('root' in against) {
    const other = of(1);
    return {
      ...row,
      against: other,
      ratios: results.map(({ times: [mine, others] }) => others.cpu / mine.cpu),
      ratio: row.tasksPerSecond / other.tasksPerSecond,
    };
  }
  const earlier = against.rows.find((other) => other.case === name);
  if (earlier === undefined) return row;
  const { tasksPerCpuSecond, tasksPerSecond } = earlier;
  return {
    ...row,
    against: { tasksPerCpuSecond, tasksPerSecond },
    ratios: results.map(({ times: [mine] }) => tasks / mine.cpu / tasksPerCpuSecond),
    ratio: row.tasksPerSecond / tasksPerSecond,
  };
}

const count = (x: number) => Math.round(x).toLocaleString('en-US').padStart(9);

function renderRow({ name, what }: ModelCase, row: ModelRow) {
  const { tasksPerCpuSecond, tasksPerSecond, against, ratios, ratio, peer } = row;
  const before =
    against === undefined || ratio === undefined
      ? ''
      : `${count(against.tasksPerSecond)} ${ratio.toFixed(2)}× (${median(ratios).toFixed(2)}×)`;
  const beside =
    peer === undefined ? '' : `; ${peer.byCpu.toFixed(1)}× ${peer.version} (${peer.byFastest.toFixed(1)}× by fastest)`;
  return `  ${name.padEnd(9)}${count(tasksPerCpuSecond)}${count(tasksPerSecond)}${before}  ${what}${beside}`;
}

/** A sentence to quote, where something was compared. */
export function quoteModels(rows: readonly ModelRow[]): string | undefined {
  const ratios = rows.flatMap((row) => (row.ratio === undefined ? [] : [{ ...row, ratio: row.ratio }]));
  if (ratios.length === 0) return undefined;
  const sorted = [...ratios].sort((a, b) => a.ratio - b.ratio);
  const mean = Math.exp(ratios.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / ratios.length);
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  return (
    `By its fastest calls, this build takes the meta-gradient of ${ratios.length} models and learners ${mean.toFixed(2)} times as fast ` +
    `as the other (geometric mean; from ${least.ratio.toFixed(2)}, ${least.case}, to ${most.ratio.toFixed(2)}, ${most.case}).`
  );
}
