/**
 * The meta-gradient of one case of models.ts, through builds of ours that lie in the given folders: in turns within one process,
 * so that a busy moment of the machine meets all of them. Each must give what float64 gives before it is timed.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Library from '../../lib/index.js';
import { MODEL_CASES, tasksOf } from '../models.js';
import { difference, fingerprint } from '../protocol.js';
import { alternate } from '../turns.js';
import type { CallTime } from '../turns.js';

export interface ModelsRequest {
  /** Name of the case. */
  case: string;
  /** Checkouts that are built, ours first. */
  roots: string[];
  threads: number;
  seconds: number;
  /** Where the case is written for peers. */
  file?: string;
}
export interface ModelsResult {
  tasks: number;
  /** One result for each root: of a call over all tasks. */
  times: CallTime[];
}

/** Relative difference from float64 that single precision may have. */
const TOLERANCE = 1e-3;

/** What builds of before commit 118d6cd call it. */
const EARLIER = 0 as unknown as Direction;
type Direction = 'metaGradient';

const { case: name, roots, threads, seconds, file } = JSON.parse(process.argv[2]) as ModelsRequest;
const found = MODEL_CASES.find((c) => c.name === name);
if (found === undefined) throw new Error(`no case ${name}`);
const wanted = found;
const examples = tasksOf(wanted);

async function prepare(root: string, precision: 'float32' | 'float64') {
  const library = (await import(pathToFileURL(join(root, 'dist', 'lib', 'index.js')).href)) as typeof Library;
  const factory = library[wanted.algorithm.name as 'maml'] as (options?: object) => Library.Algorithm;
  const learner = library.createLearner({
    model: library.defineModel(wanted.model, { precision, threads }),
    algorithm: factory(wanted.algorithm.options),
    seed: 1,
  });
  const { ops } = learner.model;
  const batches = (wanted.oneByOne === true ? examples.map((task) => [task]) : [examples]).map(
    (tasks) => library.packTasks(learner.model, tasks).native,
  );
  const gradient = (batch: (typeof batches)[number]) => ({ ...learner.call(batch), direction });
  let direction: Direction = 'metaGradient';
  try {
    await ops.metaGradient(gradient(batches[0]));
  } catch {
    direction = EARLIER;
  }
  return {
    call: async () => {
      // Gradients of tables as the rows that the batch reads, which is what training makes of them.
      for (const batch of batches) await ops.metaGradient({ ...gradient(batch), sparse: true });
    },
    /** What a peer needs to compute the same. */
    write: (path: string) => {
      const { fast } = learner.innerLoop();
      const names = learner.model.tensors.map((tensor) => tensor.name);
      const parameters = Object.fromEntries(
        Object.entries(learner.parameters()).map(([key, { shape, data }]) => [key, { shape, data: [...data] }]),
      );
      const { model, algorithm } = wanted;
      const tasks = examples.map(({ support, query }) => ({ support: plain(support), query: plain(query) }));
      const adapted = names.filter((_, t) => fast[t] === 1);
      writeFileSync(path, JSON.stringify({ model, algorithm, parameters, fast: adapted, tasks }));
    },
    check: async () => {
      const result = await ops.metaGradient(gradient(batches[0]));
      return fingerprint(result.loss, result.gradient);
    },
  };
}

/** Rows as JSON writes them. */
const plain = ({ inputs, labels }: Library.LabelledRows) => ({
  inputs: Object.fromEntries(
    Object.entries(inputs).map(([key, values]) => [
      key,
      Array.from(values as ArrayLike<number | ArrayLike<number>>, (v) => (typeof v === 'number' ? v : Array.from(v))),
    ]),
  ),
  labels: Array.from(labels),
});

const reference = await prepare(roots[0], 'float64');
const want = await reference.check();
if (file !== undefined) reference.write(file);
console.log(JSON.stringify(want));
const calls: (() => Promise<void>)[] = [];
for (const root of roots) {
  const { call, check } = await prepare(root, 'float32');
  const wrong = difference(await check(), want, TOLERANCE);
  if (wrong !== undefined) throw new Error(`the build in ${root} is wrong: ${wrong}`);
  calls.push(call);
}
const result: ModelsResult = { tasks: wanted.tasks, times: await alternate(calls, seconds) };
console.log(JSON.stringify(result));
