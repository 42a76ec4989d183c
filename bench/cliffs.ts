/**
 * Time a useful operation over shapes, to find cliffs: `node dist/bench/cliffs.js [file] [seconds a shape]`. The second-order meta-gradient of
 * inputs→64→64→1 on one thread, by support rows, inputs and inner steps, and of one task of 100,000 rows on one thread and on several.
 * Operations are those of the cheaper form of the first layer, so that what is wasted counts as time. Shapes are met twice, once in each
 * direction, and the better one counts, because other processes may share the machine; processor time is disturbed least by them.
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
/** One task that is divided among threads. */
const LARGE = { support: 100_000, query: 10_000, inputs: [16, 64], steps: [1, 5] };
/** Above this many times the time of the best shape, a shape is named. */
const WORTH_NAMING = 1.5;

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

function shapeOf(support: number, query: number, inputs: number, steps: number): Shape {
  const work = workOf({ support, query, inputs, hidden: HIDDEN, tasks: 1, seed: 1 }, { steps, order: 2 });
  const operations = Math.min(countOperations(work, 'direct'), countOperations(work, 'gram'));
  return {
    support,
    query,
    inputs,
    steps,
    tasks: Math.max(1, Math.min(MOST_TASKS, Math.round(CALL / operations))),
    operations,
  };
}

/** Seconds of an operation: by the fastest call, and by the median processor time. */
interface Cost {
  wall: number;
  cpu: number;
}
const NONE: Cost = { wall: Infinity, cpu: Infinity };
const better = (a: Cost, b: Cost): Cost => ({ wall: Math.min(a.wall, b.wall), cpu: Math.min(a.cpu, b.cpu) });

/** By each number of threads, calls in turns. */
async function measure(
  { support, query, inputs, steps, tasks, operations }: Shape,
  threads: number[],
): Promise<Cost[]> {
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
  const calls = threads.map(
    (count) => () => model.ops.metaGradient({ store, batch, inner, threads: count, direction: 'metaGradient' }),
  );
  const times = await alternate(calls, seconds);
  return times.map(({ best, cpu }) => ({
    wall: best / (tasks * operations),
    cpu: cpu / (tasks * operations),
  }));
}

const shapes = INPUTS.flatMap((inputs) =>
  SUPPORT.flatMap((support) =>
    STEPS.map((steps) => shapeOf(support, Math.round(Math.max(1, support / 2)), inputs, steps)),
  ),
);
const costs: Cost[] = shapes.map(() => NONE);
for (const order of [shapes.map((_, i) => i), shapes.map((_, i) => i).reverse()])
  for (const i of order) costs[i] = better(costs[i], (await measure(shapes[i], [1]))[0]);

const best = costs.reduce(better);
const over = (cost: Cost) => ({ overBest: cost.wall / best.wall, cpuOverBest: cost.cpu / best.cpu });
const machine = describeMachine(addon());
console.log(`${machine.cpu}, ${addon().isa}, load ${machine.load}`);
console.log(
  `processor time an operation, in units of the best of all shapes (${(1e-9 / best.cpu).toFixed(0)} GFLOP/s); one thread\n`,
);
for (const inputs of INPUTS) {
  console.log(`${inputs}→${HIDDEN.join('→')}→1`.padEnd(22) + SUPPORT.map((s) => `S = ${s}`.padStart(9)).join(''));
  for (const steps of STEPS) {
    const cells = SUPPORT.map((support) => {
      const i = shapes.findIndex((s) => s.support === support && s.inputs === inputs && s.steps === steps);
      return over(costs[i]).cpuOverBest.toFixed(2).padStart(9);
    });
    console.log(`  K = ${steps}`.padEnd(22) + cells.join(''));
  }
}
const slow = shapes.filter((_, i) => over(costs[i]).cpuOverBest > WORTH_NAMING);
console.log(
  `\n${shapes.length - slow.length} of ${shapes.length} shapes are within ${WORTH_NAMING} of the best; of the others ` +
    `${slow.filter(({ support }) => support <= 5).length} have at most five support rows, ` +
    `${slow.filter(({ support, inputs }) => support > 5 && inputs === INPUTS[INPUTS.length - 1]).length} more have the most inputs.`,
);

const threads = [...new Set([1, 2, 4, 8, machine.threads])].filter((count) => count <= machine.threads);
console.log(
  `\none task of ${LARGE.support.toLocaleString('en-US')} support rows: the same by threads, and how many times as fast as by one`,
);
const large = [];
for (const inputs of LARGE.inputs)
  for (const steps of LARGE.steps) {
    const shape = shapeOf(LARGE.support, LARGE.query, inputs, steps);
    const measured = await measure(shape, threads);
    const cells = measured.map(
      (cost, i) =>
        `${threads[i]}: ${over(cost).cpuOverBest.toFixed(2)}` +
        (i === 0 ? '' : ` (${(measured[0].wall / cost.wall).toFixed(2)}×)`),
    );
    console.log(`  ${inputs} inputs, K = ${steps}`.padEnd(22) + cells.join(', '));
    for (const [i, cost] of measured.entries()) large.push({ ...shape, threads: threads[i], ...inFile(cost) });
  }

function inFile(cost: Cost) {
  return { secondsAnOperation: cost.wall, cpuSecondsAnOperation: cost.cpu, ...over(cost) };
}
if (file !== undefined) {
  const rows = shapes.map((shape, i) => ({ ...shape, ...inFile(costs[i]) }));
  writeFileSync(file, `${JSON.stringify({ machine, isa: addon().isa, hidden: HIDDEN, rows, large }, undefined, 2)}\n`);
}
