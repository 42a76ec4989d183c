/** Calls of ours timed in turn within one process, so that a busy moment of the machine meets all of them. */
import type { NativeBatch } from '../lib/foundation/addon.js';
import type { Model } from '../lib/index.js';
import type { Problem } from './matrix.js';
import { median } from './statistics.js';

/** Wall and processor seconds of a call: medians over the calls, and over the turns. */
export interface CallTime {
  wall: number;
  cpu: number;
  /** The fastest call. */
  best: number;
}

const WARM_UP = 3;
const LEAST_TURNS = 5;
/** Seconds of a turn at least: the system may count processor time by its ticks, and a shorter turn for the one beside it. */
const TURN = 0.02;

export async function alternate(calls: (() => Promise<unknown>)[], limit: number): Promise<CallTime[]> {
  const wall: number[][] = calls.map(() => []);
  const cpu: number[][] = calls.map(() => []);
  const timed = async (run: () => Promise<unknown>) => {
    const start = performance.now();
    await run();
    return (performance.now() - start) / 1000;
  };
  const counts: number[] = [];
  for (const run of calls) {
    let fastest = Infinity;
    for (let i = 0; i < WARM_UP; i++) fastest = Math.min(fastest, await timed(run));
    counts.push(Math.max(1, Math.ceil(TURN / fastest)));
  }
  const end = performance.now() + 1000 * limit;
  for (let turn = 0; turn < LEAST_TURNS || performance.now() < end; turn++) {
    for (const [i, run] of calls.entries()) {
      const before = process.cpuUsage();
      for (let call = 0; call < counts[i]; call++) wall[i].push(await timed(run));
      const { user, system } = process.cpuUsage(before);
      cpu[i].push((user + system) / 1e6 / counts[i]);
    }
  }
  return wall.map((w, i) => ({ wall: median(w), cpu: median(cpu[i]), best: Math.min(...w) }));
}

/** Rows of numbers without meaning, for a model of one dense input: what is timed does not depend on their values. */
export function meaninglessBatch(
  model: Model,
  { tasks, support, query, inputs }: Pick<Problem, 'tasks' | 'support' | 'query' | 'inputs'>,
): NativeBatch {
  const rows = tasks * (support + query);
  const dense = Float32Array.from({ length: rows * inputs }, (_, i) => Math.sin(i));
  const labels = Float32Array.from({ length: rows }, (_, i) => Math.cos(i));
  const begin = Int32Array.from({ length: 2 * tasks + 1 }, (_, i) => (i >> 1) * (support + query) + (i & 1) * support);
  const frame = model.ops.createFrame(model.native, { sides: [rows], columns: [{ side: 0, dense }] });
  return model.ops.createBatch(model.native, frame, {
    begin,
    sides: [Int32Array.from({ length: rows }, (_, r) => r)],
    labels,
  });
}
