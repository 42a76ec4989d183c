/**
 * Models as the native core gets them: the programs of every body, damaged. The core checks a program once, and from then on its
 * layers trust it; so what is accepted is run with everything that reads it.
 */
import assert from 'node:assert/strict';
import '../../lib/serving/adapt.js';
import { operations } from '../../lib/foundation/addon.js';
import type { NativeColumn, NativeModelSpec, NativeOperations } from '../../lib/foundation/addon.js';
import type { BodySpec, FloatArray, InputSpec, ModelSpec, Precision } from '../../lib/foundation/contract.js';
import { defineModel } from '../../lib/model/model.js';
import type { Random } from '../../lib/foundation/random.js';
import { mutateValue, pick } from './mutate.js';
import type { Target } from './targets.js';

const INPUTS: InputSpec[] = [
  { name: 'user', kind: 'categorical', cardinality: 5, dim: 3 },
  { name: 'item', kind: 'categorical', cardinality: 6, dim: 3 },
  { name: 'tags', kind: 'bag', cardinality: 4, dim: 3 },
];
const SEQUENCE = { name: 'history', kind: 'sequence', cardinality: 6, dim: 3, maxLength: 4 } as unknown as InputSpec;
const DENSE: InputSpec = { name: 'x', kind: 'dense', size: 2 };
/** A body that does not take these inputs or options is left out, so that new ones need only a line. */
const MODELS: ModelSpec[] = [
  { kind: 'mlp', hidden: [4, 3], activation: 'tanh' },
  { kind: 'mlp', hidden: [] },
  { kind: 'mf' },
  { kind: 'fm' },
  { kind: 'neumf', hidden: [4] },
  { kind: 'twoTower', hidden: [4] },
  { kind: 'deepfm', hidden: [4] },
  { kind: 'gru', hidden: 4 },
  { kind: 'gru', size: 4 },
].flatMap((body) =>
  [INPUTS, [...INPUTS, DENSE], INPUTS.slice(0, 2), [...INPUTS.slice(0, 2), SEQUENCE], [SEQUENCE]].flatMap((inputs) =>
    ([{ loss: 'mse' }, { loss: 'softmax', classes: 3 }] as const).map((head) => ({
      inputs,
      body: body as BodySpec,
      head,
    })),
  ),
);

/** What defineModel hands to the core. */
function captured(spec: ModelSpec): NativeModelSpec[] {
  const ops = operations('float32');
  const own = ops.createModel;
  const specs: NativeModelSpec[] = [];
  ops.createModel = (native) => {
    specs.push(structuredClone(native));
    return own(native);
  };
  try {
    defineModel(spec);
  } catch {
    return [];
  } finally {
    ops.createModel = own;
  }
  return specs;
}
const PROGRAMS = MODELS.flatMap(captured);
assert.ok(PROGRAMS.length >= 4, 'hardly any body could be built');

const NUMBERS = [
  -1,
  0,
  0,
  1,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  17,
  64,
  0.5,
  NaN,
  Infinity,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 40,
  null,
  'x',
  'mse',
  'softmax',
  'bpr',
  'linear',
  'sum',
  'dense',
  'bag',
  'mean',
  [],
  [0],
  [0, 1],
  [1, 1],
];
/** What is accepted should be small enough to be run; the sizes above are there to be refused in their products. */
const MOST_VALUES = 1e6;

export const programs: Target = async (stream) => {
  let spec: unknown = pick(stream, PROGRAMS);
  for (let n = stream.below(4); n > 0; n--) spec = mutateValue(stream, spec, NUMBERS);
  const native = spec as NativeModelSpec;
  const precision: Precision = pick(stream, ['float32', 'float64'] as const);
  const ops = operations(precision);
  try {
    const model = ops.createModel(native);
    const values = native.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    if (values > MOST_VALUES || native.slots.some((width) => width > 1e5)) return true;
    await exercise(ops, model, native, stream, precision);
    return true;
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'INVALID_OPTION' || code === 'UNSUPPORTED' || code === 'DIVERGED') return false;
    // node-addon-api's own, for a value of another type.
    if (error instanceof TypeError) return false;
    throw new Error(`${code} ${message}: ${JSON.stringify(spec)}`, { cause: error });
  }
};

