/** Ours: the native call as training makes it (`native`), or `metaGradient` of the public API (`api`). */
import { defineModel, metaGradient, packTasks } from '../../lib/index.js';
import type { InnerLoop, Parameters, TaskExample } from '../../lib/index.js';
import type { Problem } from '../matrix.js';
import { readProblem } from '../problem.js';
import type { Arrays } from '../problem.js';
import { fingerprint, runTrial } from '../protocol.js';

await runTrial(async ({ problem, data, steps, order, learningRate, threads, variant }) => {
  const [kind, precision = 'float32'] = variant.split(':') as ['native' | 'api', ('float32' | 'float64')?];
  const arrays = readProblem(data, problem);
  const model = defineModel(
    {
      inputs: [{ name: 'x', kind: 'dense', size: problem.inputs }],
      body: { kind: 'mlp', hidden: problem.hidden },
      head: { loss: 'mse' },
    },
    { precision, threads },
  );
  const parameters: Parameters = {};
  model.tensors.forEach(({ name, shape }, t) => (parameters[name] = { shape: [...shape], data: arrays.parameters[t] }));
  const batch = packTasks(model, tasksOf(problem, arrays));
  const innerLoop: InnerLoop = { steps, learningRate, adapt: 'all', order };
  const check = async () => {
    const { loss, gradient } = await metaGradient(model, parameters, batch, innerLoop);
    return fingerprint(
      loss,
      model.tensors.map(({ name }) => gradient[name].data),
    );
  };
  if (kind === 'api') return { check, call: () => metaGradient(model, parameters, batch, innerLoop) };

  const store = model.store(parameters);
  const fast = new Uint8Array(model.tensors.length).fill(1);
  const inner = {
    steps,
    order,
    solver: 'gradient',
    fast,
    shrinkage: 0,
    rateKind: 'scalar',
    rate: learningRate,
  } as const;
  return {
    check,
    call: () => model.ops.metaGradient({ store, batch: batch.native, inner, threads, direction: 'metaGradient' }),
  };
});

function tasksOf(
  { tasks, support, query, inputs }: Problem,
  { supportX, supportY, queryX, queryY }: Arrays,
): TaskExample[] {
  const rows = (x: Float32Array, y: Float32Array, count: number, task: number) => ({
    inputs: {
      x: Array.from({ length: count }, (_, r) =>
        x.subarray((task * count + r) * inputs, (task * count + r + 1) * inputs),
      ),
    },
    labels: y.subarray(task * count, (task + 1) * count),
  });
  return Array.from({ length: tasks }, (_, t) => ({
    support: rows(supportX, supportY, support, t),
    query: rows(queryX, queryY, query, t),
  }));
}
