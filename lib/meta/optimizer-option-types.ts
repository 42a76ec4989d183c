/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `adam`. */
export interface AdamOptions {
  /** Outer rate. Default: 0.001. */
  learningRate?: number;
  /** How the outer rate goes on over the epochs: linear and cosine fall to 0. Default: constant. */
  schedule?: 'constant' | 'linear' | 'cosine';
  /**
   * Decoupled weight decay: each step takes rate × decay × parameter away; embedding rows decay when they are touched. One
   * number, or numbers by parameter name with * at the end matching any rest (the last match counts). Default: 0.
   */
  weightDecay?: number | Record<string, number>;
  /**
   * Adds l2 / 2 · ‖parameters‖² to the loss of every step, in the same form; an embedding row that was not touched for some
   * steps gets their share with its next one, so that rare items are held to 0 as a fixed prior would hold them. Default: 0.
   */
  l2?: number | Record<string, number>;
  /**
   * Longest row (Euclidean norm) of an embedding table: rows that a step makes longer are scaled back. One number for all
   * tables, or numbers by parameter name in the same form; 0 is no limit. Default: no limit.
   */
  maxNorm?: number | Record<string, number>;
  /** The meta-gradient is scaled down to this norm where it is longer. Default: no clipping. */
  clipNorm?: number;
  /** Share of the past that each step keeps. Default: 0.9. */
  beta1?: number;
  /** Share of the past that each step keeps. Default: 0.999. */
  beta2?: number;
  /** Added to the root of the second moment. Default: 1e-8. */
  epsilon?: number;
}

/** Options of `sgd`. */
export interface SgdOptions {
  /** Outer rate. Default: 0.01. */
  learningRate?: number;
  /** How the outer rate goes on over the epochs: linear and cosine fall to 0. Default: constant. */
  schedule?: 'constant' | 'linear' | 'cosine';
  /**
   * Decoupled weight decay: each step takes rate × decay × parameter away; embedding rows decay when they are touched. One
   * number, or numbers by parameter name with * at the end matching any rest (the last match counts). Default: 0.
   */
  weightDecay?: number | Record<string, number>;
  /**
   * Adds l2 / 2 · ‖parameters‖² to the loss of every step, in the same form; an embedding row that was not touched for some
   * steps gets their share with its next one, so that rare items are held to 0 as a fixed prior would hold them. Default: 0.
   */
  l2?: number | Record<string, number>;
  /**
   * Longest row (Euclidean norm) of an embedding table: rows that a step makes longer are scaled back. One number for all
   * tables, or numbers by parameter name in the same form; 0 is no limit. Default: no limit.
   */
  maxNorm?: number | Record<string, number>;
  /** The meta-gradient is scaled down to this norm where it is longer. Default: no clipping. */
  clipNorm?: number;
  /** Share of the past that each step keeps. Default: 0. */
  momentum?: number;
}
