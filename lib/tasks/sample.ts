/** Some tasks of many, in memory: what is measured where not all can be. */
import type { TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { SAMPLE_OPTIONS } from './options.js';
import type { SampleOptions } from './option-types.js';
import { checkTasks, isTaskSource, readTasks } from './task-source.js';
import { subsetTasks } from './subset.js';

/**
 * So many tasks drawn at random, as a task set; all of them, in their order, where there are no more. Of tasks in shards the draw
 * is from as many whole shards as a window has, drawn at random too, so that not all of them are read.
 *
 * ```ts
 * const { table } = await evaluate(learner, await sampleTasks(sets.test, { count: 10_000 }));
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, EMPTY_DATA; what reading the source throws
 */
export async function sampleTasks(tasks: TaskSet | TaskSource, options: SampleOptions): Promise<TaskSet> {
  checkTasks(tasks, 'tasks');
  const { count, seed } = resolveOptions(options, 'options', SAMPLE_OPTIONS);
  if (count >= tasks.size && !isTaskSource(tasks)) return tasks;
  const some = sampleNumbers(tasks, count, seed);
  return isTaskSource(tasks) ? readTasks(tasks, some, 'tasks') : subsetTasks(tasks, some);
}

/** The numbers of the tasks that `sampleTasks` draws, in ascending order. @internal */
export function sampleNumbers(tasks: TaskSet | TaskSource, count: number, seed: number): Int32Array {
  const stream = random(seed, 'tasks.sample');
  const among = isTaskSource(tasks) ? shardTasks(tasks, count, stream) : all(tasks.size);
  const drawn = Math.min(count, among.length);
  return stream
    .sample(among, drawn)
    .subarray(among.length - drawn)
    .sort();
}

const all = (length: number) => Int32Array.from({ length }, (_, t) => t);

/** The tasks of shards drawn at random: of a window of them, or of as many as hold the count. */
function shardTasks({ size, shards }: TaskSource, count: number, stream: Random): Int32Array {
  if (shards === undefined) return all(size);
  const { offsets, window } = shards;
  const order = stream.child('shards').shuffle(all(offsets.length - 1));
  const picked: number[] = [];
  for (let s = 0; s < order.length && (s < window || picked.length < count); s++)
    for (let t = offsets[order[s]]; t < offsets[order[s] + 1]; t++) picked.push(t);
  return Int32Array.from(picked).sort();
}
