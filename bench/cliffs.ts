/**
 * Time a useful operation over shapes, to find cliffs: `node dist/bench/cliffs.js [file] [seconds a shape]`. The second-order meta-gradient of
 * inputs→64→64→1 on one thread, by support rows, inputs and inner steps; operations are those of the cheaper form of its first
 * layer, so that what is wasted counts as time. Shapes are met twice, once in each direction, and the better one counts,
 * because other processes may share the machine.
 */
import { writeFileSync } from 'node:fs';
import { addon } from '../lib/foundation/addon.js';
import type { NativeInnerLoop } from '../lib/foundation/addon.js';
import { countOperations } from '../lib/bench/operations.js';
import { defineModel } from '../lib/index.js';
import { describeMachine } from './machine.js';
import { workOf } from './operations.js';
import { alternate, meaninglessBatch } from './turns.js';

const SUPPORT = [1, 5, 20, 100, 500];
const INPUTS = [16, 64, 256, 1024, 10_000];
const STEPS = [1, 5, 20];
const HIDDEN = [64, 64];
/** Operations of a call: some milliseconds. */
const CALL = 2e8;
const MOST_TASKS = 256;

interface Shape {
  support: number;
  query: number;
  inputs: number;
  steps: number;
  tasks: number;
  /** Of a task. */
  operations: number;
}

const [file, limit = '0.1'] = process.argv.slice(2);
const seconds = Number(limit);
if (!(seconds > 0)) throw new Error(`seconds a shape: not a positive number: ${limit}`);

const shapes = INPUTS.flatMap((inputs) =>
  SUPPORT.flatMap((support) =>
    STEPS.map((steps): Shape => {
      const query = Math.max(1, support / 2);
      const problem = { support, query: Math.round(query), inputs, hidden: HIDDEN, tasks: 1, seed: 1 };
      const work = workOf(problem, { steps, order: 2 });
      const operations = Math.min(countOperations(work, 'direct'), countOperations(work, 'gram'));
      const tasks = Math.max(1, Math.min(MOST_TASKS, Math.round(CALL / operations)));
      return { support, query: problem.query, inputs, steps, tasks, operations };
    }),
  ),
);

/** Seconds of an operation, by the fastest call. */
async function measure({ support, query, inputs, steps, tasks, operations }: Shape): Promise<number> {
  const model = defineModel({
    inputs: [{ name: 'x', kind: 'dense', size: inputs }],
    body: { kind: 'mlp', hidden: HIDDEN },
    head: { loss: 'mse' },
  });
  const store = model.store(model.initialize(1));
  const batch = meaninglessBatch(model, { tasks, support, query, inputs });
  const fast = new Uint8Array(model.tensors.length).fill(1);
  const inner: NativeInnerLoop = {
    steps,
    order: 2,
    solver: 'gradient',
    fast,
    shrinkage: 0,
    rateKind: 'scalar',
    rate: 0.001,
  };
  const call = () => model.ops.metaGradient({ store, batch, inner, threads: 1, direction: 'metaGradient' });
  const [time] = await alternate([call], seconds);
  return time.best / (tasks * operations);
}

const times: number[] = shapes.map(() => Infinity);
for (const order of [shapes.map((_, i) => i), shapes.map((_, i) => i).reverse()])
  for (const i of order) times[i] = Math.min(times[i], await measure(shapes[i]));

const best = Math.min(...times);
const machine = describeMachine(addon());
console.log(`${machine.cpu}, ${addon().isa}, load ${machine.load}`);
console.log(`time an operation, in units of the best of all shapes (${(1e-9 / best).toFixed(0)} GFLOP/s)\n`);
for (const inputs of INPUTS) {
  console.log(`${inputs}→${HIDDEN.join('→')}→1`.padEnd(22) + SUPPORT.map((s) => `S = ${s}`.padStart(9)).join(''));
  for (const steps of STEPS) {
    const cells = SUPPORT.map((support) => {
      const i = shapes.findIndex((s) => s.support === support && s.inputs === inputs && s.steps === steps);
      return (times[i] / best).toFixed(2).padStart(9);
    });
    console.log(`  K = ${steps}`.padEnd(22) + cells.join(''));
  }
}
if (file !== undefined) {
  const rows = shapes.map((shape, i) => ({ ...shape, secondsAnOperation: times[i], overBest: times[i] / best }));
  writeFileSync(file, `${JSON.stringify({ machine, isa: addon().isa, hidden: HIDDEN, rows }, undefined, 2)}\n`);
}
