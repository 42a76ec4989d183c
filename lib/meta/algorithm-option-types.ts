/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of algorithms that take gradient steps. */
export interface GradientOptions {
  /** Inner steps K. Default: 5. */
  steps?: number;
  /** Inner rate α, the initial one where rates are learned. Default: 0.01. */
  learningRate?: number;
  /**
   * Names of the parameters that adapt, * at the end matching any rest; `@last` is the last layer, `@dense` all but the
   * embeddings. Default: all.
   */
  adapt?: 'all' | string[];
  /** Whether the inner rates are learned: one per parameter (Meta-SGD), or one per tensor and step (MAML++). Default: fixed. */
  rates?: 'fixed' | 'perParameter' | 'perStep';
  /** Added to the support count, L_S = Σ loss / (n + shrinkage), so that tasks with few rows move less. Default: 0. */
  shrinkage?: number;
  /** What a step follows: the gradient, heavy-ball momentum or Adam, each differentiated exactly. Default: sgd. */
  inner?: 'sgd' | 'momentum' | 'adam' | {
    kind: 'sgd';
    /**
     * A longer gradient, over all that a task adapts, is scaled down to this norm; the scaling is differentiated too. Default:
     * no clipping.
     */
    clipNorm?: number;
  } | {
    kind: 'momentum';
    /** Share of the past that each step keeps. Default: 0.9. */
    momentum?: number;
    /**
     * A longer gradient, over all that a task adapts, is scaled down to this norm; the scaling is differentiated too. Default:
     * no clipping.
     */
    clipNorm?: number;
  } | {
    kind: 'adam';
    /** Share of the past that each step keeps. Default: 0.9. */
    beta1?: number;
    /** Share of the past that each step keeps. Default: 0.999. */
    beta2?: number;
    /** Added to the root of the second moment. Default: 1e-8. */
    epsilon?: number;
    /**
     * A longer gradient, over all that a task adapts, is scaled down to this norm; the scaling is differentiated too. Default:
     * no clipping.
     */
    clipNorm?: number;
  };
  /** Adds so much / 2 · ‖θ − θ_0‖² to the support loss, so that a task stays near the shared parameters. Default: 0. */
  proximal?: number;
}

/** Options of `maml`. */
export interface MamlOptions extends GradientOptions {
  /** 2 is the exact meta-gradient, 1 holds the inner gradients constant. Default: 2. */
  order?: 1 | 2;
  /**
   * The meta-loss Σ_k w_k L_Q(θ_k) begins with equal weights of all steps and becomes that of the last one, linearly over so
   * many epochs. The losses that training reports are these sums. Default: the last step from the beginning.
   */
  multiStepLoss?: {
    /** Epochs that the schedule takes. */
    epochs: number;
  };
  /** So many epochs of first order before those of the order. Default: none. */
  orderAnnealing?: {
    /** Epochs that the schedule takes. */
    epochs: number;
  };
}

/** Options of `fomaml`. */
export type FomamlOptions = GradientOptions;

/** Options of `anil`. */
export interface AnilOptions extends Pick<GradientOptions, 'steps' | 'learningRate' | 'rates' | 'shrinkage' | 'inner' | 'proximal'> {
  /**
   * Names of the parameters that adapt, * at the end matching any rest; `@last` is the last layer, `@dense` all but the
   * embeddings. Default: ["@last"].
   */
  adapt?: 'all' | string[];
}

/** Options of `reptile`. */
export type ReptileOptions = Pick<GradientOptions, 'steps' | 'learningRate' | 'adapt' | 'shrinkage' | 'inner' | 'proximal'>;

/** Options of `ridge`. */
export interface RidgeOptions {
  /**
   * Of the prior: diagonal, Λ = diag(exp ℓ), or full, Λ = L Lᵀ with L = diag(exp ℓ/2) + the strictly lower triangle of F; ℓ is
   * prior.logPrecision [features + 1], F prior.factor [features + 1, features + 1], the bias last. Default: diagonal.
   */
  covariance?: 'diagonal' | 'full';
  /**
   * Inputs of which the prior mean is a function, such as what is known of a user: w̄ + U p, p the mean over the support rows of
   * what these inputs are (ids as embeddings), 0 without any. U, which is prior.profile.weight [features + 1, width of p],
   * begins at 0. For bodies that concatenate their inputs (`mlp`). Default: none.
   */
  profile?: string[];
}

