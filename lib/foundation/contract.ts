/**
 * The nouns of the library, in pipeline order. Read this file first: every stage takes and returns these types.
 *
 *     interactions -> tasks -> batch -> inner loop -> meta-gradient -> outer update -> evaluation -> serving
 */
import type { AuxiliaryOptions, BodySpec, InputSpec } from './option-types.js';

export type {
  BagInput,
  BodySpec,
  CategoricalInput,
  DenseInput,
  FmBody,
  GruBody,
  InputSpec,
  MfBody,
  MlpBody,
  NeumfBody,
  SequenceInput,
  TwoTowerBody,
} from './option-types.js';

// ---------------------------------------------------------------------------------------------- tensors and models

/** Of the numbers of a model. */
export type Precision = 'float32' | 'float64';
/** Numbers in either precision. */
export type FloatArray = Float32Array | Float64Array;

/** A dense row-major array. */
export interface Tensor {
  /** Sizes of the dimensions, the slowest first. */
  shape: number[];
  /** The numbers, row by row; as many as the product of the shape. */
  data: FloatArray;
}

/** Tensors by parameter name (`mlp.0.weight` is [out, in]; `embedding.<input>.weight` is [cardinality, dim]). */
export type Parameters = Record<string, Tensor>;

/** Some rows of a table: `data` is [rows, dim]; of the others there is nothing to say. A row comes once. */
export interface TensorRows {
  /** Shape of the whole table, [all rows, dim]. */
  shape: number[];
  /** Numbers of the rows that are given. */
  rows: Int32Array;
  /** Their numbers, [given rows, dim]. */
  data: FloatArray;
}

/** Tensors by parameter name, of tables the rows that something was read from or moved. */
export type SparseParameters = Record<string, Tensor | TensorRows>;

/** `identity` makes the layers a factorised linear model: on ratings, item factors under a user's weights. */
export type Activation = 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'identity';

/**
 * `mse` and `bce` (on logits) have one output; `softmax` (cross-entropy on logits) has `classes` outputs. `bpr` and `listwise`
 * rank: a row with label 1 opens a group and the rows with label 0 after it are its negatives.
 *
 *     bpr       mean over the negatives j of log(1 + exp(o_j − o_i))     (Rendle et al. 2009)
 *     listwise  log Σ_{j in group} exp(o_j) − o_i                        (a sampled softmax)
 *
 * `classWeights`, one number a class, ≥ 0: what each row counts in the losses by its label, times its own weight. The mean is over
 * the weights, so `[1, 20]` gives a task with one positive in 21 rows two equal halves. Of a `bce` label between 0 and 1 the weight
 * is between theirs. Default: equal. For a single head.
 *
 * `episode`: the outputs are an embedding of `classes` numbers, which has no loss of its own, for `episodeGradient`.
 */
export type LossSpec =
  | { loss: 'mse' }
  | { loss: 'bce'; classWeights?: readonly number[] }
  | { loss: 'softmax'; classes: number; classWeights?: readonly number[] }
  | { loss: 'bpr' }
  | { loss: 'listwise' }
  | { loss: 'episode'; classes: number };
/** What a score is: an estimate of a label, a probability of label 1, or any number to sort by. */
export type ScoreKind = 'label' | 'probability' | 'order';
/** An auxiliary head: outputs of its own on the same body, with labels of its own (NaN where a row has none). */
export type AuxiliaryHead = LossSpec & AuxiliaryOptions;
/** What a model is trained for: a loss, and further heads beside it. */
export type HeadSpec = LossSpec & {
  /** Further heads, whose weighted losses are added. */
  also?: AuxiliaryHead[];
};

/** What `defineModel` takes. */
export interface ModelSpec {
  /** Concatenated in this order. */
  inputs: InputSpec[];
  /** The layers between the inputs and the outputs. */
  body: BodySpec;
  /** The loss, and with it what the outputs mean. */
  head: HeadSpec;
  /** Classes of the labels under the head `episode`. Default: up to the largest label of a batch. */
  episode?: { classes: number };
}

// ---------------------------------------------------------------------------------------------- tasks as plain objects

/** Values of one input, one entry a row: a number (categorical), a list of ids (bag) or a list of numbers (dense). */
export type InputValues = ArrayLike<number> | ArrayLike<ArrayLike<number>>;
/** Values of the inputs, by name, a row each. */
export interface Rows {
  /** Values of each input by its name, one entry a row. */
  inputs: Record<string, InputValues>;
}
/** Rows with what is to be predicted of them. */
export interface LabelledRows extends Rows {
  /** What is to be predicted of each row, as the loss takes it. */
  labels: ArrayLike<number>;
  /** Labels of auxiliary heads by their names, NaN where a row has none. */
  also?: Record<string, ArrayLike<number>>;
  /** Weight of each row in the losses, ≥ 0. Default: equal. */
  weights?: ArrayLike<number>;
}
/** A task as plain rows: what is known, and what is asked. */
export interface TaskExample {
  /** The rows that the task adapts to. */
  support: LabelledRows;
  /** The rows that the adapted model is measured on. */
  query: LabelledRows;
}

