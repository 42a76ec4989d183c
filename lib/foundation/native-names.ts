/** What the native addon calls its objects and its enums, all internal. */

declare const brand: unique symbol;
type Handle<Name extends string> = { readonly [brand]: Name };
export type NativeModel = Handle<'model'>;
export type NativeStore = Handle<'store'>;
export type NativeFrame = Handle<'frame'>;
export type NativeBatch = Handle<'batch'>;
export type NativePreparedLoop = Handle<'inner loop'>;
export type NativeAdapted = Handle<'adapted'>;
export type NativeToken = Handle<'token'>;
export type NativeGraph = Handle<'graph'>;
export type NativeItemFeatures = Handle<'item features'>;
export type NativeItemPool = Handle<'item pool'>;
export type NativeRanker = Handle<'ranker'>;
export type NativeGradientPart = Handle<'gradient part'>;
export type NativeTextIndex = Handle<'text index'>;

/** The names of each of the core's enums that this package gives. The core has tables of its own; loading it checks that it knows these. */
export const NAMES = {
  Activation: ['relu', 'tanh', 'sigmoid', 'softplus'],
  InputKind: ['dense', 'categorical', 'bag', 'sequence'],
  Pooling: ['mean', 'sum'],
  LossKind: ['mse', 'bce', 'softmax', 'bpr', 'listwise'],
  RateKind: ['scalar', 'perTensorStep', 'perParameter'],
  /** How a task gets its own parameters. */
  SolverKind: ['gradient', 'ridge', 'laplace', 'implicit', 'lstm'],
  /** How the first adapted layer runs: in the form that takes fewer operations, or in a given one, for comparison. */
  Form: ['cheaper', 'direct', 'gram'],
  UpdateKind: ['sgd', 'momentum', 'adam'],
  LstmTensor: ['weightIh', 'weightHh', 'bias', 'forgetWeight', 'forgetBias', 'inputWeight', 'inputBias'],
  Direction: ['metaGradient', 'reptile'],
  OptimizerKind: ['sgd', 'adam'],
  /** Operations of a graph. */
  Op: [
    'slot',
    'labels',
    'oneHot',
    'parameter',
    'constant',
    'count',
    'noise',
    'linear',
    'unary',
    'affine',
    'add',
    'subtract',
    'multiply',
    'product',
    'softmax',
    'distance',
    'cosine',
    'sumRows',
    'sumColumns',
    'concat',
    'columns',
    'flatten',
  ],
  Unary: ['relu', 'tanh', 'sigmoid', 'softplus', 'exp', 'log', 'reciprocal'],
  ProductKind: ['nn', 'nt', 'tn'],
  ModelSlot: ['outputs', 'features', 'inputs'],
  Part: ['support', 'query'],
} as const;
export type EnumName = keyof typeof NAMES;
export type NameOf<E extends EnumName> = (typeof NAMES)[E][number];

export const LOSSES = NAMES.LossKind;
export const INPUT_KINDS = NAMES.InputKind;
export const POOLINGS = NAMES.Pooling;