/** Options of `metaSgd`. */
export interface MetaSgdOptions extends Pick<GradientOptions, 'learningRate' | 'adapt' | 'shrinkage' | 'inner' | 'proximal'> {
  /** Inner steps K. Default: 1. */
  steps?: number;
}

/** Options of `mamlPlusPlus`. */
export interface MamlPlusPlusOptions extends Pick<GradientOptions, 'steps' | 'learningRate' | 'adapt' | 'shrinkage' | 'inner' | 'proximal'> {
  /**
   * The meta-loss Σ_k w_k L_Q(θ_k) begins with equal weights of all steps and becomes that of the last one, linearly over so
   * many epochs. The losses that training reports are these sums. Default: {"epochs":10}.
   */
  multiStepLoss?: {
    /** Epochs that the schedule takes. */
    epochs: number;
  };
  /** So many epochs of first order before those of the order. Default: {"epochs":5}. */
  orderAnnealing?: {
    /** Epochs that the schedule takes. */
    epochs: number;
  };
}

/** Options of `imaml`. */
export interface ImamlOptions extends Pick<GradientOptions, 'steps' | 'learningRate' | 'adapt' | 'shrinkage' | 'inner'> {
  /** λ of the proximal term λ/2 ‖θ − θ_0‖². Default: 1. */
  lambda?: number;
  /** Most conjugate-gradient steps, each one Hessian-vector product. Default: 5. */
  cgSteps?: number;
  /** Ends them at a residual of this share of ‖∇L_Q‖. Default: 0.000001. */
  cgTolerance?: number;
  /**
   * Damping: δ of (I + H/λ + δ I) x = ∇L_Q, which is then positive definite where H is less so; the gradient shrinks with it.
   * Default: 0.
   */
  cgDamping?: number;
}

/** Options of `melu`. */
export interface MeluOptions extends Pick<GradientOptions, 'learningRate' | 'rates' | 'shrinkage' | 'inner' | 'proximal'> {
  /** Inner steps K. Default: 1. */
  steps?: number;
  /**
   * Names of the parameters that adapt, * at the end matching any rest; `@last` is the last layer, `@dense` all but the
   * embeddings. Default: ["@dense"].
   */
  adapt?: 'all' | string[];
  /** 2 is the exact meta-gradient, 1 holds the inner gradients constant. Default: 2. */
  order?: 1 | 2;
}

/** Options of `laplace`. */
export interface LaplaceOptions {
  /**
   * Of the prior: diagonal, Λ = diag(exp ℓ), or full, Λ = L Lᵀ with L = diag(exp ℓ/2) + the strictly lower triangle of F; ℓ is
   * prior.logPrecision [features + 1], F prior.factor [features + 1, features + 1], the bias last. Default: diagonal.
   */
  covariance?: 'diagonal' | 'full';
  /**
   * Inputs of which the prior mean is a function, such as what is known of a user: w̄ + U p, p the mean over the support rows of
   * what these inputs are (ids as embeddings), 0 without any. U, which is prior.profile.weight [features + 1, width of p],
   * begins at 0. For bodies that concatenate their inputs (`mlp`). Default: none.
   */
  profile?: string[];
  /**
   * Moderates predictions by their uncertainty (MacKay 1992): the logit o at features a becomes o / √(1 + π v / 8), v = aᵀ M⁻¹
   * a, so that σ of it approximates the mean probability. In evaluation and serving, not in training. Default: false.
   */
  probit?: boolean;
}

/** Options of `lstmMetaLearner`. */
export interface LstmMetaLearnerOptions extends Pick<GradientOptions, 'steps' | 'learningRate' | 'adapt' | 'shrinkage'> {
  /** Hidden units of the first LSTM. Default: 20. */
  hidden?: number;
}

