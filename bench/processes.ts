/**
 * One training on one, two and more processes: what each spends and what it receives, beside the cost model of docs/guide/scaling.md.
 *
 *     node dist/bench/processes.js [--rows 500e3] [--processes 1,2] [--rounds 3] [--folder DIR] [--out FILE]
 *
 * Interactions are those of `generate-interactions.ts`, in shards; learners are ridge, whose tasks are small work, and exact MAML of five steps, whose tasks are
 * large. Every process uses one thread. Counted are the epochs after the first: processor time of a process, seconds that passed, and
 * the bytes that a process received from the others. Waiting takes processor time too, and much of it where other programs want the
 * processors. So what is shared out, C, and what every process does, F, are told apart without mpirun: two learners that train as two
 * processes would, within one process, spend C + 2 F where one spends C + F.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  createLearner,
  defineModel,
  describeInputs,
  joinProcesses,
  maml,
  openShards,
  ridge,
  train,
  writeShards,
} from '../lib/index.js';
import type { Algorithm, ProcessGroup } from '../lib/index.js';
import { addon } from '../lib/foundation/addon.js';
import { InnerloopError } from '../lib/foundation/errors.js';
import { generateInteractions } from './generate-interactions.js';
import { describeMachine } from './machine.js';
import { median } from './statistics.js';

const METABATCH = 256;
const EPOCHS = 3;
const LEARNERS: Record<string, () => Algorithm> = {
  ridge: () => ridge(),
  maml: () => maml({ steps: 5 }),
};
const DIM = 16;
const HIDDEN = 64;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '500e3' },
    processes: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string' },
    out: { type: 'string' },
    step: { type: 'string' },
    learner: { type: 'string' },
    shards: { type: 'string' },
    result: { type: 'string' },
  },
});

/** Of an epoch after the first. */
interface Epoch {
  /** Processor seconds of this process. */
  cpu: number;
  seconds: number;
  /** Bytes that came from other processes, a step. */
  received: number;
}

interface Trained extends Epoch {
  steps: number;
  tasks: number;
  /** What the model of the page says that a process receives at most, a step. */
  most: number;
}

/** Trains as the member of a group that this process is, or alone. */
async function trained(group: ProcessGroup | undefined): Promise<Trained> {
  const { tables, sets } = await openShards(values.shards!);
  const tasks = sets['train'];
  const model = defineModel(
    {
      inputs: describeInputs(tables, [{ name: 'item', dim: DIM }], tasks.statistics),
      body: { kind: 'mlp', hidden: [HIDDEN] },
      head: { loss: 'mse' },
    },
    { threads: 1 },
  );
  let received = 0;
  const counting: ProcessGroup | undefined = group && {
    ...group,
    async allGather(bytes, at) {
      const all = await group.allGather(bytes, at);
      all.forEach((each, rank) => (received += rank === group.rank ? 0 : each.length));
      return all;
    },
  };
  const learner = createLearner({ model, algorithm: LEARNERS[values.learner!](), seed: 1 });
  const ends: { cpu: number; at: number; received: number }[] = [];
  const options = { epochs: EPOCHS, metaBatch: METABATCH, ...(counting && { group: counting }) };
  for await (const { epoch } of train(learner, tasks, options)) {
    const { user, system } = process.cpuUsage();
    ends[epoch - 1] = { cpu: (user + system) / 1e6, at: performance.now() / 1000, received };
  }
  const steps = Math.ceil(tasks.size / METABATCH);
  const [first, last] = [ends[0], ends.at(-1)!];
  return {
    cpu: (last.cpu - first.cpu) / (EPOCHS - 1),
    seconds: (last.at - first.at) / (EPOCHS - 1),
    received: (last.received - first.received) / (EPOCHS - 1) / steps,
    steps,
    tasks: tasks.size,
    most: group === undefined ? 0 : mostBytes(learner.model, tasks.statistics.rows / tasks.size),
  };
}

/** Two members of a group within one process: what one asks for waits for the other, as between processes. */
function pairOfMembers(): ProcessGroup[] {
  let waiting: { bytes: Uint8Array; go: (all: Uint8Array[]) => void } | undefined;
  return [0, 1].map((rank) => ({
    rank,
    size: 2,
    allGather: (bytes) =>
      new Promise((go) => {
        if (waiting === undefined) {
          waiting = { bytes, go };
          return;
        }
        const other = waiting;
        waiting = undefined;
        const all = rank === 1 ? [other.bytes, bytes] : [bytes, other.bytes];
        other.go(all);
        go(all);
      }),
  }));
}

/** What a process of this program does; that of rank 0 writes what it measured. */
const STEPS: Record<string, () => Promise<void>> = {
  alone: async () => writeResult(await trained(undefined)),
  pair: async () => writeResult((await Promise.all(pairOfMembers().map(trained)))[0]),
  joined: async () => {
    const joined = await joinProcesses();
    const result = await trained(joined);
    if (joined.rank === 0) writeResult(result);
    await joined.leave();
  },
};
const writeResult = (result: Trained) => writeFileSync(values.result!, JSON.stringify(result));

