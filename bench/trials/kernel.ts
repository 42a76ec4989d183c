/**
 * Ratios of our own calls: second over first order, one thread over two, and the share of the multiply-add peak. The calls
 * that a ratio compares alternate within one process, so that a busy moment of the machine meets both.
 */
import { META_GRADIENT, addon } from '../../lib/addon.js';
import type { NativeInnerLoop } from '../../lib/addon.js';
import { defineModel } from '../../lib/index.js';
import type { Problem } from '../matrix.js';
import { median } from '../statistics.js';

export interface KernelRequest {
  problem: Problem;
  seconds: number;
}
/** Wall and processor seconds of a call: medians over the calls. */
export interface CallTime {
  wall: number;
  cpu: number;
  /** The fastest call. */
  best: number;
}
export interface KernelResult {
  isa: string;
  /** One thread, by steps and order. */
  k1o1: CallTime;
  k1o2: CallTime;
  k5o1: CallTime;
  k5o2: CallTime;
  /** 256 tasks, second order, K = 5, by threads. */
  threads1: CallTime;
  threads2: CallTime;
  /** Operations a second of one thread's multiply-adds; the median and the best over the measurement. */
  peak: number;
  peakBest: number;
}

const { problem, seconds } = JSON.parse(process.argv[2]!) as KernelRequest;
const SCALING_TASKS = 256;
const WARM_UP = 3;

const model = defineModel({ inputs: [{ name: 'x', kind: 'dense', size: problem.inputs }], body: { kind: 'mlp', hidden: problem.hidden }, head: { loss: 'mse' } });
const store = model.store(model.initialize(problem.seed));
const small = batchOf(problem.tasks);
const large = batchOf(SCALING_TASKS);

/** Rows of numbers without meaning: what is timed does not depend on their values. */
function batchOf(tasks: number) {
  const { support, query, inputs } = problem;
  const rows = tasks * (support + query);
  const dense = Float32Array.from({ length: rows * inputs }, (_, i) => Math.sin(i));
  const labels = Float32Array.from({ length: rows }, (_, i) => Math.cos(i));
  const begin = Int32Array.from({ length: 2 * tasks + 1 }, (_, i) => (i >> 1) * (support + query) + (i & 1) * support);
  const frame = model.ops.createFrame(model.native, { sides: [rows], columns: [{ side: 0, dense }] });
  return model.ops.createBatch(model.native, frame, { begin, sides: [Int32Array.from({ length: rows }, (_, r) => r)], labels });
}

const fast = new Uint8Array(model.tensors.length).fill(1);
const inner = (steps: number, order: 1 | 2): NativeInnerLoop => ({ steps, order, solver: 0, fast, shrinkage: 0, rateKind: 0, rate: 0.01 });
const call = (batch: typeof small, steps: number, order: 1 | 2, threads: number) => () =>
  model.ops.metaGradient({ store, batch, inner: inner(steps, order), threads, direction: META_GRADIENT });

/** Times the calls in turn. */
async function alternate(calls: (() => Promise<unknown>)[], limit: number): Promise<CallTime[]> {
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
      wall[i]!.push(took);
      cpu[i]!.push((user + system) / 1e6);
    }
  }
  return wall.map((w, i) => ({ wall: median(w), cpu: median(cpu[i]!), best: Math.min(...w) }));
}

const peaks: number[] = [];
const peak = async () => void peaks.push(await model.ops.measurePeak());
await peak();
const [k1o1, k1o2] = await alternate([call(small, 1, 1, 1), call(small, 1, 2, 1)], seconds);
await peak();
const [k5o1, k5o2] = await alternate([call(small, 5, 1, 1), call(small, 5, 2, 1)], seconds);
await peak();
const [threads1, threads2] = await alternate([call(large, 5, 2, 1), call(large, 5, 2, 2)], 2 * seconds);
await peak();

const result: KernelResult = {
  isa: addon().isa,
  k1o1: k1o1!,
  k1o2: k1o2!,
  k5o1: k5o1!,
  k5o2: k5o2!,
  threads1: threads1!,
  threads2: threads2!,
  peak: median(peaks),
  peakBest: Math.max(...peaks),
};
console.log(JSON.stringify(result));
