/** Which support interactions moved a prediction, and by how much. */
import { nativeError, runNative } from '../foundation/addon.js';
import type { NativeBatch, NativeCall, NativeFrame, NativeInnerLoop, NativeStore } from '../foundation/addon.js';
import { checkObject, checkOneOf, checkSignal } from '../foundation/check.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { bindDataset, SIDES } from '../batch/features.js';
import { noAdaptation } from '../meta/inner-loop.js';
import type { FeatureValues } from '../batch/given-features.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import type { RowLoss } from '../model/losses.js';
import { adaptOne } from './adapt-one.js';
import { scoreRows } from './score-rows.js';
import { contextOf } from './support.js';
import type { Context, RowValues } from './support.js';
import { defineModel } from '../model/model.js';
import type { Model } from '../model/model.js';

/** A support row, and how much it moved a score. */
export interface Explanation {
  /** The item that the score is of. */
  item: string;
  /** The label that the user gave it. */
  label: number;
  /** What the score would lose without this interaction, in the units of `predict`; negative where it would gain. */
  influence: number;
}
/** Options of `explain`. */
export interface ExplainOptions {
  /**
   * `gradient`: to first order, from the gradients of the inner loop, exactly for `ridge`. `leaveOneOut`: by adapting again
   * without each interaction. Default `gradient` where the algorithm, the loss and the inputs have one, else `leaveOneOut`.
   */
  method?: 'gradient' | 'leaveOneOut';
  /** Features of the interaction that is explained. Needed where the model reads any. */
  context?: FeatureValues;
  /** Stops between computations. */
  signal?: AbortSignal;
}

/** @internal A personal model's support: rows of the catalog, and labels as given. */
export interface ExplainedSupport {
  user: number;
  items: Int32Array;
  labels: Float64Array;
  features: FeatureValues | undefined;
  context: Context | undefined;
  /** Labels of auxiliary heads and weights of the rows. */
  values?: RowValues;
}
interface Case {
  learner: Learner;
  catalog: Dataset;
  support: ExplainedSupport;
  /** Row of the item whose score is explained. */
  target: number;
  /** Of the interaction with it. */
  context: FeatureValues | undefined;
  signal: AbortSignal | undefined;
}

/**
 * Influence of each support interaction i on the score s of one item, the strongest first.
 *
 * Leave-one-out: s(adapted to all) − s(adapted to all but i).
 *
 * Gradient: with G_k the gradient of the support loss at θ_k and G_k,−i the same without row i,
 *
 *     influence_i = −Σ_k ⟨α_k ∘ ∇_{θ_{k+1}} s(θ_K), G_k − G_k,−i⟩
 *
 * which is the derivative of s along the straight path from the one loss to the other, exact where s is linear on that path
 * (the infinitesimal jackknife of Jaeckel 1972 and Koh & Liang 2017, through the inner loop instead of an inverse Hessian;
 * for one step −α ⟨∇s, ∇ℓ_i⟩ up to the mean). ∇_{θ_k} s(θ_K) is an exact meta-gradient at order 2, whatever the order that
 * the learner was trained with. It is computed in float64 for float32 models too.
 *
 * Ridge: leaving out a row of a least-squares fit changes s by k_i (y_i − ŷ_i) / (1 − h_i) exactly, k_i = ∂s/∂y_i and the
 * leverage h_i = ∂ŷ_i/∂y_i (Cook 1977). The fit is affine in its labels, so both are differences of two predictions.
 *
 * @internal attached as `PersonalModel.explain`
 */
export async function explain(
  learner: Learner,
  catalog: Dataset,
  support: ExplainedSupport,
  target: number,
  options: ExplainOptions = {},
): Promise<Explanation[]> {
  checkObject(options, 'options', ['method', 'context', 'signal']);
  checkSignal(options.signal, 'options.signal');
  const { context } = options;
  contextOf(learner, catalog, context, 1, 'options.context');
  // What a request brings of its own is in no frame that gradients could be taken on.
  const hasOwn = support.features !== undefined || support.context !== undefined || context !== undefined;
  const isRidge = learner.algorithm.solver === 'ridge';
  // The gradient form takes rows to weigh the same; the leverage of a row has its weight in it.
  const isWeighted = support.values !== undefined;
  const differentiable = hasGradient(learner, catalog) && (isRidge || !(hasOwn || isWeighted));
  const method = options.method ?? (differentiable ? 'gradient' : 'leaveOneOut');
  checkOneOf(method, 'options.method', differentiable ? ['gradient', 'leaveOneOut'] : ['leaveOneOut']);
  if (support.items.length === 0) return [];
  const way = method === 'leaveOneOut' ? leaveOneOut : isRidge ? byLeverage : byGradient;
  const influence = await way({ learner, catalog, support, target, context, signal: options.signal });
  const order = Int32Array.from(influence, (_, i) => i).sort(
    (a, b) => Math.abs(influence[b]) - Math.abs(influence[a]) || a - b,
  );
  const { values } = catalog.items.keys;
  return Array.from(order, (i) => ({
    item: values[support.items[i]],
    label: support.labels[i],
    influence: influence[i],
  }));
}

