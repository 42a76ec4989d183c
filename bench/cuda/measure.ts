/**
 * Tasks a second of whole outer steps on the GPU: 256→64→64→1 relu, mse, 20 support and 10 query rows, second order, float32. Called
 * by run.sh; one JSON line a case.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { packTasks } from '../../lib/batch/batch.js';
import { resolveDevice } from '../../lib/foundation/device.js';
import { runNative } from '../../lib/foundation/addon.js';
import { random } from '../../lib/foundation/random.js';
import { resolveInnerLoop } from '../../lib/meta/inner-loop.js';
import { adam, nativeOptimizer } from '../../lib/meta/outer-update.js';
import { defineModel } from '../../lib/model/model.js';

const STEPS = [1, 5];
const TASKS = [32, 1024, 8192];
const SECONDS = 4;

interface Row {
  name: string;
  steps: number;
  tasks: number;
  tasksPerSecond: number;
}

/** Seconds of single calls, after some that warm up and make the graph. */
async function measure(steps: number, tasks: number, once: boolean): Promise<Row> {
  const model = defineModel(
    {
      inputs: [{ name: 'x', kind: 'dense', size: 256 }],
      body: { kind: 'mlp', hidden: [64, 64], activation: 'relu' },
      head: { loss: 'mse' },
    },
    { device: 'cuda' },
  );
  const stream = random(1, 'bench.cuda');
  const rows = (n: number) => ({
    inputs: { x: Array.from({ length: n }, () => Float32Array.from({ length: 256 }, () => stream.normal())) },
    labels: Float32Array.from({ length: n }, () => stream.normal()),
  });
  const batch = packTasks(
    model,
    Array.from({ length: tasks }, () => ({ support: rows(20), query: rows(10) })),
  );
  const store = model.store(model.initialize(1));
  const inner = model.ops.createInnerLoop(
    model.native,
    resolveInnerLoop(model, { steps, learningRate: 0.01, adapt: 'all', order: 2 }),
  );
  const call = {
    ...({ store, batch: batch.native, inner, threads: 1, direction: 'metaGradient' } as const),
    optimizer: nativeOptimizer(adam({ learningRate: 1e-4 }), model),
  };
  const step = () => runNative(undefined, (token) => model.ops.trainStep({ ...call, token }));
  for (let i = 0; i < (once ? 1 : 5); i++) await step();
  let calls = 0;
  const started = performance.now();
  while (!once && performance.now() - started < SECONDS * 1000) {
    await step();
    calls++;
  }
  const seconds = (performance.now() - started) / 1000;
  return { name: 'innerloop, with its Adam step', steps, tasks, tasksPerSecond: (calls * tasks) / seconds };
}

/** The rows of files as a table, and all of it as the result. */
function table(out: string, files: string[]): void {
  const rows = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Row),
  );
  const device = resolveDevice('cuda', 'device').info;
  writeFileSync(out, `${JSON.stringify({ date: new Date().toISOString(), device, rows }, undefined, 2)}\n`);
  const cases = STEPS.flatMap((steps) => TASKS.map((tasks) => ({ steps, tasks })));
  console.log(`| tasks a second, order 2 | ${cases.map(({ steps, tasks }) => `K = ${steps}, ${tasks}`).join(' | ')} |`);
  console.log(`| --- | ${cases.map(() => '---:').join(' | ')} |`);
  for (const name of new Set(rows.map((row) => row.name))) {
    const of = cases.map((each) =>
      rows.find((row) => row.name === name && row.steps === each.steps && row.tasks === each.tasks),
    );
    console.log(
      `| ${name} | ${of.map((row) => (row === undefined ? '–' : Math.round(row.tasksPerSecond))).join(' | ')} |`,
    );
  }
}

const [mode, out, ...files] = process.argv.slice(2);
if (mode === '--probe') console.log(JSON.stringify(resolveDevice('cuda', 'device').info));
else if (mode === '--table') table(out, files);
else if (mode === '--once') await measure(2, 64, true);
else
  for (const steps of STEPS) for (const tasks of TASKS) console.log(JSON.stringify(await measure(steps, tasks, false)));
