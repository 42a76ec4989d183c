/** Written from the tables of options by `npm run options`: change those, not this file. */

/** An input of `size` numbers a row. */
export interface DenseInput {
  kind: 'dense';
  /** Names the input in rows, and its embedding among the parameters. */
  name: string;
  /** Values per row. */
  size: number;
  /** Of factorization machines alone, which need it: width of each value’s embedding. */
  dim?: number;
}

/** An input of one id a row, which is embedded. */
export interface CategoricalInput {
  kind: 'categorical';
  /** Names the input in rows, and its embedding among the parameters. */
  name: string;
  /** Number of ids; valid ids are 0 … cardinality − 1. */
  cardinality: number;
  /** Embedding width. */
  dim: number;
  /**
   * Standard deviation of the embedding’s fresh rows: near 0 a row that training hardly touches stays neutral. Default: 0.1;
   * 0.01 for the linear terms of fm.
   */
  init?: number;
  /** Text of each id, as many as the cardinality, where the model works on a dataset; id 0 is "missing or unknown". */
  vocabulary?: readonly string[];
}

/** An input of any number of ids a row, whose embeddings are pooled. */
export interface BagInput {
  kind: 'bag';
  /** Names the input in rows, and its embedding among the parameters. */
  name: string;
  /** Number of ids; valid ids are 0 … cardinality − 1. */
  cardinality: number;
  /** Embedding width. */
  dim: number;
  /** How the embeddings of a row’s ids are combined; an empty bag is the zero vector. Default: mean. */
  pooling?: 'mean' | 'sum';
  /**
   * Standard deviation of the embedding’s fresh rows: near 0 a row that training hardly touches stays neutral. Default: 0.1;
   * 0.01 for the linear terms of fm.
   */
  init?: number;
  /** Text of each id, as many as the cardinality, where the model works on a dataset; id 0 is "missing or unknown". */
  vocabulary?: readonly string[];
}

/** An input of ids in order, oldest first, whose embeddings are pooled or read by a `gru`. */
export interface SequenceInput {
  kind: 'sequence';
  /** Names the input in rows, and its embedding among the parameters. */
  name: string;
  /** Number of ids; valid ids are 0 … cardinality − 1. */
  cardinality: number;
  /** Embedding width. */
  dim: number;
  /** Ids a row may hold, oldest first; of longer lists the newest count. */
  maxLength: number;
  /**
   * Standard deviation of the embedding’s fresh rows: near 0 a row that training hardly touches stays neutral. Default: 0.1;
   * 0.01 for the linear terms of fm.
   */
  init?: number;
  /** Text of each id, as many as the cardinality, where the model works on a dataset; id 0 is "missing or unknown". */
  vocabulary?: readonly string[];
}

/** An input of a model; `describeInputs` makes them from columns. */
export type InputSpec = DenseInput | CategoricalInput | BagInput | SequenceInput;

/** All inputs, concatenated, into a multilayer perceptron. */
export interface MlpBody {
  kind: 'mlp';
  /** Widths of the hidden layers; [] is a linear model. */
  hidden: number[];
  /** Between the layers, none after the last; identity makes a factorised linear model. Default: relu. */
  activation?: 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'identity';
  /** Share of each hidden layer’s units that are left out of a training step, the same ones at every inner step. Default: 0. */
  dropout?: number;
}

/** Matrix factorization: ŷ = μ + b_u + b_i + ⟨p_u, q_i⟩ (Koren, Bell & Volinsky 2009); the two inputs have one dim. */
export interface MfBody {
  kind: 'mf';
  /** Name of the categorical input that is the user. */
  user: string;
  /** Name of the categorical input that is the item. */
  item: string;
}

/** Factorization machine of the second order over all inputs, each with a dim, the same for all (Rendle 2010). */
export interface FmBody {
  kind: 'fm';
}

/** Neural matrix factorization: a generalised dot product beside a perceptron on all inputs (He et al. 2017). */
export interface NeumfBody {
  kind: 'neumf';
  /** Name of the categorical input that is the user. */
  user: string;
  /** Name of the categorical input that is the item. */
  item: string;
  /** Width of the factors p_u ∘ q_i, which have embeddings of their own. */
  factors: number;
  /** Widths of the hidden layers; [] is a linear model. */
  hidden: number[];
  /** Between the layers, none after the last; identity makes a factorised linear model. Default: relu. */
  activation?: 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'identity';
}

/** Two perceptrons and the dot product of what they make of their inputs (Covington et al. 2016; Yi et al. 2019). */
export interface TwoTowerBody {
  kind: 'twoTower';
  /** Names of the inputs of the user’s tower; together the towers have all inputs, and none is in both. */
  user: string[];
  /** Names of the inputs of the item’s tower; together the towers have all inputs, and none is in both. */
  item: string[];
  /** Widths of the hidden layers; [] is a linear model. */
  hidden: number[];
  /** Between the layers, none after the last; identity makes a factorised linear model. Default: relu. */
  activation?: 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'identity';
  /** Width of the towers’ outputs. */
  width: number;
}

/**
 * A gated recurrent unit over the one sequence input, its last state in that input’s place, then a perceptron (Cho et al. 2014).
 */
export interface GruBody {
  kind: 'gru';
  /** Width of the recurrent state. */
  gruHidden: number;
  /** Widths of the hidden layers; [] is a linear model. */
  hidden: number[];
  /** Between the layers, none after the last; identity makes a factorised linear model. Default: relu. */
  activation?: 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'identity';
}

/** What computes the outputs from the inputs; `lib/model/bodies/` has the equations. */
export type BodySpec = MlpBody | MfBody | FmBody | NeumfBody | TwoTowerBody | GruBody;

/** Of an auxiliary head, beside its loss. */
export interface AuxiliaryOptions {
  /** Names its labels: those of the rows, or a dense column of the interactions of size 1, not standardised. */
  name: string;
  /** Of its loss, beside the main one’s 1. Default: 1. */
  weight?: number;
}

/** How a model computes. */
export interface ModelOptions {
  /** Of all numbers; float64 is for checks and research. Default: float32. */
  precision?: 'float32' | 'float64';
  /** Threads that a call may use; results do not depend on it. Default: all hardware threads. */
  threads?: number;
  /**
   * Where calls run: cuda needs the package innerloop-cuda and refuses what does not run there; auto is the GPU where there is
   * one, and model.device.reason says why it is not. Default: cpu.
   */
  device?: 'cpu' | 'cuda' | 'auto';
}