/** The bound of the page: sums of dense parameters, rows of tables with their numbers, losses, and the interactions of a step. */
function mostBytes(
  { tensors, precision }: { tensors: readonly { shape: readonly number[]; embedding: boolean }[]; precision: string },
  rows: number,
): number {
  const bytes = precision === 'float32' ? 4 : 8;
  const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const dense = tensors.filter(({ embedding }) => !embedding).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const tables = tensors.filter(({ embedding }) => embedding);
  const width = tables.reduce((sum, { shape }) => sum + shape[1], 0);
  const sums = addon().decisions.chunks(METABATCH, dense * bytes);
  const numbers = 4 * METABATCH * (rows + 1) * tables.length;
  return bytes * (sums * dense + METABATCH * rows * width) + numbers + 8 * METABATCH + 17 * METABATCH * rows;
}

function runStep(step: string, learner: string, shards: string, processes = 1): Trained {
  const result = join(shards, 'result.json');
  const own = ['--step', step, '--learner', learner, '--shards', shards, '--result', result];
  const command = [process.execPath, process.argv[1], ...own];
  // More processes than processors, and as root where the benchmark runs as root.
  const asRoot = process.getuid?.() === 0 ? ['--allow-run-as-root'] : [];
  const launcher = ['mpirun', '-n', String(processes), '--oversubscribe', ...asRoot];
  const [program, ...options] = processes === 1 ? command : [...launcher, ...command];
  execFileSync(program, options, { stdio: 'inherit' });
  return JSON.parse(readFileSync(result, 'utf8')) as Trained;
}

async function bench(): Promise<void> {
  const [rows, rounds] = [Number(values.rows), Number(values.rounds)];
  const counts = values.processes.split(',').map(Number);
  if (![rows, rounds, ...counts].every((n) => Number.isSafeInteger(n) && n > 0) || counts[0] !== 1)
    throw new InnerloopError('INVALID_OPTION', 'not whole numbers above 0, or processes that do not begin with 1', {
      field: '--rows, --rounds, --processes',
    });
  const parent = resolve(values.folder ?? tmpdir());
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'innerloop-processes-'));
  const machine = describeMachine(addon());
  try {
    const [file, shards] = [join(folder, 'rows.parquet'), join(folder, 'shards')];
    await generateInteractions(rows, file, 'parquet');
    const source = { interactions: { from: file, user: 'user', item: 'item', label: 'rating', time: 'time' } };
    const split = { protocol: 'users', tasks: { min: 5, max: 5000, query: { fraction: 0.2 } } } as const;
    await writeShards(source, shards, { split, rows: Math.ceil(rows / 20) });
    const results: object[] = [];
    for (const learner of Object.keys(LEARNERS)) {
      const runs = counts.map((): Trained[] => []);
      const pairs: Trained[] = [];
      for (let round = 0; round < rounds; round++) {
        counts.forEach((n, k) => runs[k].push(runStep(n === 1 ? 'alone' : 'joined', learner, shards, n)));
        pairs.push(runStep('pair', learner, shards));
      }
      const of = (own: Trained[], name: keyof Trained) => median(own.map((run) => run[name]));
      const measured = counts.map((processes, k) => ({
        processes,
        processorSeconds: round3(of(runs[k], 'cpu')),
        seconds: round3(of(runs[k], 'seconds')),
        bytesReceived: Math.round(of(runs[k], 'received')),
        bytesAtMost: Math.round(of(runs[k], 'most')),
      }));
      const { steps, tasks } = runs[0][0];
      const [one, pair] = [measured[0].processorSeconds, of(pairs, 'cpu')];
      const every = pair - one;
      const model = {
        pair: round3(pair),
        shared: round3(one - every),
        every: round3(every),
        share: round3(1 - every / one),
      };
      results.push({ learner, tasks, steps, metaBatch: METABATCH, measured, model });
      for (const run of measured)
        console.log(
          `${learner}, ${run.processes} process(es): an epoch of ${tasks} tasks takes each ${run.processorSeconds} s of processor time, ${run.seconds} s pass; ${run.bytesReceived} bytes a step received, ${run.bytesAtMost} at most by the model`,
        );
      console.log(`${learner}: ${(100 * model.share).toFixed(0)} % of the processor time is shared out`);
    }
    if (values.out === undefined) return;
    const command = `node dist/bench/processes.js --rows ${values.rows} --processes ${values.processes} --rounds ${values.rounds}`;
    const load = loadavg().map((each) => Number(each.toFixed(1)));
    writeFileSync(values.out, `${JSON.stringify({ command, machine, load, rows, results }, undefined, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const round3 = (x: number) => Number(x.toFixed(3));

await (values.step === undefined ? bench() : STEPS[values.step]());
