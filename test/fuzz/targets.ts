/**
 * What reads bytes, values or configurations from outside. A target makes one case from a random stream and runs it: it returns
 * whether the case was accepted, and throws if the code did anything but accept it or refuse it with a typed error.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packTasks } from '../../lib/batch/batch.js';
import { parseConfig } from '../../lib/cli/config.js';
import type { InnerLoop, ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { lockFile } from '../../lib/files/durable.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { evaluateScores } from '../../lib/evaluation/metrics.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { random } from '../../lib/foundation/random.js';
import type { Random } from '../../lib/foundation/random.js';
import { decodeSafetensors, encodeSafetensors } from '../../lib/files/safetensors.js';
import { encodeSealed } from '../../lib/files/sealed.js';
import type { NamedArray } from '../../lib/files/safetensors.js';
import { buildTasks, splitTasks } from '../../lib/tasks/index.js';
import { learnerOf, make, run, tiny } from '../fixtures/family.js';
import { rows } from '../fixtures/random-model.js';
import { mutateBytes, mutateValue, pick, STRANGE, VALUES } from './mutate.js';

export type Target = (stream: Random) => boolean | Promise<boolean>;

const folder = mkdtempSync(join(tmpdir(), 'innerloop-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);

/** Whether the action was accepted; refusals must have one of the codes. */
async function attempt(codes: readonly ErrorCode[], action: () => unknown): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (error instanceof InnerloopError && codes.includes(error.code)) return false;
    throw error;
  }
}
const OPTIONS = ['INVALID_OPTION', 'UNKNOWN_OPTION', 'EMPTY_DATA', 'UNSUPPORTED'] as const;
const ANYTHING = [...VALUES, ...STRANGE];

// ------------------------------------------------------------------------------------------ files

/** Valid files to start from: learners of several algorithms, and a checkpoint. */
async function corpus(): Promise<{ learners: Buffer[]; checkpoint: Buffer }> {
  const learners: Buffer[] = [];
  for (const name of ['maml', 'ridge', 'anil'] as const) {
    const learner = learnerOf(make(name, name === 'maml' ? { rates: 'perStep' } : {}));
    await run(learner, tiny.train, { epochs: 1 });
    await saveLearner(learner, file('seed'));
    learners.push(readFileSync(file('seed')));
  }
  await run(checkpointLearner(), tiny.train, { ...CHECKPOINT, checkpoint: file('seed.checkpoint') });
  return { learners, checkpoint: readFileSync(file('seed.checkpoint')) };
}
const CHECKPOINT = { epochs: 1, validation: tiny.validation } as const;
const checkpointLearner = () => learnerOf(make('maml', { rates: 'perStep' }));
const { learners, checkpoint } = await corpus();
const FILES = [...learners, checkpoint];

const safetensors: Target = (stream) =>
  attempt(['MODEL_FILE'], () => {
    const { tensors, metadata } = decodeSafetensors(mutateBytes(stream, pick(stream, FILES), FILES), 'fuzz');
    const again = decodeSafetensors(Buffer.concat(encodeSafetensors(tensors, metadata)), 'again');
    assert.deepEqual({ ...again.metadata }, { ...metadata });
    assert.deepEqual({ ...again.tensors }, { ...tensors });
  });

/** A file whose bytes are damaged, or a well-formed one with other contents and a digest that fits. */
function spoiledFile(stream: Random, bytes: Buffer): Uint8Array {
  if (stream.below(4) === 0) return mutateBytes(stream, bytes, FILES);
  const { tensors, metadata } = decodeSafetensors(bytes, 'seed');
  for (let n = stream.below(3); n > 0; n--) spoilTensor(stream, tensors);
  const entry = pick(stream, ['manifest', 'manifest', 'manifest', 'run']);
  for (let n = stream.below(4); n > 0 && metadata[entry] !== undefined; n--) {
    metadata[entry] = JSON.stringify(mutateValue(stream, JSON.parse(metadata[entry]))) ?? '';
  }
  if (stream.below(20) === 0) delete metadata[pick(stream, Object.keys(metadata))];
  return Buffer.concat(encodeSealed(tensors, metadata));
}