/** Options of `lwa`. */
export interface LwaOptions {
  /**
   * Label from which a support row is liked; under mse relative to the model’s own output. Default: 0 under mse, 0.5 under bce.
   */
  threshold?: number;
}

/** Options of `mamo`. */
export interface MamoOptions extends Pick<GradientOptions, 'steps' | 'learningRate' | 'rates' | 'shrinkage' | 'inner' | 'proximal'> {
  /**
   * Names of the parameters that adapt, * at the end matching any rest; `@last` is the last layer, `@dense` all but the
   * embeddings. Default: ["@dense"].
   */
  adapt?: 'all' | string[];
  /** Kinds of users that the memories tell apart. Default: 8. */
  slots?: number;
  /** Width of the profile keys. Default: 16. */
  keys?: number;
  /** Inputs that the profile is the mean of; the paper has those of the user alone. Default: all inputs. */
  profile?: string[];
}

/** Options of `matchingNets`. */
export type MatchingNetsOptions = Record<never, never>;

/** Options of `metaEmb`. */
export interface MetaEmbOptions extends Pick<GradientOptions, 'steps' | 'learningRate' | 'rates' | 'shrinkage' | 'inner' | 'proximal'> {
  /**
   * Names of the parameters that adapt, * at the end matching any rest; `@last` is the last layer, `@dense` all but the
   * embeddings. Default: ["@last"].
   */
  adapt?: 'all' | string[];
  /** Share α of the cold loss in the meta-loss. Default: 0.1. */
  coldWeight?: number;
  /** Hidden units of the generator. Default: 16. */
  hidden?: number;
}

/** Options of `mwuf`. */
export interface MwufOptions {
  /** Hidden units of the scaling and the shifting network. Default: 32. */
  hidden?: number;
}

/** Options of `nlba`. */
export interface NlbaOptions {
  /**
   * Label from which a support row is liked; under mse relative to the model’s own output. Default: 0 under mse, 0.5 under bce.
   */
  threshold?: number;
  /** Units of the hidden layer. Default: 16. */
  hidden?: number;
}

/** Options of `protoNets`. */
export interface ProtoNetsOptions {
  /**
   * Rising boundaries between the classes of a label: dislike and like with one. Under mse they are relative to the mean label
   * of training; softmax has its own classes. Default: [0] under mse, [0.5] under bce, bpr and listwise.
   */
  thresholds?: number[];
}

/** Options of `tanp`. */
export interface TanpOptions {
  /** Width of a row’s encoding, of the latent variable z and of the task identity o. Default: 16. */
  latent?: number;
  /** Hidden units of the two encoders. Default: 32. */
  hidden?: number;
  /** Rows of the global pool A. Default: 8. */
  pool?: number;
  /** Weight of the KL divergence beside the mean loss of a query row. Default: 0.01. */
  klWeight?: number;
}

/** Options of `joint`. */
export type JointOptions = Record<never, never>;

/** Options of `fineTune`. */
export type FineTuneOptions = Pick<GradientOptions, 'steps' | 'learningRate' | 'adapt' | 'shrinkage' | 'inner' | 'proximal'>;

/** Options of every algorithm by its name. */
export interface OptionsByAlgorithm {
  maml: MamlOptions;
  fomaml: FomamlOptions;
  anil: AnilOptions;
  reptile: ReptileOptions;
  ridge: RidgeOptions;
  metaSgd: MetaSgdOptions;
  mamlPlusPlus: MamlPlusPlusOptions;
  imaml: ImamlOptions;
  melu: MeluOptions;
  laplace: LaplaceOptions;
  lstmMetaLearner: LstmMetaLearnerOptions;
  lwa: LwaOptions;
  mamo: MamoOptions;
  matchingNets: MatchingNetsOptions;
  metaEmb: MetaEmbOptions;
  mwuf: MwufOptions;
  nlba: NlbaOptions;
  protoNets: ProtoNetsOptions;
  tanp: TanpOptions;
  joint: JointOptions;
  fineTune: FineTuneOptions;
}
