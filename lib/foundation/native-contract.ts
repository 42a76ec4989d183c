/** The types of the native addon's calls, all internal. */
import type { FloatArray } from './contract.js';
import type {
  NameOf,
  NativeAdapted,
  NativeBatch,
  NativeFrame,
  NativeGradientPart,
  NativeGraph,
  NativeItemFeatures,
  NativeItemPool,
  NativeRanker,
  NativeModel,
  NativePreparedLoop,
  NativeStore,
  NativeTextIndex,
  NativeToken,
} from './native-names.js';

export interface NativeModelSpec {
  inputs: { kind: NameOf<'InputKind'>; size: number; cardinality: number; pooling: NameOf<'Pooling'> }[];
  tensors: { name: string; shape: readonly number[]; input: number; transposed: 0 | 1 }[];
  layers: {
    /** A name of the core's registry of layers; making a model fails by a name that is not there. */
    kind: string;
    in: readonly number[];
    out: number;
    tensors: readonly number[];
    options: readonly number[];
  }[];
  /** Width of every slot. */
  slots: number[];
  output: number;
  /** Library of the plugin on whose device the model's calls run. Default: the processor. */
  device?: string;
  /** The heads of the outputs, side by side. */
  heads: readonly NativeHead[];
}
export interface NativeHead {
  loss: NameOf<'LossKind'>;
  outputs: number;
  weight: number;
  /** Weights of its classes, where it is the only head. Default: equal. */
  classWeights?: Float64Array;
}
export interface NativeColumn {
  side: number;
  dense?: FloatArray;
  ids?: Int32Array;
  offsets?: Int32Array;
}
export interface NativeRows {
  /** 2 × tasks + 1 row numbers: support of task t is [begin[2t], begin[2t + 1]), its query goes up to begin[2t + 2]. */
  begin: Int32Array;
  /** For each side of the frame, its row of every batch row, or one row for all of them. */
  sides: (Int32Array | number)[];
  /** [rows, heads]; NaN where a head among several has no label. */
  labels?: FloatArray;
  /** Weights of the rows in their losses. Default: equal. */
  rowWeights?: FloatArray;
  /** Weights of the tasks in the meta-loss, summing to 1. Default: equal. */
  weights?: Float64Array;
  /** Bags and sequences in place of the frame's; the k-th reads the k-th side after those of the frame. */
  overrides?: (NativeColumn & { input: number })[];
}
/** Of what a batch is a part, where several processes share a step. */
export interface NativeWhole {
  part: number;
  parts: number;
  /** Number of the tasks of all parts. */
  tasks: number;
  /** Rows of the parts before this one. */
  firstRow: number;
  /** Rows of all parts. */
  supportRows: number;
  queryRows: number;
  /** By input, 1 where its value differs within some task. */
  differs: Uint8Array;
  /** Weights of all tasks in the meta-loss, summing to 1. Default: equal. */
  weights?: Float64Array;
}
export interface NativeInnerLoop {
  steps: number;
  order: 1 | 2;
  solver: NameOf<'SolverKind'>;
  /** The tensor of the prior's log precisions, for ridge and laplace. */
  prior?: number;
  /** The tensor of the prior's triangular factor, where its precision is full. */
  priorFactor?: number;
  /** Default: plain gradient steps. */
  update?: NativeUpdate;
  /** λ of λ/2 ‖θ − θ_0‖² beside L_S. Default 0. */
  proximal?: number;
  /** Weights of L_Q(θ_1) … L_Q(θ_K) in the meta-loss. Default: the last alone. */
  lossWeights?: FloatArray;
  /** Limits of the conjugate gradients of the implicit solver. */
  cgSteps?: number;
  cgTolerance?: number;
  cgDamping?: number;
  /** Tensors of the lstm solver, by the numbers of LstmTensor. */
  lstmTensors?: readonly number[];
  fast: Uint8Array;
  /** Rows added to the support count in the inner loss: L_S = Σ / (n + shrinkage). */
  shrinkage: number;
  /** Key of an outer step's dropout masks and noise, an integer; 0 means that the model is not being trained, and there are neither. Default 0. */
  dropout?: number;
  /** Default: cheaper. */
  form?: NameOf<'Form'>;
  /** What takes the place of the inner loop, or makes its starts. */
  graph?: NativeGraph;
  /** The graph that training differentiates. Default: the same. */
  trainingGraph?: NativeGraph;
  /** Scalar: `rate`; perTensorStep: `rates[tensor]` by step; perParameter: `rates` is a store in the parameters' layout. */
  rateKind: NameOf<'RateKind'>;
  rate?: number;
  rates?: (FloatArray | undefined)[] | NativeStore;
}
/** The rule of an inner step; the factor of momentum is `beta1`. */
export interface NativeUpdate {
  kind: NameOf<'UpdateKind'>;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Largest norm of an inner gradient; 0: no limit. */
  clipNorm?: number;
}
/** A graph as native/graphs/graph.h describes it. */
export interface NativeGraphSpec {
  nodes: readonly { op: NameOf<'Op'>; in: readonly number[]; tensors: readonly number[]; options: readonly number[] }[];
  /** −1 where the graph makes starts only. */
  output: number;
  /** Classes of a softmax loss on the outputs; 0: the loss of the model. */
  classes: number;
  auxiliary: readonly { node: number; weight: number }[];
  starts: readonly { tensor: number; node: number }[];
  /** Starts: share of the query loss before adaptation in the meta-loss. */
  cold: number;
}
export interface NativeOptimizer {
  kind: NameOf<'OptimizerKind'>;
  learningRate: number;
  momentum: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  clipNorm: number;
  weightDecay: Float64Array;
  l2: Float64Array;
  maxNorm: Float64Array;
}
export interface NativeCall {
  store: NativeStore;
  batch?: NativeBatch;
  /** In place of a batch, where it is of this call alone: nothing of it is left to the garbage collector. */
  frame?: NativeFrame;
  rows?: NativeRows;
  /** Read at every call, or once by `createInnerLoop`. */
  inner: NativeInnerLoop | NativePreparedLoop;
  threads: number;
  token?: NativeToken;
}
export interface NativeState {
  values: FloatArray;
  firstMoment: FloatArray;
  secondMoment: FloatArray;
  touched: Float64Array;
  step: number;
}
/** Values of a tensor: all of them, or some rows where it is a table. */
export type NativeTensorRows = FloatArray | { rows: Int32Array; data: FloatArray };
/** Query loss of every task, their mean, and gradients by tensor. */
export interface NativeGradient<G = FloatArray> {
  loss: number;
  taskLosses: Float64Array;
  gradient: G[];
  rateGradient?: G[];
}
export interface NativeStep {
  loss: number;
  gradientNorm: number;
  taskLosses: Float64Array;
  /** Per-tensor-per-step rates: their gradient, for the caller to apply. */
  rateGradient?: FloatArray[];
}
export type NativePrediction = NativeCall & {
  /** Adapted parameters; packed ones may be of one task for all, or one for each task. */
  adapted?: NativeAdapted | readonly Uint8Array[];
  selection?: NativeSelection;
  before: boolean;
  after: boolean;
  variance?: boolean;
};
export interface NativeOutputs {
  before?: FloatArray;
  after?: FloatArray;
  variance?: FloatArray;
}
/** What packed adapted tasks are checked against: the tensors that the learner adapts, and its graph. */
export type NativeSelection = Pick<NativeInnerLoop, 'fast' | 'graph'>;
/** Adapted tasks as bytes that JavaScript owns; `factor`: with the last layer's posterior, where it has one in closed form. */
export interface NativePacking {
  packed: true;
  factor: boolean;
}
/** An adapted task without the posterior of its last layer, and with it. */
export interface NativeUpdated {
  adapted: Uint8Array;
  certain: Uint8Array;
}
/** What all rankings of one catalog and pool share; see native/serving/ranking.h. */
export interface NativeRanking {
  store: NativeStore;
  threads: number;
  pool: NativeItemPool;
  /** Added to outputs. */
  mean: number;
  moderated: boolean;
  /** Where the model changes nothing but its last layer; else `frame`, and with every user a row for some item. */
  features?: NativeItemFeatures;
  frame?: NativeFrame;
  itemSides: readonly number[];
  selection: NativeSelection;
}
/**
 * Users one after the other, four values each: adapted parameters, bias, the rows that are left out (ascending), and without
 * features a row for some item.
 */
