/**
 * What the Gram form of the first adapted layer saves: the second-order meta-gradient in both forms, one thread, alternating
 * within one process after their results were compared.
 */
import { chosenForm, countOperations } from '../../lib/bench/operations.js';
import type { Form } from '../../lib/bench/operations.js';
import { defineModel } from '../../lib/index.js';
import type { Problem } from '../matrix.js';
import { workOf } from '../operations.js';
import { alternate, meaninglessBatch } from '../turns.js';

export interface FormsRequest {
  problem: Problem;
  supports: number[];
  steps: number[];
  seconds: number;
}
export interface FormsResult {
  rows: FormsRow[];
}
export interface FormsRow {
  support: number;
  steps: number;
  /** Seconds a task, by form. */
  direct: number;
  gram: number;
  /** Multiply-adds of matrix products in the direct form over those in the Gram form. */
  operations: number;
  /** What the core chooses. */
  chosen: Form;
  /** Largest difference of an entry of the gradient between the forms, relative to its tensor's norm. */
  difference: number;
}

const { problem, supports, steps, seconds } = JSON.parse(process.argv[2]) as FormsRequest;
const model = defineModel({
  inputs: [{ name: 'x', kind: 'dense', size: problem.inputs }],
  body: { kind: 'mlp', hidden: problem.hidden },
  head: { loss: 'mse' },
});
const store = model.store(model.initialize(problem.seed));
const fast = new Uint8Array(model.tensors.length).fill(1);

const rows: FormsRow[] = [];
for (const support of supports) {
  const batch = meaninglessBatch(model, { ...problem, support });
  for (const K of steps) {
    const call = (form: Form) => () =>
      model.ops.metaGradient({
        store,
        batch,
        inner: { steps: K, order: 2, solver: 'gradient', fast, shrinkage: 0, rateKind: 'scalar', rate: 0.01, form },
        threads: 1,
        direction: 'metaGradient',
      });
    const [one, other] = [await call('direct')(), await call('gram')()];
    let difference = 0;
    for (const [t, g] of one.gradient.entries()) {
      const norm = Math.hypot(...g);
      for (let i = 0; i < g.length; i++)
        difference = Math.max(difference, Math.abs(g[i] - other.gradient[t][i]) / norm);
    }
    const [direct, gram] = await alternate([call('direct'), call('gram')], seconds);
    const work = workOf({ ...problem, support }, { steps: K, order: 2 });
    rows.push({
      support,
      steps: K,
      direct: direct.wall / problem.tasks,
      gram: gram.wall / problem.tasks,
      operations: countOperations(work, 'direct') / countOperations(work, 'gram'),
      chosen: chosenForm(work),
      difference,
    });
  }
}
console.log(JSON.stringify({ rows } satisfies FormsResult));