function spoilTensor(stream: Random, tensors: Record<string, NamedArray>): void {
  const name = pick(stream, Object.keys(tensors));
  const { data, shape } = tensors[name];
  const length = pick(stream, [0, 1, data.length - 1, data.length + 1, data.length, data.length]);
  const type = pick(stream, [
    data.constructor,
    data.constructor,
    data.constructor,
    Float32Array,
    Float64Array,
    Int32Array,
    Uint8Array,
  ]) as Float32ArrayConstructor;
  const changed = new type(Math.max(0, length));
  changed.set(data.subarray(0, changed.length));
  for (let n = stream.below(4); n > 0 && changed.length > 0; n--)
    changed[stream.below(changed.length)] = pick(stream, [NaN, Infinity, -1, 0, 1e30, 2 ** 31 - 1, -(2 ** 31), 3]);
  tensors[name] = { data: changed, shape: changed.length === data.length ? shape : [changed.length] };
  if (stream.below(8) === 0) delete tensors[name];
  if (stream.below(8) === 0)
    tensors[pick(stream, ['extra', '../x', '__proto__', name + '.offsets'])] = {
      data: changed,
      shape: [changed.length],
    };
}

/** Loads or is refused; what loads must predict, adapt and be saved, with numbers or with typed errors. */
const learner: Target = async (stream) => {
  const path = file('learner');
  writeFileSync(path, spoiledFile(stream, pick(stream, learners)));
  return attempt(['MODEL_FILE', 'UNSUPPORTED'], async () => {
    const loaded = await loadLearner(path, { threads: 1 });
    await attempt(['DIVERGED', ...OPTIONS, 'MISSING_COLUMN'], () => loaded.outputs(tiny.test, 'after'));
    await attempt(['DIVERGED', ...OPTIONS], async () =>
      (await loaded.adapt({ items: ['1', '2'], labels: [1, 2] })).recommend({ count: 2 }),
    );
    await saveLearner(loaded, file('resaved'));
    await loadLearner(file('resaved'), { threads: 1 });
  });
};

const resume: Target = async (stream) => {
  const path = file('checkpoint');
  const bytes = spoiledFile(stream, checkpoint);
  writeFileSync(path, bytes);
  const accepted = await attempt(['MODEL_FILE', 'DIVERGED'], () =>
    run(checkpointLearner(), tiny.train, { ...CHECKPOINT, checkpoint: path }),
  );
  // What is refused is left as it was.
  if (!accepted) assert.ok(readFileSync(path).equals(bytes));
  return accepted;
};

const lock: Target = async (stream) => {
  const path = file('locked');
  // Of a process of this host that has ended: such a lock is taken over.
  const owner = { pid: 2 ** 30, host: hostname(), started: '', token: '0'.repeat(32) };
  const spoil = [
    (): string | Uint8Array => JSON.stringify(owner),
    () => mutateBytes(stream, Buffer.from(JSON.stringify(owner)), FILES),
    () => JSON.stringify(mutateValue(stream, owner)) ?? '',
  ];
  const text = pick(stream, spoil)();
  writeFileSync(`${path}.lock`, text);
  const accepted = await attempt(['IO'], async () => (await lockFile(path)).release());
  if (!accepted) rmSync(`${path}.lock`);
  return accepted;
};

// ------------------------------------------------------------------------------------------ configurations

const CONFIGS = ['ml-1m.json', 'ml-1m-maml.json'].map(
  (name) => JSON.parse(readFileSync(new URL(`../../../bench/${name}`, import.meta.url), 'utf8')) as unknown,
);
const config: Target = (stream) =>
  attempt(OPTIONS, () => {
    let value = pick(stream, CONFIGS);
    for (let n = 1 + stream.below(3); n > 0; n--)
      value = mutateValue(stream, value, stream.below(4) === 0 ? ANYTHING : VALUES);
    parseConfig(value);
    assert.equal(({} as Record<string, unknown>)['extra'], undefined, 'the prototype of all objects was changed');
  });

// ------------------------------------------------------------------------------------------ models and batches

const SPEC: ModelSpec = {
  inputs: [
    { name: 'x', kind: 'dense', size: 3 },
    { name: 'c', kind: 'categorical', cardinality: 6, dim: 2 },
    { name: 'b', kind: 'bag', cardinality: 6, dim: 2, pooling: 'sum' },
  ],
  body: { kind: 'mlp', hidden: [5], activation: 'tanh' },
  head: { loss: 'mse' },
};
/** Sizes that are valid and take gigabytes or minutes are left out: what they ask for is what they get. */
const small = (spec: unknown): boolean =>
  !/\d{6}|65536|e\+/.test(JSON.stringify(spec, (_, value: unknown) => (typeof value === 'bigint' ? '1' : value)) ?? '');
