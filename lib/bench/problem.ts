/** A case as data and calls: seeded, packed once, and checked before anyone times it. */
import { runNative } from '../foundation/addon.js';
import type { NativeGradient } from '../foundation/addon.js';
import { TaskBatch } from '../batch/batch.js';
import type { FloatArray, InnerLoop, Parameters, Precision } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveInnerLoop } from '../meta/inner-loop.js';
import { metaGradient } from '../meta/meta-gradient.js';
import { defineModel } from '../model/model.js';
import type { Model } from '../model/model.js';
import { random } from '../foundation/random.js';
import type { Case } from './cases.js';
import type { LinearShape } from './operations.js';

const LEARNING_RATE = 0.01;
/** Largest difference of a float32 gradient from the float64 one, relative to the largest entry of its tensor. */
const TOLERANCE = 2e-4;
/** Tasks whose gradients are compared. Task losses are compared for all. */
const CHECKED_TASKS = 8;
/**
 * Draws of the data before a difference counts as an error: where an input of a relu is within rounding of 0, two right
 * gradients may differ. A wrong gradient differs at every draw.
 */
const DRAWS = 3;

export interface Problem {
  model: Model;
  /** The native core as `train` calls it: parameters in a store, no conversion. */
  native(order: 1 | 2): () => Promise<NativeGradient>;
  /** Computes the same by the public function. */
  api(order: 1 | 2): () => Promise<unknown>;
}

/** `all`; `last`, the last layer; or names of parameters, `*` at the end matching any rest. */
export type Adapt = 'all' | 'last' | string[];

export function modelOf({ inputs, hidden, threads }: Case, precision: Precision): Model {
  const spec = {
    inputs: [{ name: 'x', kind: 'dense' as const, size: inputs }],
    body: { kind: 'mlp' as const, hidden, activation: 'relu' as const },
    head: { loss: 'mse' as const },
  };
  return defineModel(spec, { precision, threads });
}

export function innerLoopOf({ hidden, steps }: Case, adapt: Adapt, order: 1 | 2): InnerLoop {
  return { steps, learningRate: LEARNING_RATE, adapt: adapt === 'last' ? [`mlp.${hidden.length}.*`] : adapt, order };
}

/** The layers as the operation counter takes them. @throws {InnerloopError} UNKNOWN_OPTION for a name the model does not have */
export function layersOf(wanted: Case, adapt: Adapt): LinearShape[] {
  const model = modelOf(wanted, 'float32');
  const { fast } = resolveInnerLoop(model, innerLoopOf(wanted, adapt, 1));
  const isFast = (name: string) => fast[model.tensors.findIndex((tensor) => tensor.name === name)] === 1;
  const widths = [wanted.inputs, ...wanted.hidden, 1];
  return widths.slice(1).map((outputs, l) => ({
    inputs: widths[l],
    outputs,
    weight: isFast(`mlp.${l}.weight`),
    bias: isFast(`mlp.${l}.bias`),
  }));
}

/**
 * Builds a case and checks both orders of it: float32 against float64 on the same data.
 * @throws {InnerloopError} NATIVE if they differ by more than {@link TOLERANCE}
 */
export async function prepareProblem(wanted: Case, precision: Precision, adapt: Adapt, seed: number): Promise<Problem> {
  let difference: Difference | undefined;
  for (let draw = 0; draw < DRAWS; draw++) {
    const sizes = [Math.min(CHECKED_TASKS, wanted.tasks), wanted.tasks];
    difference = undefined;
    for (const tasks of sizes) {
      const data = drawTasks({ ...wanted, tasks }, seed, draw);
      const problems = (['float32', 'float64'] as const).map((p) =>
        assemble({ ...wanted, tasks }, p, adapt, data, seed),
      );
      for (const order of [1, 2] as const) {
        const [single, double] = await Promise.all(problems.map((problem) => problem.native(order)()));
        difference ??= compare(single, double, problems[0].model, order, tasks === sizes[0]);
      }
      if (difference === undefined && tasks === wanted.tasks) return problems[precision === 'float32' ? 0 : 1];
    }
  }
  const { order, what, error } = difference!;
  throw new InnerloopError(
    'NATIVE',
    `order ${order}: ${what} of float32 and of float64 differ by ${error.toExponential(1)}`,
    {
      field: `bench ${JSON.stringify(wanted)}`,
      expected: `at most ${TOLERANCE}`,
    },
  );
}

