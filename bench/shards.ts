/**
 * Data beyond memory: generated interactions become shards and are trained on, each in a process of its own whose memory is measured.
 *
 *     node dist/bench/shards.js [--rows 100e6] [--compare 10e6] [--threads 2] [--folder DIR] [--out FILE]
 *
 * `--rows` of them are sharded and meta-trained for an epoch; then `--compare` of them are trained on both from shards and in memory, in
 * turns, by processor time a task of the epochs after the first: what a training in memory finds out of its rows before is not counted. Interactions are those of `generate-interactions.ts`; the learner is ridge on item embeddings.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  createLearner,
  defineModel,
  describeInputs,
  estimateTraining,
  openDataset,
  openShards,
  ridge,
  splitTasks,
  train,
  writeShards,
} from '../lib/index.js';
import type { BodySpec, DataSource, Dataset, TaskSet, TaskSource, TaskStatistics, UserSplit } from '../lib/index.js';
import { addon } from '../lib/foundation/addon.js';
import { InnerloopError } from '../lib/foundation/errors.js';
import { generateInteractions } from './generate-interactions.js';
import { describeMachine } from './machine.js';
import { median } from './statistics.js';

const ROUNDS = 3;
/** The most that the whole is to take, and the least share of the throughput in memory. */
const LIMITS = { gibibytes: 4, throughput: 0.9 };

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100e6' },
    compare: { type: 'string', default: '10e6' },
    threads: { type: 'string', default: '2' },
    folder: { type: 'string' },
    out: { type: 'string' },
    step: { type: 'string' },
    epochs: { type: 'string' },
    file: { type: 'string' },
    shards: { type: 'string' },
    result: { type: 'string' },
  },
});
const threads = Number(values.threads);

const split: UserSplit = {
  protocol: 'users',
  test: 0.02,
  seed: 1,
  tasks: { min: 5, max: 5000, query: { fraction: 0.2 } },
};
const sourceOf = (file: string): DataSource => ({
  interactions: { from: file, user: 'user', item: 'item', label: 'rating', time: 'time' },
});

interface Cost {
  /** Processor seconds of all threads, and seconds that passed. */
  cpu: number;
  seconds: number;
  /** The most memory that the process held until then, of all it did. */
  gibibytes: number;
}
interface Trained extends Cost {
  tasks: number;
  rows: number;
  loss: number;
  /** Processor seconds of an epoch after the first, where there are more. */
  epoch: number | undefined;
  /** What `estimateTraining` promised for training, and the part of it that is for reading. */
  promised: { gibibytes: number; reading: number };
}

async function measured<T extends object>(run: () => Promise<T>): Promise<T & Cost> {
  const [before, began] = [cpuSeconds(), performance.now()];
  const result = await run();
  const seconds = (performance.now() - began) / 1000;
  return { ...result, cpu: cpuSeconds() - before, seconds, gibibytes: process.resourceUsage().maxRSS / 2 ** 20 };
}

function learnerOn(tables: Dataset, rows: Int32Array | TaskStatistics) {
  const inputs = describeInputs(tables, [{ name: 'item', dim: 16 }], rows);
  const body: BodySpec = { kind: 'mlp', hidden: [], activation: 'identity' };
  const model = defineModel({ inputs, body, head: { loss: 'mse' } }, { threads });
  return createLearner({ model, algorithm: ridge(), seed: 1 });
}

const METABATCH = 256;
const EPOCHS = { whole: 1, compared: 3 };

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function trained(
  tables: Dataset,
  tasks: TaskSet | TaskSource,
  rows: Int32Array | TaskStatistics,
): Promise<Trained> {
  const learner = learnerOn(tables, rows);
  const { total, reading } = estimateTraining(learner, tasks, { metaBatch: METABATCH });
  const epochs = Number(values.epochs);
  let loss = NaN;
  const ends: number[] = [];
  const run = await measured(async () => {
    for await (const report of train(learner, tasks, { epochs, metaBatch: METABATCH })) {
      loss = report.loss;
      ends.push(cpuSeconds());
    }
    return {};
  });
  const epoch = epochs === 1 ? undefined : (ends.at(-1)! - ends[0]) / (epochs - 1);
  const size = 'keys' in tasks ? tasks.supportRows.length + tasks.queryRows.length : tasks.statistics!.rows;
  const promised = { gibibytes: total / 2 ** 30, reading: reading / 2 ** 30 };
  return { ...run, tasks: tasks.size, rows: size, loss, epoch, promised };
}

/** What a process of this program does. */
const STEPS: Record<string, () => Promise<object>> = {
  shard: () =>
    measured(() =>
      writeShards(sourceOf(values.file!), values.shards!, { split, threads, memory: 2 ** 30, overwrite: true }),
    ),
  train: async () => {
    const { tables, sets } = await openShards(values.shards!);
    return trained(tables, sets['train'], sets['train'].statistics);
  },
  memory: async () => {
    const dataset = await openDataset(sourceOf(values.file!), { threads });
    const { sets, trainRows } = splitTasks(dataset, split);
    return trained(dataset, sets.train, trainRows);
  },
};