export type NativeRankedUsers = (Uint8Array | number | Int32Array | NativeRows | undefined)[];
/**
 * Ids of items: an index, the ids as one text, their lengths, of which the first `count` are told, and whether ids that the index
 * lacks are left out; else the first of them ends the ranking.
 */
export type NativeIds = readonly [
  index: NativeTextIndex,
  joined: string,
  lengths: Int32Array,
  count: number,
  skip: boolean,
];
/** Of each user the number of items, and then of each item its row, the score that `predict` gives, and what it is ranked by. */
export type NativeLists = Float64Array;
/** The first id that the catalog lacks, where such are not skipped: then there are no lists. */
export interface NativeUnknownId {
  place: number;
  text: string;
}
/** Normal numbers of the stream `Random` of a key, times `deviation`, from its block `block` of four words on. */
export interface NativeDraw {
  key0: number;
  key1: number;
  deviation: number;
  block: number;
  threads: number;
}
export interface NativeTableDraw extends NativeDraw {
  store: NativeStore;
  tensor: number;
  from: number;
  to: number;
}
export interface NativeOperations {
  createModel(spec: NativeModelSpec): NativeModel;
  createStore(model: NativeModel): NativeStore;
  allocateStore(model: NativeModel): Promise<NativeStore>;
  writeTensor(store: NativeStore, tensor: number, data: FloatArray): void;
  /** θ ← θ + scale · data, of all values of a tensor or of some rows of a table. */
  addToTensor(store: NativeStore, tensor: number, data: FloatArray, scale: number, rows?: Int32Array): void;
  readTensor(store: NativeStore, tensor: number): FloatArray;
  /** Fills an array with normal numbers. */
  fillNormal(data: FloatArray, draw: NativeDraw): void;
  /** Fills the values `from … to − 1` of a table, an even number of them but at its end, and gives the block to go on with. */
  drawTable(options: NativeTableDraw & { token?: NativeToken }): Promise<number>;
  drawTableNow(options: NativeTableDraw): number;
  readState(store: NativeStore): NativeState;
  writeState(store: NativeStore, state: NativeState): void;
  createFrame(model: NativeModel, frame: { sides: number[]; columns: NativeColumn[] }): NativeFrame;
  createBatch(model: NativeModel, frame: NativeFrame, rows: NativeRows): NativeBatch;
  createGraph(model: NativeModel, graph: NativeGraphSpec): NativeGraph;
  createInnerLoop(model: NativeModel, inner: NativeInnerLoop): NativePreparedLoop;
  /** Bytes of one task at work on a thread; rows: by tensor, those that it reads of a table. */
  taskBytes(
    model: NativeModel,
    inner: NativeInnerLoop,
    sizes: { direction: NameOf<'Direction'>; support: number; query: number; rows: Float64Array },
  ): number;
  /** @param options sparse: of tables the rows that the batch reads; see `NativeTensorRows` */
  metaGradient(options: NativeCall & { direction: NameOf<'Direction'>; sparse?: false }): Promise<NativeGradient>;
  metaGradient(
    options: NativeCall & { direction: NameOf<'Direction'>; sparse: boolean },
  ): Promise<NativeGradient<NativeTensorRows>>;
  trainStep(
    options: NativeCall & {
      direction: NameOf<'Direction'>;
      optimizer: NativeOptimizer;
      rateOptimizer?: NativeOptimizer;
    },
  ): Promise<NativeStep>;
  /** Which tasks of a step of so many a part has, `from … to − 1`. */
  tasksOfPart(model: NativeModel, of: { tasks: number; part: number; parts: number }): [from: number, to: number];
  /** What the other parts have to know of a part's batch; `differs` as in {@link NativeWhole}. */
  describePart(batch: NativeBatch): { supportRows: number; queryRows: number; differs: Uint8Array };
  /** Adds up the gradient of a part of a batch; the bytes are what all processes need of it. The batch may have no tasks. */
  gradientPart(
    options: NativeCall & { direction: NameOf<'Direction'>; whole: NativeWhole },
  ): Promise<{ gradient: NativeGradientPart; bytes: Uint8Array }>;
  /** The step of a gradient whose parts are all there, by part. A gradient is applied once. */
  applyParts(options: {
    gradient: NativeGradientPart;
    parts: readonly Uint8Array[];
    optimizer: NativeOptimizer;
    rateOptimizer?: NativeOptimizer;
  }): Promise<NativeStep>;
  adapt(options: NativeCall & NativePacking): Promise<Uint8Array[]>;
  adapt(options: NativeCall): Promise<NativeAdapted[]>;
  /** Runs on this thread, and refuses while an update of the parameters runs. */
  adaptSync(options: NativeCall & NativePacking): Uint8Array[];
  readAdapted(adapted: NativeAdapted, store: NativeStore, sparse?: false): (FloatArray | undefined)[];
  readAdapted(adapted: NativeAdapted, store: NativeStore, sparse: boolean): (NativeTensorRows | undefined)[];
  predict(options: NativePrediction): Promise<NativeOutputs>;
  predictSync(options: NativePrediction): NativeOutputs;
  /** `rows` without terms: every row from 1. */
  createItemPool(pool: {
    items: number;
    rows?: Int32Array;
    offset?: Float64Array;
    boost?: Float64Array;
  }): NativeItemPool;
  /** What the last layer reads of every item, in a row of `rows` whose item is on `itemSides`. */
  createItemFeatures(
    options: NativeCall & { items: number; itemSides: readonly number[] },
  ): Promise<NativeItemFeatures>;
  /** [rows, width] */
  readItemFeatures(features: NativeItemFeatures, rows: Int32Array): FloatArray;
  /** The same of vectors [items, width] that no last layer reads. */
  createItemVectors(vectors: FloatArray, items: number): NativeItemFeatures;
  /** The rows nearest to one by the cosine of the angle, the nearest first, without itself. */
  similarItems(
    features: NativeItemFeatures,
    options: { row: number; count: number; threads: number; token?: NativeToken },
  ): Promise<{ rows: Int32Array; similarities: Float64Array }>;
  createRanker(ranking: NativeRanking): NativeRanker;
  /**
   * The best items for users, of the pool's rows or only of these, ascending, or of those of ids, which the core then looks up. At
   * once where that is quicker than to wake another thread.
   */
  rank(
    ranker: NativeRanker,
    count: number,
    users: NativeRankedUsers,
    among?: Int32Array | NativeIds,
    token?: NativeToken,
  ): NativeLists | NativeUnknownId | Promise<NativeLists | NativeUnknownId>;
  /** A packed task with weights of its last layer drawn from N(w, scale² M⁻¹) by standard normal numbers. */
  sampleAdapted(
    model: NativeModel,
    options: {
      store: NativeStore;
      adapted: readonly [Uint8Array];
      selection: NativeSelection;
      normals: Float64Array;
      scale: number;
    },
  ): Uint8Array;
  /**
   * A packed task of `ridge`, with its posterior, and the one support row of a batch: added to it, or with the label `before` given
   * another one. `shift`: what all labels have become smaller by. At once where that is quicker than to wake another thread.
   */
  updateAdapted(
    options: NativeCall & {
      adapted: readonly [Uint8Array];
      selection: NativeSelection;
      before?: number;
      shift: number;
    },
  ): NativeUpdated | Promise<NativeUpdated>;
  /** Frees at once what no running call holds; a later use is refused. */
  release(
    handle:
      NativeStore | NativeFrame | NativeBatch | NativeAdapted | NativeItemFeatures | NativeItemPool | NativeRanker,
  ): void;
  hessianVectorProduct(
    options: NativeCall & { vector: NativeStore; sparse?: false },
  ): Promise<{ loss: number; gradient: FloatArray[]; product: FloatArray[] }>;
  hessianVectorProduct(
    options: NativeCall & { vector: NativeStore; sparse: boolean },
  ): Promise<{ loss: number; gradient: NativeTensorRows[]; product: NativeTensorRows[] }>;
  applyActivation(activation: NameOf<'Activation'>, x: FloatArray): FloatArray;
  /**
   * Operations a second of one thread's fused multiply-adds, a multiply-add being two: the best of some short bursts, or if
   * `sustained` over a few milliseconds with whatever interrupts them.
   */
  measurePeak(sustained?: boolean): Promise<number>;
}