/**
 * The support loss must be one sum over rows whose labels do not depend on each other, and the inner loop plain gradient steps
 * on nothing but the model's own parameters, or ridge. A row that is left out must leave the inputs of the others as they are,
 * which a history does not.
 */
function hasGradient(learner: Learner, catalog: Dataset): boolean {
  const { algorithm, model } = learner;
  const { head } = model.spec;
  // Rows are taken to weigh the same.
  if ('classWeights' in head && head.classWeights !== undefined) return false;
  if (lossOf(head).rows === undefined || head.also !== undefined || learner.rows(catalog).state.itemBias !== undefined)
    return false;
  if (model.spec.inputs.some(({ kind }) => kind === 'sequence')) return false;
  const { update, proximal = 0, graph } = learner.innerLoop();
  // A row that is left out moves the prior mean too, where that is made of the support rows.
  if (algorithm.solver === 'ridge') return graph === undefined;
  return (
    algorithm.solver === 'gradient' &&
    update === undefined &&
    proximal === 0 &&
    graph === undefined &&
    twin(model).tensors.length === model.tensors.length
  );
}

// ----------------------------------------------------------------------------------------------- adapting again

/** Scores of the target and of the support rows `own` after adapting, by the learner itself, to other rows or labels. */
async function scoresAfter(
  { learner, catalog, support, target, context, signal }: Case,
  rows: readonly number[],
  labels: Float64Array,
  own: readonly number[] = [],
): Promise<Float64Array> {
  const { users, items } = catalog;
  const id = (row: number) => items.keys.values[row];
  const { features, context: told } = support;
  const contextAt = (i: number) => told!.rows[told!.of === 0 ? 0 : told!.of[i]];
  const { also, weights } = support.values ?? {};
  const of = (values: ArrayLike<number>) => rows.map((i) => values[i]);
  const person = await adaptOne(
    learner,
    {
      items: rows.map((i) => id(support.items[i])),
      labels: rows.map((i) => labels[i]),
      ...(support.user !== 0 && { user: users.keys.values[support.user] }),
      ...(features && { features }),
      ...(told && { context: rows.map(contextAt) }),
      ...(also && { also: Object.fromEntries(Object.entries(also).map(([name, values]) => [name, of(values)])) }),
      ...(weights && { weights: of(weights) }),
      outside: 'allow',
    },
    signal,
  );
  const targets = Int32Array.of(target, ...own.map((i) => support.items[i]));
  const given = context && [context, ...own.map(contextAt)];
  return scoreRows(person, targets, contextOf(learner, person.catalog, given, targets.length, 'context'), signal);
}

const allRows = ({ support }: Case) => Array.from(support.items, (_, i) => i);

async function leaveOneOut(one: Case): Promise<Float64Array> {
  const rows = allRows(one);
  const score = async (kept: readonly number[]) => (await scoresAfter(one, kept, one.support.labels))[0];
  const full = await score(rows);
  return Float64Array.from(
    await Promise.all(rows.map((i) => score(rows.filter((row) => row !== i)))),
    (rest) => full - rest,
  );
}

async function byLeverage(one: Case): Promise<Float64Array> {
  const { labels } = one.support;
  const rows = allRows(one);
  const full = await scoresAfter(one, rows, labels, rows);
  const raised = await Promise.all(
    rows.map((i) =>
      scoresAfter(
        one,
        rows,
        labels.map((y, row) => (row === i ? y + 1 : y)),
        rows,
      ),
    ),
  );
  return Float64Array.from(raised, (scores, i) => {
    const leverage = scores[1 + i] - full[1 + i];
    return ((scores[0] - full[0]) * (labels[i] - full[1 + i])) / (1 - leverage);
  });
}

