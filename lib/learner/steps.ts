/** One outer step, and outputs of many tasks: by this process alone, or shared with the others of a group. */
import { runNative } from '../foundation/addon.js';
import type { NativeCall, NativeInnerLoop, NativeOperations, NativeStep } from '../foundation/addon.js';
import type { TaskSet } from '../foundation/contract.js';
import { shareRanges } from '../foundation/process-group.js';
import { packTaskSet, queryCenters } from '../batch/task-batch.js';
import { lossOf } from '../model/losses.js';
import type { Learner } from './learner.js';
import type { StepBatch } from './step-part.js';
import { moderate } from './uncertainty.js';

type StepCall = Parameters<NativeOperations['trainStep']>[0];

/**
 * Tasks per native call when evaluating: enough to fill the threads, few enough to stay small in memory. Processes of a group
 * take whole chunks in turn, since what a call finds cheapest, and with it the last bits, depends on all of its tasks.
 *
 * @internal
 */
export const CHUNK = 256;

/**
 * The gradient and the update, in one call or with the other processes' parts of the gradient in between: to the same bits.
 *
 * @param nameTask what a task of the batch is called
 */
export async function outerStep(
  ops: NativeOperations,
  call: StepCall,
  shared: StepBatch['shared'],
  signal: AbortSignal | undefined,
  nameTask: (task: number) => string,
): Promise<NativeStep> {
  if (shared === undefined) return runNative(signal, (token) => ops.trainStep({ ...call, token }), nameTask);
  const { optimizer, rateOptimizer, ...of } = call;
  const { group, whole, at } = shared;
  const own = await runNative(signal, (token) => ops.gradientPart({ ...of, whole, token }), nameTask);
  const parts = await group.allGather(own.bytes, at);
  return runNative(
    undefined,
    () => ops.applyParts({ gradient: own.gradient, parts, optimizer, rateOptimizer }),
    nameTask,
  );
}

/** @internal As `learner.outputs`. */
export async function outputsOfTasks(
  learner: Learner,
  tasks: TaskSet,
  when: 'before' | 'after',
  signal?: AbortSignal,
  inner?: NativeInnerLoop,
  variances?: Float64Array,
): Promise<Float64Array> {
  const { model, group } = learner;
  const bound = learner.bind(tasks.dataset);
  const rows = learner.rows(tasks.dataset);
  const { mainOutputs } = model;
  const result = new Float64Array(tasks.queryRows.length * mainOutputs);
  const moderated = learner.isModerated && when === 'after' && inner === undefined;
  if (moderated) variances ??= new Float64Array(tasks.queryRows.length);
  const order = Int32Array.from({ length: tasks.size }, (_, t) => t);
  const { rank = 0, size = 1 } = group ?? {};
  for (const [from, to] of chunksOf(rank, size, tasks.size)) {
    const batch = packTaskSet(model, bound, tasks, order, from, to, { rows });
    const call: NativeCall & { before: boolean; after: boolean; variance: boolean } = {
      ...learner.call(batch),
      ...(inner && { inner }),
      before: when === 'before',
      after: when === 'after',
      variance: variances !== undefined,
    };
    const outputs = await runNative(
      signal,
      (token) => model.ops.predict({ ...call, token }),
      (task) => `task ${tasks.keys[from + task]}`,
    );
    const all = (when === 'before' ? outputs.before : outputs.after)!;
    result.set(model.mainOf(all), tasks.queryOffsets[from] * mainOutputs);
    variances?.set(outputs.variance!, tasks.queryOffsets[from]);
  }
  if (group !== undefined) {
    const rowOf = (task: number) => tasks.queryOffsets[task];
    const share = async (numbers: Float64Array, width: number) =>
      shareRanges(
        group,
        numbers,
        (of) => chunksOf(of, group.size, tasks.size).map(([from, to]) => [rowOf(from) * width, rowOf(to) * width]),
        `outputs of ${tasks.size} tasks`,
      );
    await share(result, mainOutputs);
    if (variances !== undefined) await share(variances, 1);
  }
  if (moderated) moderate(result, variances!);
  if (!lossOf(model.spec.head).isCentred) return result;
  const centers = queryCenters(rows, tasks);
  for (let i = 0; i < result.length; i++) result[i] += centers[i];
  return result;
}

/** The tasks of the chunks that are a process' own. */
function chunksOf(rank: number, size: number, tasks: number): [number, number][] {
  const ranges: [number, number][] = [];
  for (let from = rank * CHUNK; from < tasks; from += size * CHUNK) ranges.push([from, Math.min(tasks, from + CHUNK)]);
  return ranges;
}
