import type { NativeInnerLoop } from '../foundation/addon.js';
import type { TaskSet } from '../foundation/contract.js';
import type { Learner } from '../learner/learner.js';
import type { Model } from '../model/model.js';

/** How a learner adapts to the tasks of a scenario: by its algorithm, with the inner options that are given here. */
export interface Adaptation {
  when: 'before' | 'after';
  /** Number of inner steps instead of the algorithm's; further steps use the learned rates of the last one. */
  steps?: number;
  /** Shrinkage of the inner loss instead of the algorithm's. */
  shrinkage?: number;
}

/** The outputs of `learner.outputs`, with another inner loop if `adaptation` asks for one. */
export async function adaptedOutputs(
  learner: Learner,
  tasks: TaskSet,
  adaptation: Adaptation,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { when, steps, shrinkage } = adaptation;
  if (steps === undefined && shrinkage === undefined) return learner.outputs(tasks, when, signal);
  const inner = withSteps(
    learner.model,
    { ...learner.innerLoop(), ...(shrinkage !== undefined && { shrinkage }) },
    steps,
  );
  return learner.outputs(tasks, when, signal, inner);
}

/** Whether the learner's algorithm adapts by a number of inner steps. */
export const takesSteps = ({ algorithm }: Learner) => algorithm.solver === 'gradient';

function withSteps(model: Model, inner: NativeInnerLoop, steps: number | undefined): NativeInnerLoop {
  if (steps === undefined || steps === inner.steps) return inner;
  if (!Array.isArray(inner.rates)) return { ...inner, steps };
  const rates = inner.rates.map(
    (rate) => rate && model.floats(steps).map((_, k) => rate[Math.min(k, rate.length - 1)]),
  );
  return { ...inner, steps, rates };
}