/** How a task gets its own parameters. */
export interface InnerLoop {
  /** Adaptation steps K ≥ 0. */
  steps: number;
  /** α: one number, or tensors by adapted parameter: `[steps]` (per tensor per step) or the parameter's own shape. */
  learningRate: number | Parameters;
  /** Which parameters a task adapts: `all`, or names; a trailing `*` matches any rest. */
  adapt: 'all' | string[];
  /** 1 holds the inner gradients constant (FOMAML); 2 is the exact meta-gradient. */
  order: 1 | 2;
  /**
   * Rows added to the support count: L_S = Σ loss / (n + shrinkage), so that a task with few rows moves less, as a
   * posterior mean would. Default 0, the plain mean.
   */
  shrinkage?: number;
  /** What a step follows. Default `sgd`, the gradient itself. */
  inner?: InnerRule;
  /** λ ≥ 0: adds λ/2 ‖θ − θ_0‖² to L_S, over the adapted parameters. Default 0. */
  proximal?: number;
  /** Meta-loss Σ_k w_k L_Q(θ_k), one weight for each of the K steps (Antoniou et al. 2019). Default: the last step alone. */
  lossWeights?: readonly number[];
  /**
   * Differentiates not the steps but what they approach, the minimum of L_S + λ/2 ‖θ − θ_0‖² (implicit MAML, Rajeswaran et al.
   * 2019): ∂θ_0 = (I + H/λ)⁻¹ ∇L_Q at θ_K by conjugate gradients. Exact where θ_K is that minimum. Needs `proximal` > 0 and
   * `order` 2; rates get no gradient.
   */
  implicit?: ImplicitGradient;
  /**
   * Seed of the masks of a body with dropout, the same ones at every step of a task, so that the gradient is exact at both
   * orders; 0 drops nothing. Default 0.
   */
  dropout?: number;
}

/**
 * What an inner step θ_{k+1} = θ_k − α ∘ u_k takes for u_k, differentiated exactly at order 2 through its state, which starts at 0
 * with every task: `sgd`, u_k = g_k; `momentum`, u_k = m_{k+1} = μ m_k + g_k (heavy ball), μ = `momentum` (default 0.9);
 * `adam` (Kingma & Ba 2015), u_k = m̂ / (√ŝ + ε) with `beta1` (default 0.9), `beta2` (0.999), `epsilon` (1e-8). Adam's first
 * step is nearly α · sign g: its derivative is large, up to α/ε, where gradients are small; a larger ε smooths it.
 *
 * `clipNorm`: g_k is scaled down to this Euclidean norm, over all that the task adapts, where it is longer. Default: no clipping.
 */
export type InnerRule =
  | 'sgd'
  | 'momentum'
  | 'adam'
  | { kind: 'sgd'; clipNorm?: number }
  | { kind: 'momentum'; momentum?: number; clipNorm?: number }
  | { kind: 'adam'; beta1?: number; beta2?: number; epsilon?: number; clipNorm?: number };

/** How the derivative of an inner minimum is solved for. */
export interface ImplicitGradient {
  /** Most conjugate-gradient steps, each one Hessian-vector product. Default 5. */
  cgSteps?: number;
  /** Ends them at a residual of this share of ‖∇L_Q‖. Default 1e-6. */
  cgTolerance?: number;
  /** δ ≥ 0: solves (I + H/λ + δ I) x = ∇L_Q instead, which shrinks the gradient and is solvable where H is not quite convex. Default 0. */
  cgDamping?: number;
}

// ---------------------------------------------------------------------------------------------- columnar data

/** Category 0 of every vocabulary is "missing or unknown"; real values start at 1. */
export interface Vocabulary {
  /** Text of each id; `values[0]` is the empty string and stands for missing and unknown. */
  readonly values: readonly string[];
  /** Id of a text, 0 if it is not in the vocabulary. */
  idOf(text: string): number;
  /** The same of many texts at once, where the vocabulary can do that in less time. */
  idsOf?(texts: readonly string[]): Int32Array;
}

