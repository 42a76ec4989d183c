/** Calls of ours timed in turn within one process, so that a busy moment of the machine meets all of them. */
import type { NativeBatch } from '../lib/foundation/addon.js';
import type { Model } from '../lib/index.js';
import type { Problem } from './matrix.js';
import { median } from './statistics.js';

/** Wall and processor seconds of a call: medians over the calls. */
export interface CallTime {
  wall: number;
  cpu: number;
  /** The fastest call. */
  best: number;
}

const WARM_UP = 3;

export async function alternate(calls: (() => Promise<unknown>)[], limit: number): Promise<CallTime[]> {
  const wall: number[][] = calls.map(() => []);
  const cpu: number[][] = calls.map(() => []);
  const end = performance.now() + 1000 * limit;
  for (let round = -WARM_UP; round < 5 || performance.now() < end; round++) {
    for (const [i, run] of calls.entries()) {
      const before = process.cpuUsage();
      const start = performance.now();
      await run();
      const took = (performance.now() - start) / 1000;
      const { user, system } = process.cpuUsage(before);
      if (round < 0) continue;
      wall[i].push(took);
      cpu[i].push((user + system) / 1e6);
    }
  }
  return wall.map((w, i) => ({
    wall: median(w),
    cpu: median(cpu[i]),
    best: Math.min(...w),
  }));
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
