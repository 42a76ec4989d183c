/** Checks whether implicit MAML reached the minimum of the inner problem, which its derivative assumes. */
import type { TaskSet } from '../foundation/contract.js';
import type { Learner } from '../learner/learner.js';

/** If further steps change predictions by more than this share of adaptation's change, the minimum was not reached. */
const TOLERATED = 0.05;

/** Predictions after twice the inner steps; at the minimum they are those after K steps. @internal */
export const furtherOutputs = (
  learner: Learner,
  tasks: TaskSet,
  signal: AbortSignal | undefined,
): Promise<Float64Array> =>
  learner.outputs(tasks, 'after', signal, { ...learner.innerLoop(), steps: 2 * learner.algorithm.steps });

/** @param share of the change by further steps in that by adaptation @internal */
export function minimumNotes({ algorithm: { name, steps } }: Pick<Learner, 'algorithm'>, share: number): string[] {
  if (!(share > TOLERATED)) return [];
  return [
    `${name}: ${steps} steps miss the inner minimum, at which its derivative is that of the meta-loss: with ${2 * steps} the predictions move on by ${(100 * share).toFixed(0)} % of what adaptation changes. More steps, a larger inner rate, or inner: 'adam'.`,
  ];
}

/**
 * Compares predictions after twice the inner steps with those after K steps; at the minimum they are equal.
 *
 * @param before predictions without adaptation
 * @param after predictions after K steps
 * @returns a note if K steps do not reach the minimum
 * @internal
 */
export async function missedMinimum(
  learner: Learner,
  tasks: TaskSet,
  before: Float64Array,
  after: Float64Array,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { solver, steps } = learner.algorithm;
  if (solver !== 'implicit' || steps === 0) return [];
  const further = await furtherOutputs(learner, tasks, signal);
  const distance = (a: Float64Array, b: Float64Array) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));
  return minimumNotes(learner, distance(further, after) / distance(after, before));
}
