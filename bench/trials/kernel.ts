/**
 * Ratios of our own calls: second over first order, one thread over two, and the share of the multiply-add peak. The calls
 * that a ratio compares alternate within one process, so that a busy moment of the machine meets both.
 */
import { addon } from '../../lib/foundation/addon.js';
import type { NativeInnerLoop } from '../../lib/foundation/addon.js';
import { defineModel } from '../../lib/index.js';
import type { Problem } from '../matrix.js';
import { median } from '../statistics.js';
import { alternate, meaninglessBatch } from '../turns.js';
import type { CallTime } from '../turns.js';

export interface KernelRequest {
  problem: Problem;
  seconds: number;
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
  /**
   * Operations a second of one thread's multiply-adds: the median of bursts of about a call's length, in turn with the calls of
   * one thread, so that a busy moment of the machine meets both; and the best of many short ones.
   */
  peakK1: number;
  peakK5: number;
  peakBest: number;
}

const { problem, seconds } = JSON.parse(process.argv[2]) as KernelRequest;
const SCALING_TASKS = 256;

const model = defineModel({
  inputs: [{ name: 'x', kind: 'dense', size: problem.inputs }],
  body: { kind: 'mlp', hidden: problem.hidden },
  head: { loss: 'mse' },
});
const store = model.store(model.initialize(problem.seed));
const small = meaninglessBatch(model, problem);
const large = meaninglessBatch(model, { ...problem, tasks: SCALING_TASKS });

const fast = new Uint8Array(model.tensors.length).fill(1);
const inner = (steps: number, order: 1 | 2): NativeInnerLoop => ({
  steps,
  order,
  solver: 'gradient',
  fast,
  shrinkage: 0,
  rateKind: 'scalar',
  rate: 0.01,
});
const call = (batch: typeof small, steps: number, order: 1 | 2, threads: number) => () =>
  model.ops.metaGradient({ store, batch, inner: inner(steps, order), threads, direction: 'metaGradient' });

/** A call that takes the rate of multiply-adds. */
function rates() {
  const taken: number[] = [];
  return { taken, run: async () => void taken.push(await model.ops.measurePeak(true)) };
}
const [atK1, atK5] = [rates(), rates()];
const bests = [await model.ops.measurePeak()];
const [k1o1, k1o2] = await alternate([call(small, 1, 1, 1), call(small, 1, 2, 1), atK1.run], seconds);
const [k5o1, k5o2] = await alternate([call(small, 5, 1, 1), call(small, 5, 2, 1), atK5.run], seconds);
bests.push(await model.ops.measurePeak());
const [threads1, threads2] = await alternate([call(large, 5, 2, 1), call(large, 5, 2, 2)], 2 * seconds);
bests.push(await model.ops.measurePeak());

const result: KernelResult = {
  isa: addon().isa,
  k1o1: k1o1,
  k1o2: k1o2,
  k5o1: k5o1,
  k5o2: k5o2,
  threads1: threads1,
  threads2: threads2,
  peakK1: median(atK1.taken),
  peakK5: median(atK5.taken),
  peakBest: Math.max(...bests),
};
console.log(JSON.stringify(result));