interface Difference {
  order: 1 | 2;
  what: string;
  error: number;
}

function compare(
  single: NativeGradient,
  double: NativeGradient,
  model: Model,
  order: 1 | 2,
  gradients: boolean,
): Difference | undefined {
  const pairs: [string, ArrayLike<number>, ArrayLike<number>][] = [
    ['task losses', single.taskLosses, double.taskLosses],
  ];
  if (gradients)
    double.gradient.forEach((tensor, t) =>
      pairs.push([`gradients of ${model.tensors[t].name}`, single.gradient[t], tensor]),
    );
  for (const [what, actual, expected] of pairs) {
    const error = relativeError(actual, expected);
    // Written so that NaN fails.
    if (!(error <= TOLERANCE)) return { order, what, error };
  }
  return undefined;
}

export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let scale = 0;
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]));
    error = Math.max(error, Math.abs(actual[i] - expected[i]));
  }
  return scale === 0 ? error : error / scale;
}

interface TaskData {
  begin: Int32Array;
  inputs: Float32Array;
  labels: Float32Array;
}

/** Rows uniform with variance 1; labels of a linear function that is half shared, half the task's own. Exact in float32. */
function drawTasks({ inputs: D, tasks, support, query }: Case, seed: number, draw: number): TaskData {
  const rows = support + query;
  const begin = new Int32Array(2 * tasks + 1);
  const inputs = new Float32Array(tasks * rows * D);
  const labels = new Float32Array(tasks * rows);
  const uniform = (into: Float32Array, stage: string, index: number) => {
    const stream = random(seed, stage, index);
    for (let i = 0; i < into.length; i++) into[i] = Math.sqrt(12) * (stream.uniform() - 0.5);
  };
  const shared = new Float32Array(D);
  const own = new Float32Array(D);
  uniform(shared, 'bench.shared', draw);
  for (let t = 0; t < tasks; t++) {
    begin[2 * t + 1] = t * rows + support;
    begin[2 * t + 2] = (t + 1) * rows;
    const x = inputs.subarray(t * rows * D, (t + 1) * rows * D);
    uniform(x, `bench.rows.${draw}`, t);
    uniform(own, `bench.task.${draw}`, t);
    for (let r = 0; r < rows; r++) {
      let y = 0;
      for (let j = 0; j < D; j++) y += x[r * D + j] * (shared[j] + own[j]);
      labels[t * rows + r] = y / Math.sqrt(2 * D);
    }
  }
  return { begin, inputs, labels };
}

function assemble(
  wanted: Case,
  precision: Precision,
  adapt: Adapt,
  { begin, inputs, labels }: TaskData,
  seed: number,
): Problem {
  const model = modelOf(wanted, precision);
  const total = labels.length;
  const dense: FloatArray = model.floats(inputs);
  const frame = model.ops.createFrame(model.native, { sides: [total], columns: [{ side: 0, dense }] });
  const identity = Int32Array.from({ length: total }, (_, r) => r);
  const native = model.ops.createBatch(model.native, frame, { begin, sides: [identity], labels: model.floats(labels) });
  const batch = new TaskBatch(model, begin, native);
  // Through float32, so that both precisions start from the same numbers.
  const params = rounded(model, seed);
  const store = model.store(params);
  return {
    model,
    native: (order) => {
      const inner = resolveInnerLoop(model, innerLoopOf(wanted, adapt, order));
      const call = { store, batch: native, inner, threads: wanted.threads, direction: 'metaGradient' } as const;
      return () => runNative(undefined, (token) => model.ops.metaGradient({ ...call, token }));
    },
    api: (order) => {
      const inner = innerLoopOf(wanted, adapt, order);
      return () => metaGradient(model, params, batch, inner);
    },
  };
}

function rounded(model: Model, seed: number): Parameters {
  const params = model.initialize(seed);
  for (const { data } of Object.values(params)) data.forEach((value, i) => (data[i] = Math.fround(value)));
  return params;
}
