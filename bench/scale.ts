/**
 * Serving at scale, inside a process: `node dist/bench/scale.js [items] [file]`. Prints, and writes to the file, what lists over a long catalogue take, and what it
 * takes to adapt to a thousand users and score for them in one call, beside the evaluation of the same rows.
 *
 * A machine may be shared: elapsed times are the least of several runs, and what is compared is processor time.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  maml,
  ridge,
  splitTasks,
  train,
} from '../lib/index.js';
import type { Algorithm, BodySpec, Dataset, Learner, Support, TaskSet } from '../lib/index.js';
import { addon } from '../lib/foundation/addon.js';
import { random } from '../lib/foundation/random.js';
import { describeMachine } from './machine.js';
import { median } from './statistics.js';

const THREADS = 2;
const SUPPORT = 20;
const QUERY = 10;
const USERS = 1000;
const RUNS = 15;
const ROUNDS = 5;

interface Cost {
  /** Milliseconds from the call to its result: the least of the runs. */
  elapsed: number;
  /** Of processor time of the thread that calls, a run: what all runs took together, since the system counts it in coarse steps. */
  main: number;
  /** The same of timers of the same length: what a thread takes to fall asleep and wake. What is more is the call's. */
  asleep: number;
  /** Of processor time of all threads: the median of the runs. */
  all: number;
}

/** Processor time of this thread in milliseconds, where the system says it; else the time that its event loop was busy. */
function threadTime(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return performance.eventLoopUtilization().active;
  }
}

async function cost(run: () => Promise<unknown>): Promise<Cost> {
  for (let i = 0; i < 5; i++) await run();
  const [elapsed, all]: number[][] = [[], []];
  let [main, asleep] = [0, 0];
  // By turns, so that a busy moment of the machine meets both.
  for (let round = 0; round < ROUNDS; round++) {
    let thread = threadTime();
    const began = performance.now();
    for (let i = 0; i < RUNS; i++) {
      const [before, start] = [process.cpuUsage(), performance.now()];
      await run();
      elapsed.push(performance.now() - start);
      const { user, system } = process.cpuUsage(before);
      all.push((user + system) / 1000);
    }
    main += threadTime() - thread;
    const each = (performance.now() - began) / RUNS;
    thread = threadTime();
    for (let i = 0; i < RUNS; i++) await new Promise((go) => setTimeout(go, each));
    asleep += threadTime() - thread;
  }
  const runs = RUNS * ROUNDS;
  return { elapsed: Math.min(...elapsed), main: main / runs, asleep: asleep / runs, all: median(all) };
}

const machine = describeMachine(addon());
const costs: ({ what: string } & Cost)[] = [];

function print(what: string, cost: Cost): void {
  costs.push({ what, ...cost });
  const { elapsed, main, asleep, all } = cost;
  const numbers = [elapsed, main, asleep, all].map((ms) => ms.toFixed(3).padStart(9));
  console.log(`${what.padEnd(58)}${numbers.join('')}`);
}

/** Every item at least once, and users who rate as many as a task takes. */
function made(items: number): Dataset {
  const users = Math.max(2 * USERS, Math.ceil(items / (SUPPORT + QUERY)));
  const rows = users * (SUPPORT + QUERY);
  const stream = random(1, 'bench.scale');
  // A permutation that spreads each user's items over the catalogue.
  const step = 7919;
  return datasetFromColumns({
    user: Int32Array.from({ length: rows }, (_, r) => Math.floor(r / (SUPPORT + QUERY))),
    item: Int32Array.from({ length: rows }, (_, r) => (r * step) % items),
    label: Float32Array.from({ length: rows }, () => 1 + stream.below(5)),
  });
}