// ----------------------------------------------------------------------------------------------------- gradients

const twins = new WeakMap<Model, Model>();
/** The same model in float64. */
function twin(model: Model): Model {
  if (model.precision === 'float64') return model;
  let other = twins.get(model);
  if (other === undefined) {
    const { spec, threads, device } = model;
    twins.set(model, (other = defineModel(spec, { precision: 'float64', threads }).on(device)));
  }
  return other;
}
const frames = new WeakMap<Model, WeakMap<Dataset, NativeFrame>>();
function frameOf(model: Model, catalog: Dataset): NativeFrame {
  let own = frames.get(model);
  if (own === undefined) frames.set(model, (own = new WeakMap()));
  let frame = own.get(catalog);
  if (frame === undefined) own.set(catalog, (frame = bindDataset(model, catalog).frame));
  return frame;
}

/** Items of one user with labels as the losses see them. */
interface LabelledItems {
  items: ArrayLike<number>;
  labels: ArrayLike<number>;
}

/** One task. */
function pack(
  model: Model,
  frame: NativeFrame,
  user: number,
  parts: readonly [support: LabelledItems, query: LabelledItems],
): NativeBatch {
  const [{ length: support }, { length: query }] = parts.map(({ items }) => items) as [
    ArrayLike<number>,
    ArrayLike<number>,
  ];
  const items = new Int32Array(support + query);
  const labels = model.floats(support + query);
  parts.forEach((part, p) => (items.set(part.items, p * support), labels.set(part.labels, p * support)));
  const users = new Int32Array(items.length).fill(user);
  const sides: Int32Array[] = [];
  sides[SIDES.users] = users;
  sides[SIDES.items] = items;
  sides[SIDES.interactions] = new Int32Array(items.length);
  sides[SIDES.userId] = users;
  sides[SIDES.itemId] = items;
  try {
    return model.ops.createBatch(model.native, frame, {
      begin: Int32Array.of(0, support, support + query),
      sides,
      labels,
    });
  } catch (error) {
    throw nativeError(error);
  }
}

/** Values of the adapted tensors; nothing for the others. */
type Fast = (FloatArray | undefined)[];

async function byGradient(one: Case): Promise<Float64Array> {
  const { learner, catalog, support, signal } = one;
  const inner = learner.innerLoop();
  const model = twin(learner.model);
  const { ops } = model;
  const copy = (from: NativeStore) => {
    const store = ops.createStore(model.native);
    model.tensors.forEach((_, t) =>
      ops.writeTensor(store, t, Float64Array.from(learner.model.ops.readTensor(from, t))),
    );
    return store;
  };
  const store = copy(learner.store);
  const write = (values: Fast) => values.forEach((data, t) => data !== undefined && ops.writeTensor(store, t, data));
  const loop = innerLoops(inner, inner.rateKind === 'perParameter' ? copy(inner.rates as NativeStore) : undefined);
  const native = <R>(start: (call: Pick<NativeCall, 'store' | 'threads' | 'token'>) => Promise<R>) =>
    runNative(signal, (token) => start({ store, threads: model.threads, token }));

  const own = { items: support.items, labels: support.labels.map((y) => y - learner.labelOffset) };
  const packed = (query: LabelledItems) => pack(model, frameOf(model, catalog), support.user, [own, query]);
  // Query rows need labels, which prediction does not read.
  const unlabelled = (items: ArrayLike<number>) => packed({ items, labels: new Uint8Array(items.length) });
  const [supportRows, targetRow] = [unlabelled(own.items), unlabelled([one.target])];
  const outputs = async (batch: NativeBatch) => {
    const { before } = await native((call) =>
      ops.predict({ ...call, batch, inner: noAdaptation(model), before: true, after: false }),
    );
    return before!;
  };

  // θ_0 … θ_K
  const trail: Fast[] = [model.tensors.map((_, t) => (inner.fast[t] === 1 ? ops.readTensor(store, t) : undefined))];
  for (let k = 0; k < inner.steps; k++) {
    const [adapted] = await native((call) => ops.adapt({ ...call, batch: targetRow, inner: loop(k, k + 1) }));
    trail.push(ops.readAdapted(adapted, store));
    write(trail[k + 1]);
  }
  const loss = lossOf(learner.model.spec.head).rows!;
  const parts = loss.scoreParts(await outputs(targetRow)).map(({ label, factor }) => ({
    batch: packed({ items: [one.target], labels: [label] }),
    factor,
  }));
  const influence = new Float64Array(own.items.length);
  for (let k = inner.steps - 1; k >= 0; k--) {
    // The store holds θ_{k+1}.
    const direction: Fast = trail[k].map((data) => data && new Float64Array(data.length));
    for (const { batch, factor } of parts) {
      const { gradient } = await native((call) =>
        ops.metaGradient({ ...call, batch, inner: loop(k + 1, inner.steps), direction: 'metaGradient' }),
      );
      direction.forEach((sum, t) => sum?.forEach((_, i) => (sum[i] += factor * gradient[t][i])));
    }
    scaleByRates(direction, loop(k, k + 1), (rates, t) => ops.readTensor(rates, t));
    const slopes = await lossSlopes(loss, own.labels, trail[k], direction, async (values) => {
      write(values);
      return outputs(supportRows);
    });
    removeEach(slopes, inner.shrinkage).forEach((difference, i) => (influence[i] -= difference));
    write(trail[k]);
  }
  return influence;
}