function inProcess<T>(step: string, file: string, shards: string, epochs = EPOCHS.whole): T {
  const result = join(shards, `${step}.json`);
  const options = [
    '--step',
    step,
    '--file',
    file,
    '--shards',
    shards,
    '--result',
    result,
    '--threads',
    String(threads),
    '--epochs',
    String(epochs),
  ];
  execFileSync(process.execPath, [process.argv[1], ...options], { stdio: 'inherit' });
  return JSON.parse(readFileSync(result, 'utf8')) as T;
}

async function bench(): Promise<void> {
  const [rows, compare] = [Number(values.rows), Number(values.compare)];
  if (![rows, compare, threads].every((n) => Number.isSafeInteger(n) && n > 0))
    throw new InnerloopError('INVALID_OPTION', 'not whole numbers above 0', { field: '--rows, --compare, --threads' });
  const parent = resolve(values.folder ?? tmpdir());
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'innerloop-shards-'));
  try {
    const { file, shards } = await prepared(rows, folder);
    const written = inProcess<Cost & { notes: string[] }>('shard', file, shards);
    console.log(`${rows} rows, ${mebibytes(file)} MiB of Parquet, to shards: ${line(written)}`);
    const large = inProcess<Trained>('train', file, shards);
    console.log(`trained on ${large.tasks} tasks, ${large.rows} rows: ${line(large)}`);
    rmSync(file);
    rmSync(shards, { recursive: true });

    const small = await prepared(compare, folder);
    inProcess('shard', small.file, small.shards);
    const runs: Record<'train' | 'memory', Trained[]> = { train: [], memory: [] };
    for (let round = 0; round < ROUNDS; round++)
      // The order turns, so that what the machine does meanwhile falls on both.
      for (const step of round % 2 === 0 ? (['train', 'memory'] as const) : (['memory', 'train'] as const)) {
        runs[step].push(inProcess<Trained>(step, small.file, small.shards, EPOCHS.compared));
        console.log(`${compare} rows ${step === 'train' ? 'from shards' : 'in memory'}: ${line(runs[step].at(-1)!)}`);
      }
    const [shardsTask, memoryTask] = [runs.train, runs.memory].map((all) =>
      median(all.map(({ epoch, tasks }) => (1e6 * epoch!) / tasks)),
    );
    const throughput = memoryTask / shardsTask;
    const most = Math.max(written.gibibytes, large.gibibytes);
    console.log(
      `${shardsTask.toFixed(1)} µs of processor time a task from shards, ${memoryTask.toFixed(1)} in memory: ${(100 * throughput).toFixed(1)} % of its throughput; ${most.toFixed(2)} GiB at the peak`,
    );
    if (most > LIMITS.gibibytes || throughput < LIMITS.throughput) process.exitCode = 1;
    if (values.out === undefined) return;
    const result = {
      command: `node dist/bench/shards.js --rows ${values.rows} --compare ${values.compare} --threads ${threads}`,
      machine: describeMachine(addon()),
      load: loadavg().map((load) => Number(load.toFixed(1))),
      rows,
      sharded: numbers(written),
      trained: numbers(large),
      compared: {
        rows: compare,
        microseconds: { shards: Number(shardsTask.toFixed(1)), memory: Number(memoryTask.toFixed(1)) },
        throughput: Number(throughput.toFixed(3)),
        gibibytes: {
          shards: Number(Math.max(...runs.train.map(({ gibibytes }) => gibibytes)).toFixed(2)),
          memory: Number(Math.max(...runs.memory.map(({ gibibytes }) => gibibytes)).toFixed(2)),
        },
      },
      gibibytes: Number(most.toFixed(2)),
    };
    writeFileSync(values.out, `${JSON.stringify(result, undefined, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function prepared(rows: number, folder: string): Promise<{ file: string; shards: string }> {
  const [file, shards] = [join(folder, `${rows}.parquet`), join(folder, `${rows}`)];
  mkdirSync(shards);
  await generateInteractions(rows, file, 'parquet');
  return { file, shards };
}

const mebibytes = (file: string) => (statSync(file).size / 2 ** 20).toFixed(0);
const line = ({ cpu, seconds, gibibytes }: Cost) =>
  `${cpu.toFixed(1)} CPU s in ${seconds.toFixed(1)} s, ${gibibytes.toFixed(2)} GiB at the peak`;

/** Numbers of a result to three places, with what they are named. */
function numbers(of: object): object {
  return JSON.parse(
    JSON.stringify(of, (_, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(3)) : value)),
  ) as object;
}

if (values.step !== undefined) writeFileSync(values.result!, JSON.stringify(await STEPS[values.step]()));
else await bench();
