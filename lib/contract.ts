/**
 * The nouns of the library, in pipeline order. Read this file first: every stage takes and returns these types.
 *
 *     interactions -> tasks -> batch -> inner loop -> meta-gradient -> outer update -> evaluation -> serving
 */

// ---------------------------------------------------------------------------------------------- tensors and models

export type Precision = 'float32' | 'float64';
export type FloatArray = Float32Array | Float64Array;

/** A dense row-major array. */
export interface Tensor {
  shape: number[];
  data: FloatArray;
}

/** Tensors by parameter name (`mlp.0.weight` is [out, in]; `embedding.<input>.weight` is [cardinality, dim]). */
export type Parameters = Record<string, Tensor>;

export interface DenseInput {
  name: string;
  kind: 'dense';
  /** Values per row. */
  size: number;
}
export interface CategoricalInput {
  name: string;
  kind: 'categorical';
  /** Number of ids; valid ids are 0 … cardinality − 1. */
  cardinality: number;
  /** Embedding width. */
  dim: number;
  /** Text of each id, `cardinality` of them, where the model works on a dataset; id 0 is "missing or unknown". */
  vocabulary?: readonly string[];
}
export interface BagInput {
  name: string;
  kind: 'bag';
  cardinality: number;
  dim: number;
  /** How the embeddings of a row's ids are combined; an empty bag is the zero vector. Default `mean`. */
  pooling?: 'mean' | 'sum';
  vocabulary?: readonly string[];
}
export type InputSpec = DenseInput | CategoricalInput | BagInput;

/** `identity` makes the layers a factorised linear model: on ratings, item factors under a user's weights. */
export type Activation = 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'identity';

export interface MlpBody {
  kind: 'mlp';
  /** Widths of the hidden layers; `[]` is a linear model. */
  hidden: number[];
  /** Between the layers, none after the last. Default `relu`. */
  activation?: Activation;
}
export type BodySpec = MlpBody;

/**
 * `mse` and `bce` (on logits) have one output; `softmax` (cross-entropy on logits) has `classes` outputs. `prior` adds the
 * parameter `prior.logPrecision` [features + 1] for closed-form adaptation of the last layer, the bias last.
 */
export type HeadSpec = { loss: 'mse'; prior?: 'gaussian' } | { loss: 'bce' } | { loss: 'softmax'; classes: number };

export interface ModelSpec {
  /** Concatenated in this order. */
  inputs: InputSpec[];
  body: BodySpec;
  head: HeadSpec;
}

// ---------------------------------------------------------------------------------------------- tasks as plain objects

/** Values of one input, one entry a row: a number (categorical), a list of ids (bag) or a list of numbers (dense). */
export type InputValues = ArrayLike<number> | ArrayLike<ArrayLike<number>>;
export interface Rows {
  inputs: Record<string, InputValues>;
}
export interface LabelledRows extends Rows {
  labels: ArrayLike<number>;
}
export interface TaskExample {
  support: LabelledRows;
  query: LabelledRows;
}

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
}

// ---------------------------------------------------------------------------------------------- columnar data

/** Category 0 of every vocabulary is "missing or unknown"; real values start at 1. */
export interface Vocabulary {
  /** Text of each id; `values[0]` is the empty string and stands for missing and unknown. */
  readonly values: readonly string[];
  /** Id of a text, 0 if it is not in the vocabulary. */
  idOf(text: string): number;
}

export interface DenseColumn {
  kind: 'dense';
  name: string;
  size: number;
  /** rows × size; a missing value is 0 after standardisation (the mean), never NaN. */
  data: Float32Array;
}
export interface CategoricalColumn {
  kind: 'categorical';
  name: string;
  vocabulary: Vocabulary;
  /** One id a row. */
  data: Int32Array;
}
export interface BagColumn {
  kind: 'bag';
  name: string;
  vocabulary: Vocabulary;
  /** rows + 1; row r holds `data[offsets[r]] … data[offsets[r + 1] − 1]`. Missing list = empty bag. */
  offsets: Int32Array;
  data: Int32Array;
}
export type Column = DenseColumn | CategoricalColumn | BagColumn;

/** A feature table. Row 0 stands for an unknown entity: every feature missing. Row i is the entity `keys.values[i]`. */
export interface FeatureTable {
  rows: number;
  keys: Vocabulary;
  columns: Column[];
}

/** Interactions in columns. `user[i]`, `item[i]` are rows of `users`, `items`; never 0 here, every id is known. */
export interface Dataset {
  size: number;
  user: Int32Array;
  item: Int32Array;
  label: Float32Array;
  /** Any increasing number (Unix seconds, file position); undefined if no time column was mapped. */
  time: Float64Array | undefined;
  users: FeatureTable;
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
  dataset: Dataset;
  /** Number of tasks. */
  size: number;
  /** What a task is: its key (the user id's text, say). */
  keys: string[];
  /** User row of each task (0 if tasks are not users). */
  users: Int32Array;
  supportOffsets: Int32Array;
  supportRows: Int32Array;
  queryOffsets: Int32Array;
  queryRows: Int32Array;
}

/** Predictions of one method for all tasks' query rows, in task order: what every metric is computed from. */
export interface Predictions {
  /** One number per query row: the rating, or the score to rank by. */
  score: Float64Array;
}