/** The inner loop of steps `from … to − 1` alone, at order 2 and in float64. */
function innerLoops(inner: NativeInnerLoop, rateStore: NativeStore | undefined) {
  return (from: number, to: number): NativeInnerLoop => {
    const rates =
      inner.rateKind === 'perTensorStep'
        ? (inner.rates as Fast).map((own) => own && Float64Array.from(own.subarray(from, to)))
        : rateStore;
    return {
      ...inner,
      order: 2,
      lossWeights: undefined,
      steps: to - from,
      ...(inner.rateKind !== 'scalar' && { rates }),
    };
  };
}

/** α_k ∘ v, in place; the loop is that of step k alone. */
function scaleByRates(
  direction: Fast,
  { rateKind, rate: shared, rates }: NativeInnerLoop,
  read: (rates: NativeStore, t: number) => FloatArray,
): void {
  direction.forEach((v, t) => {
    if (v === undefined) return;
    const elementwise = rateKind === 'perParameter' ? read(rates as NativeStore, t) : undefined;
    const rate = rateKind === 'perTensorStep' ? (rates as Fast)[t]![0] : shared!;
    for (let i = 0; i < v.length; i++) v[i] *= elementwise === undefined ? rate : elementwise[i];
  });
}

/** Largest change of a parameter in a difference quotient: in float64 leaves about ten digits. */
const STEP = 1e-5;

/** Directional derivative of each support row's loss at θ along d: ∂ℓ/∂o · (o(θ + εd) − o(θ − εd)) / 2ε. */
async function lossSlopes(
  loss: RowLoss,
  labels: ArrayLike<number>,
  theta: Fast,
  d: Fast,
  outputsAt: (theta: Fast) => Promise<FloatArray>,
): Promise<Float64Array> {
  let largest = 0;
  for (const part of d) if (part !== undefined) for (const value of part) largest = Math.max(largest, Math.abs(value));
  const n = labels.length;
  if (largest === 0) return new Float64Array(n);
  const epsilon = STEP / largest;
  const moved = (by: number) => theta.map((values, t) => values && values.map((x, i) => x + by * d[t]![i]));
  const [above, below, here] = [
    await outputsAt(moved(epsilon)),
    await outputsAt(moved(-epsilon)),
    await outputsAt(theta),
  ];
  const width = here.length / n;
  return Float64Array.from({ length: n }, (_, i) => {
    const gradient = loss.gradient(here.subarray(i * width, (i + 1) * width), labels[i]);
    let slope = 0;
    for (let c = 0; c < width; c++)
      slope += (gradient[c] * (above[i * width + c] - below[i * width + c])) / (2 * epsilon);
    return slope;
  });
}

/** For each row i: mean over all rows minus the mean without it, Σ x/(n + c) − (Σ x − x_i)/(n − 1 + c); of no rows it is 0. */
function removeEach(x: Float64Array, shrinkage: number): Float64Array {
  const count = x.length + shrinkage;
  const sum = x.reduce((a, b) => a + b, 0);
  return x.map((own) => sum / count - (count - 1 > 0 ? (sum - own) / (count - 1) : 0));
}
