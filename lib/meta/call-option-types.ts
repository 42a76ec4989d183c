/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of a call of the core, such as `predict`. */
export interface CallOptions {
  /** Stops the call between tasks; the promise rejects with code ABORTED. */
  signal?: AbortSignal;
}

/** How tables of embeddings come back, from `adapt` and `hessianVectorProduct` too. */
export interface TableOptions {
  /** dense: tables of embeddings in full; sparse: of each only the rows that the batch read. Default: dense. */
  tables?: 'dense' | 'sparse';
}

/** Options of `metaGradient`. */
export interface MetaGradientOptions {
  /** The meta-gradient, or reptile: the mean over tasks of θ_0 − θ_K. Default: meta-gradient. */
  direction?: 'meta-gradient' | 'reptile';
  /** Stops the call between tasks; the promise rejects with code ABORTED. */
  signal?: AbortSignal;
  /** dense: tables of embeddings in full; sparse: of each only the rows that the batch read. Default: dense. */
  tables?: 'dense' | 'sparse';
}

/** Options of `episodeGradient`. */
export interface EpisodeOptions {
  /** Which loss the embeddings of a task have. */
  method: 'prototypical' | 'matching';
  /** Stops the call between tasks; the promise rejects with code ABORTED. */
  signal?: AbortSignal;
}