/** A column of numbers, `size` a row. */
export interface DenseColumn {
  kind: 'dense';
  /** The feature's name. */
  name: string;
  /** Numbers a row. */
  size: number;
  /** rows × size; a missing value is 0 after standardisation (the mean), never NaN. */
  data: Float32Array;
  /** How the source's numbers became `data`; undefined: `data` is what it is. */
  scaling?: DenseScaling;
}
/** Moments belong to the table that was trained on: numbers of a later one are brought to those, not to its own. */
export interface DenseScaling {
  /** Whether every row was first scaled to length 1. */
  normalized: boolean;
  /** For each component, what was then subtracted, and what the difference was multiplied with; undefined: neither was done. */
  moments?: { mean: Float64Array; scale: Float64Array };
  /**
   * What the moments were applied to, NaN where missing. Without moments and with nothing missing it is `data`; a learner's own
   * catalog keeps those of items that are one number, for filters and columns of lists.
   */
  raw?: FloatArray;
}
/** A column of one id a row. */
export interface CategoricalColumn {
  kind: 'categorical';
  /** The feature's name. */
  name: string;
  /** The texts that ids stand for. */
  vocabulary: Vocabulary;
  /** One id for each row. */
  data: Int32Array;
}
/** A column of any number of ids a row. */
export interface BagColumn {
  kind: 'bag';
  /** The feature's name. */
  name: string;
  /** The texts that ids stand for. */
  vocabulary: Vocabulary;
  /** rows + 1; row r holds `data[offsets[r]] … data[offsets[r + 1] − 1]`. Missing list = empty bag. */
  offsets: Int32Array;
  /** The ids of all rows, one row after the other. */
  data: Int32Array;
}
/** A column of interactions that gives, for each row, items that its user had, oldest first. */
export interface SequenceColumn {
  kind: 'sequence';
  /** The feature's name. */
  name: string;
  /** The ids of items. */
  vocabulary: Vocabulary;
  /** No row has more ids; of a longer history the most recent ones. */
  maxLength: number;
  /** Only interactions with at least this label are part of a history; undefined: all are. */
  minLabel: number | undefined;
  /**
   * `before`: those strictly before the row, whatever they are. `support`: those of the support set of the row's task; the rows
   * here are empty, as only a batch knows the tasks.
   */
  of: 'before' | 'support';
  /** rows + 1; row r holds `data[offsets[r]] … data[offsets[r + 1] − 1]`. No history = no ids. */
  offsets: Int32Array;
  /** The ids of all rows, one row after the other. */
  data: Int32Array;
}
/** A column of a table, by kind. */
export type Column = DenseColumn | CategoricalColumn | BagColumn | SequenceColumn;

/** A feature table. Row 0 stands for an unknown entity: every feature missing. Row i is the entity `keys.values[i]`. */
export interface FeatureTable {
  /** Rows of the table, the reserved row 0 included. */
  rows: number;
  /** The ids that rows stand for. */
  keys: Vocabulary;
  /** The features. */
  columns: Column[];
  /** 1 for each entity that a table of features named; undefined where there was none. */
  named?: Uint8Array;
}

/** Interactions in columns. `user[i]`, `item[i]` are rows of `users`, `items`; never 0 here, every id is known. */
export interface Dataset {
  /** Number of interactions. */
  size: number;
  /** The row of `users` of each interaction. */
  user: Int32Array;
  /** The row of `items` of each interaction. */
  item: Int32Array;
  /** The label of each interaction. */
  label: Float32Array;
  /** Any increasing number (Unix seconds, file position); undefined if no time column was mapped. */
  time: Float64Array | undefined;
  /** Weight ≥ 0 of each interaction in the losses, support and query alike; see `rowWeights`. Default: equal. */
  weight?: Float32Array;
  /** How often each interaction took place: a column of counts, or rows that were summed. Default: once. */
  count?: Float32Array;
  /** The part of a prescribed split that each interaction is in, such as `train` and `test`. */
  part?: CategoricalColumn;
  /** The users and their features. */
  users: FeatureTable;
  /** The items and their features. */
  items: FeatureTable;
  /** Per-interaction features; `rows === size`, `keys` is empty and no row is reserved. */
  context: FeatureTable;
  /** Human-readable notes of what the documented rules did: rows dropped, duplicates merged, values missing. */
  notes: string[];
}

/**
 * Tasks as row lists into a dataset. Task t owns `supportRows[supportOffsets[t] … supportOffsets[t+1])` and the same of
 * query; all are interaction indices.
 */
export interface TaskSet {
  /** The interactions that the row lists point into. */
  dataset: Dataset;
  /** Number of tasks. */
  size: number;
  /** What a task is: its key (the user id's text, say). */
  keys: string[];
  /** User row of each task (0 if tasks are not users). */
  users: Int32Array;
  /** size + 1 offsets into `supportRows`. */
  supportOffsets: Int32Array;
  /** Interactions of the support sets, one task after the other. */
  supportRows: Int32Array;
  /** size + 1 offsets into `queryRows`. */
  queryOffsets: Int32Array;
  /** Interactions of the query sets, one task after the other. */
  queryRows: Int32Array;
  /** Support and query are as the data says, so that no epoch draws them anew. */
  prescribed?: boolean;
}

/** Predictions of one method for all tasks' query rows, in task order: what every metric is computed from. */
export interface Predictions {
  /** One number per query row: the rating, or the score to rank by. */
  score: Float64Array;
}
