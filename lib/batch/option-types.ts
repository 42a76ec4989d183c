/** Written from the tables of options by `npm run options`: change those, not this file. */

/** A column that becomes an input. */
export interface InputChoice {
  /** A column of the users, items or interactions, or user or item for the id itself. */
  name: string;
  /**
   * Embedding width; required for ids, categorical, bag and sequence columns; of dense ones only factorization machines have
   * one.
   */
  dim?: number;
  /**
   * Standard deviation of the embedding’s fresh rows: near 0 a row that training hardly touches stays neutral. Default: 0.1;
   * 0.01 for the linear terms of fm.
   */
  init?: number;
  /**
   * Of user and item, and of sequences: an id in fewer of the rows that training sees is read as “unknown”, and shares its
   * embedding. Default: 1.
   */
  minCount?: number;
  /** Bags only: how the embeddings of a row’s ids are combined. Default: mean. */
  pooling?: 'mean' | 'sum';
  /** Sequences only: at most so many ids, the most recent ones. Default: as many as the column has. */
  maxLength?: number;
}

/** How labels are centred and negatives drawn. */
export interface RowOptions {
  /**
   * What is taken from ratings before they are learned and added to what is predicted (loss mse alone): the mean μ of the
   * training tasks; or μ + b_u + b_i with damped means (Koren 2010, section 2.1): b_i = Σ (y − μ) / (n_i + damping) over the
   * training rows of the item, without the row itself where it is one of them, 0 for a new item; b_u = Σ (y − μ − b_i) / (n_u +
   * damping) over the support rows of the task. jointBias: the same with b_i = Σ (y − μ − b_u) / (n_i + damping), the b_u those
   * of the training tasks over all their rows, solved for together, so that an item’s bias does not hold those of the users who
   * rate it. It needs tasks in memory. Default: mean.
   */
  center?: 'mean' | 'bias' | 'jointBias';
  /** Of the biases. Default: 5. */
  damping?: number;
  /**
   * Under the ranking losses (bpr, listwise): items drawn for each row with label 1 and put after it with label 0, uniformly
   * from the items of the training tasks, none that the task holds. The task’s rows with label 0 are dealt out to those with
   * label 1 in turn, as further negatives. Query rows get negatives in training only. 0: the rows as they are. Default: 4.
   */
  negatives?: number;
}

/** How often a training task hides ids. */
export interface HideIds {
  /** Share of the training tasks in which all ids of users are hidden (shown as "unknown"). Default: 0. */
  user?: number;
  /** Share of the training tasks in which all ids of items are hidden (shown as "unknown"). Default: 0. */
  item?: number;
}