async function exercise(
  ops: NativeOperations,
  model: ReturnType<NativeOperations['createModel']>,
  { inputs, tensors, heads }: NativeModelSpec,
  stream: Random,
  precision: Precision,
): Promise<void> {
  const floats = (n: number, scale = 0.3): FloatArray => {
    const array = precision === 'float32' ? new Float32Array(n) : new Float64Array(n);
    for (let i = 0; i < n; i++) array[i] = scale * stream.normal();
    return array;
  };
  const store = ops.createStore(model);
  const vector = ops.createStore(model);
  tensors.forEach(({ shape }, t) => {
    for (const to of [store, vector]) ops.writeTensor(to, t, floats(shape.reduce((a, b) => a * b, 1)));
  });
  const rows = 6;
  const columns = inputs.map(({ kind, size, cardinality }): NativeColumn => {
    const id = () => stream.below(cardinality);
    if (kind === 'dense') return { side: 0, dense: floats(rows * size, 1) };
    if (kind === 'categorical') return { side: 0, ids: Int32Array.from({ length: rows }, id) };
    const lengths = Array.from({ length: rows }, () => stream.below(4));
    const offsets = Int32Array.from([0, ...lengths.map((_, r) => lengths.slice(0, r + 1).reduce((a, b) => a + b, 0))]);
    return { side: 0, ids: Int32Array.from({ length: offsets[rows] }, id), offsets };
  });
  const frame = ops.createFrame(model, { sides: [rows], columns });
  const labels = floats(rows * heads.length);
  for (let i = 0; i < labels.length; i++) {
    const { loss, outputs } = heads[i % heads.length];
    labels[i] = stream.below(loss === 'softmax' ? outputs : 2);
  }
  const batch = ops.createBatch(model, frame, {
    begin: Int32Array.of(0, 2, 4, 4, 6),
    sides: [Int32Array.of(0, 1, 2, 3, 4, 5)],
    labels,
  });
  const fast = Uint8Array.from(tensors, () => (stream.below(3) > 0 ? 1 : 0));
  const rateKind = pick(stream, ['scalar', 'scalar', 'perTensorStep', 'perParameter'] as const);
  const steps = stream.below(3);
  const inner = {
    steps,
    order: pick(stream, [1, 2] as const),
    solver: 'gradient' as const,
    fast,
    shrinkage: 0.5,
    rateKind,
    rate: 0.05,
    rates: rateKind === 'perParameter' ? vector : Array.from(fast, (f) => (f === 1 ? floats(steps) : undefined)),
  };
  const call = { store, batch, inner, threads: 1 + stream.below(3) };
  const { gradient } = await ops.metaGradient({
    ...call,
    direction: inner.rateKind === 'scalar' && stream.below(4) === 0 ? 'reptile' : 'metaGradient',
  });
  assert.equal(gradient.length, tensors.length);
  const [adapted] = await ops.adapt(call);
  ops.readAdapted(adapted, store);
  await ops.predict({ ...call, before: true, after: true });
  await ops.predict({ ...call, adapted: adapted, before: true, after: false });
  const one = ops.createBatch(model, frame, {
    begin: Int32Array.of(0, 0, 3),
    sides: [Int32Array.of(5, 0, 2)],
    labels: labels.slice(0, 3 * heads.length),
  });
  await ops.hessianVectorProduct({
    ...call,
    batch: one,
    vector,
    inner: { ...inner, fast: new Uint8Array(tensors.length), rateKind: 'scalar', steps: 0 },
  });
}
