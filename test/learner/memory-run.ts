/**
 * One training run, in a process of its own, started with --expose-gc by memory-estimate.test.ts, which preloads
 * allocations.c and names its file of counts in ALLOCATIONS. The argument is a `Run` as JSON; what was estimated and
 * what was taken at most is printed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { estimateTraining } from '../../lib/learner/memory-estimate.js';
import {
  buildTasks,
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  openShards,
  ridge,
  train,
} from '../../lib/index.js';
import type { TaskSet } from '../../lib/index.js';
import type { Name } from '../fixtures/family.js';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';

/** Sizes at which different parts of a run are the largest. */
export const SHAPES = {
  /** Activations of long tasks in a model of two layers. */
  deep: { users: 16, rows: 600, items: 2000, dim: 16, hidden: [256, 128] },
  /** A last layer of 4,096 weights, rows far fewer. */
  wide: { users: 16, rows: 60, items: 2000, dim: 8, hidden: [4096] },
  /** Tables: state, its copies, gradients of rows. */
  tables: { users: 200, rows: 300, items: 40_000, dim: 96, hidden: [16] },
  /** Many small tasks in a step. */
  small: { users: 4000, rows: 30, items: 3000, dim: 32, hidden: [32] },
} as const;
export type Shape = keyof typeof SHAPES;
export interface Run {
  algorithm: Name;
  shape: Shape;
  threads: number;
  metaBatch: number;
}

export interface ShardRun {
  shards: string;
  metaBatch: number;
  collect: boolean;
}

/** Bytes allocated now, and the most there have been; see allocations.c. */
function counts(): { live: number; most: number } {
  const bytes = readFileSync(process.env['ALLOCATIONS']!);
  return { live: Number(bytes.readBigInt64LE(0)), most: Number(bytes.readBigInt64LE(8)) };
}
function forgetMost(): void {
  const bytes = readFileSync(process.env['ALLOCATIONS']!);
  bytes.writeBigInt64LE(0n, 8);
  writeFileSync(process.env['ALLOCATIONS']!, bytes, { flag: 'r+' });
}

/**
 * The same of ridge on shards. `resident`: the most that the process held, and what was said that it would. With
 * `collect` garbage is collected all the time: how much of it piles up differs from run to run and is no part of the
 * estimate's `total`, but of its `peak`.
 */
export async function measureShards({ shards, metaBatch, collect }: ShardRun) {
  const { tables, sets } = await openShards(shards);
  const inputs = describeInputs(tables, [{ name: 'item', dim: 64 }], sets['train'].statistics);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [16] }, head: { loss: 'mse' } }, { threads: 2 });
  const learner = createLearner({ model, algorithm: ridge(), seed: 1 });
  globalThis.gc!();
  const estimate = estimateTraining(learner, sets['train'], { metaBatch, snapshots: 0 });
  const before = counts().live;
  forgetMost();
  const timer = collect ? setInterval(() => globalThis.gc!(), 2) : undefined;
  for await (const report of train(learner, sets['train'], { epochs: 2, metaBatch })) void report;
  clearInterval(timer);
  const resident = { most: process.resourceUsage().maxRSS * 1024, said: estimate.peak };
  return { estimate, taken: counts().most - before, resident };
}

export async function measure({ algorithm, shape, threads, metaBatch }: Run) {
  const { users, rows, items, dim, hidden } = SHAPES[shape];
  const made = (ALGORITHMS[algorithm] as () => ReturnType<typeof ALGORITHMS.maml>)();
  const isBinary = made.solver === 'laplace';
  const all = Array.from({ length: users * rows }, (_, i) => i);
  const dataset = datasetFromColumns({
    user: all.map((i) => i % users),
    item: all.map((i) => (Math.floor(i / users) * 977 + (i % users) * 31) % items),
    label: all.map((i) => (isBinary ? ((i * 7) % 5) % 2 : 1 + ((i * 7) % 5))),
    duplicates: 'last',
  });
  const tasks: TaskSet = buildTasks(dataset, { query: Math.floor(rows / 4) });
  const model = defineModel(
    {
      inputs: describeInputs(dataset, [{ name: 'item', dim }], tasks.queryRows),
      body: { kind: 'mlp', hidden: [...hidden] },
      head: { loss: isBinary ? 'bce' : 'mse' },
    },
    { threads },
  );
  const learner = createLearner({ model, algorithm: made, seed: 1 });
  const estimate = estimateTraining(learner, tasks, { metaBatch, snapshots: 1 });
  globalThis.gc!();
  const before = counts().live;
  forgetMost();
  const reports = train(learner, tasks, {
    epochs: 2,
    metaBatch,
    validation: tasks,
    keep: 'best',
    metric: isBinary ? 'logloss' : 'mae',
  });
  for await (const report of reports) void report;
  return { estimate, taken: counts().most - before };
}

if (process.argv[2] !== undefined) {
  const run = JSON.parse(process.argv[2]) as Run | ShardRun;
  console.log(JSON.stringify(await ('shards' in run ? measureShards(run) : measure(run))));
}
