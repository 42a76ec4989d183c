/** The noise of `ridge` at the end of training, from some of its tasks. */
import { checkNotAborted } from '../foundation/abort.js';
import type { TaskSet } from '../foundation/contract.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import type { Learner } from '../learner/learner.js';
import { CHUNK } from '../learner/steps.js';
import { NoiseSum } from '../learner/uncertainty.js';
import { sampleNumbers, sampleTasks } from '../tasks/sample.js';
import { isTaskSource, readTasks } from '../tasks/task-source.js';

/** Tasks that it is estimated from, at most: more of them change its second digit no more. */
const NOISE_TASKS = 16_384;

/** Sets the learner's noise. Tasks that are not in memory are read a chunk for each process at a time. */
export async function closingNoise(
  learner: Learner,
  tasks: TaskSet | TaskSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { seed } = learner;
  if (!isTaskSource(tasks)) {
    await learner.estimateNoise(await sampleTasks(tasks, { count: NOISE_TASKS, seed }), signal);
    return;
  }
  const sampled = sampleNumbers(tasks, NOISE_TASKS, seed);
  // Outputs are computed by chunks: in whole ones they have the bits of one call.
  const together = CHUNK * (learner.group?.size ?? 1);
  const noise = new NoiseSum();
  for (let from = 0; from < sampled.length; from += together) {
    checkNotAborted(signal, 'estimating the noise was aborted', 'train');
    const some = await readTasks(tasks, sampled.subarray(from, from + together), 'tasks');
    const variance = new Float64Array(some.queryRows.length);
    noise.add(some, await learner.outputs(some, 'after', signal, undefined, variance), variance);
  }
  learner.noiseVariance = noise.mean;
}