const batch: Target = async (stream) => {
  let spec: unknown = SPEC;
  for (let n = stream.below(3); n > 0; n--) spec = mutateValue(stream, spec, ANYTHING);
  if (!small(spec)) return false;
  const accepted = await attempt([...OPTIONS, 'DIVERGED'], async () => {
    const model = defineModel(spec as ModelSpec, {
      threads: 1 + stream.below(3),
      precision: pick(stream, ['float32', 'float64'] as const),
    });
    let tasks: unknown = Array.from({ length: 1 + stream.below(3) }, (_, t) => ({
      support: rows(model.spec, stream.below(4), random(1, 's', t)),
      query: rows(model.spec, 1 + stream.below(3), random(1, 'q', t)),
    }));
    let params: unknown = model.initialize(1);
    let inner: unknown = {
      steps: stream.below(3),
      learningRate: 0.1,
      adapt: pick(stream, ['all', ['mlp.*'], ['embedding.*'], []] as const),
      order: 2,
      shrinkage: 0.5,
    };
    for (let n = stream.below(3); n > 0; n--) tasks = mutateValue(stream, tasks, ANYTHING);
    if (stream.below(3) === 0) params = mutateValue(stream, params, ANYTHING);
    if (stream.below(3) === 0) inner = mutateValue(stream, inner, ANYTHING);
    if (!small(inner)) return;
    const packed = packTasks(model, tasks as TaskExample[]);
    const { loss, gradient } = await metaGradient(model, params as Parameters, packed, inner as InnerLoop);
    assert.ok(Number.isFinite(loss) && Object.values(gradient).every(({ data }) => data.every(Number.isFinite)));
    const [first] = await adapt(model, params as Parameters, packed, inner as InnerLoop);
    await predict(model, params as Parameters, (tasks as TaskExample[])[0].query, first);
  });
  return accepted;
};

// ------------------------------------------------------------------------------------------ data and tasks

const data: Target = (stream) =>
  attempt([...OPTIONS, 'INVALID_DATA', 'MISSING_COLUMN', 'DIVERGED'], () => {
    const n = 1 + stream.below(20);
    let source: unknown = {
      user: Array.from({ length: n }, () => stream.below(4)),
      item: Array.from({ length: n }, () => `i${stream.below(6)}`),
      label: Array.from({ length: n }, () => stream.below(6)),
      time: Array.from({ length: n }, () => stream.below(9)),
      itemFeatures: {
        id: ['i0', 'i1', 'i2', 'i3', 'i4', 'i5'],
        features: {
          tags: { kind: 'bag', values: [['a'], ['b', 'a'], [], null, ['c'], ['c']] },
          size: { kind: 'dense', values: [1, 2, 3, 4, 5, 6] },
        },
      },
      duplicates: 'last',
    };
    let options: unknown = {
      query: pick(stream, [1, 2, { fraction: 0.5 }]),
      order: pick(stream, ['random', 'time']),
      seed: stream.below(9),
    };
    let split: unknown = { protocol: 'users', test: 0.3, tasks: { query: 1 } };
    for (let k = stream.below(3); k > 0; k--) source = mutateValue(stream, source, ANYTHING);
    if (stream.below(2) === 0) options = mutateValue(stream, options, ANYTHING);
    if (stream.below(2) === 0) split = mutateValue(stream, split, ANYTHING);
    const dataset = datasetFromColumns(source as Parameters_<typeof datasetFromColumns>);
    const tasks = buildTasks(dataset, options as Parameters_<typeof buildTasks, 1>);
    const scores = Float64Array.from(tasks.queryRows, (_, i) => i % 3);
    evaluateScores(
      tasks,
      scores,
      mutateValue(stream, { metrics: ['mae', 'rmse', 'auc', 'recall@2', 'mrr@3'], threshold: 3 }, ANYTHING) as object,
    );
    splitTasks(dataset, split as Parameters_<typeof splitTasks, 1>);
  });
/** The type of an argument (`Parameters` is a noun of the library). */
type Parameters_<F extends (...args: never[]) => unknown, I extends number = 0> = F extends (
  ...args: infer A
) => unknown
  ? A[I]
  : never;

export const TARGETS: Record<string, Target> = { safetensors, learner, resume, lock, config, batch, data };