async function learnerOn(dataset: Dataset, algorithm: Algorithm, body: BodySpec) {
  const { sets, trainRows } = splitTasks(dataset, {
    protocol: 'users',
    test: USERS / (dataset.users.rows - 1),
    seed: 1,
    tasks: { min: SUPPORT + QUERY, query: QUERY },
  });
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 16 }], trainRows);
  const model = defineModel({ inputs, body, head: { loss: 'mse' } }, { threads: THREADS });
  const learner = createLearner({ model, algorithm, seed: 1 });
  // One outer step is enough for a catalogue and a state; what is measured does not depend on what was learned.
  for await (const epoch of train(learner, sets['train'], { epochs: 1, metaBatch: sets['train'].size })) void epoch;
  return { learner, test: sets['test'] };
}

/** The users of a task set as a service sees them: ids and labels. */
function asRequests({ dataset, size, supportOffsets, supportRows, queryOffsets, queryRows }: TaskSet) {
  const ids = (rows: Int32Array) => Array.from(rows, (row) => dataset.items.keys.values[dataset.item[row]]);
  const supports: Support[] = [];
  const asked: string[][] = [];
  for (let t = 0; t < size; t++) {
    const rows = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
    supports.push({ items: ids(rows), labels: Array.from(rows, (row) => dataset.label[row]) });
    asked.push(ids(queryRows.subarray(queryOffsets[t], queryOffsets[t + 1])));
  }
  return { supports, asked };
}

async function many(name: string, learner: Learner, test: TaskSet): Promise<void> {
  const { supports, asked } = asRequests(test);
  const path = await cost(() => learner.outputs(test, 'after'));
  const call = await cost(() => learner.predictMany(supports, asked));
  print(`${name}: evaluation path, ${test.size} users`, path);
  print(`${name}: predictMany of the same rows by id`, call);
  const ratio = (part: keyof Cost) => (call[part] / path[part]).toFixed(2);
  console.log(`${name}: ratio ${ratio('elapsed')} elapsed, ${ratio('all')} of processor time`);
}

const items = Number(process.argv[2] ?? 1_000_000);
console.log(
  `${'milliseconds'.padEnd(58)}${['elapsed', 'main', 'asleep', 'all'].map((head) => head.padStart(9)).join('')}`,
);
const linear: BodySpec = { kind: 'mlp', hidden: [], activation: 'identity' };
const deep: BodySpec = { kind: 'mlp', hidden: [64, 64], activation: 'relu' };
const data = made(items);
const { learner, test } = await learnerOn(data, ridge(), linear);
const [support] = asRequests(test).supports;
const me = await learner.adapt(support);
const ids = data.items.keys.values;
const some = Array.from({ length: 1000 }, (_, i) => ids[1 + Math.floor(((ids.length - 1) * i) / 1000)]);
print(`recommend 10 of ${items} items`, await cost(() => me.recommend({ count: 10, minSupport: 0 })));
let turn = 0;
// Copies, as a request brings them, made before: what is timed is the call.
const fresh = Array.from({ length: 5 + RUNS * ROUNDS }, (_, request) => {
  const list = Array.from({ length: 1000 }, (__, i) => ids[1 + ((i * 30_907 + request * 403_027) % (ids.length - 1))]);
  return JSON.parse(JSON.stringify(list)) as string[];
});
print(
  `recommend 10 among 1,000 other ids each time`,
  await cost(() => me.recommend({ count: 10, among: fresh[turn++ % fresh.length] })),
);
print(`recommend 10 among the same 1,000 ids`, await cost(() => me.recommend({ count: 10, among: some })));
print(`10 items like one of ${items}`, await cost(() => learner.similarItems(ids[1 + (turn++ % (ids.length - 1))])));
print(`adapt to ${SUPPORT} interactions`, await cost(() => learner.adapt(support)));
await many('ridge', learner, test);
const small = made(50_000);
const steps = maml({ steps: 5, learningRate: 0.01, adapt: ['mlp.*'] });
const adapted = await learnerOn(small, steps, deep);
await many('maml, 5 steps, 64-64', adapted.learner, adapted.test);
if (process.argv[3] !== undefined) {
  const rounded = costs.map(({ what, ...times }) => ({
    what,
    ...Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, Number(ms.toFixed(4))])),
  }));
  writeFileSync(process.argv[3], `${JSON.stringify({ machine, milliseconds: rounded }, undefined, 2)}\n`);
}
