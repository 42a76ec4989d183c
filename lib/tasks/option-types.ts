/** Written from the tables of options by `npm run options`: change those, not this file. */

/**
 * What a task is: a user, an item, or a value of a categorical or bag column of the users, the items or the interactions. A row
 * with several values in a bag column belongs to the task of each; one with none to no task. A SQL expression over the
 * interactions is an interaction feature (`features: [{ name, kind: 'categorical', sql }]`) that `column` names.
 */
export type TaskKey =
  | 'user'
  | 'item'
  | {
        /** A categorical or bag feature. */
        column: string;
      };

/** How many of a task’s rows are its query. */
export type QuerySize =
  | number
  | 'rest'
  | 'part'
  | {
        /** Of the task’s rows, rounded and at least 1. */
        fraction: number;
      }
  | {
        /**
         * The last row by time (needs a time column), or each row in turn as the query of a task of its own, named key:1, key:2
         * …, whose support are the other rows; with order time, those before it.
         */
        leaveOneOut: 'last' | 'each';
      };

/** A subset of users or items. */
export type Selector =
  | {
        /** So many of them, drawn at random. */
        fraction: number;
      }
  | {
        /** A categorical or bag column of their feature table. */
        column: string;
        /** Those with one of these values. */
        in: (string | number)[];
      }
  | {
        /** A categorical column of their feature table. */
        column: string;
        /** Those with at least this number; a missing value or other text is not selected. Default: no bound. */
        min?: number;
        /** Those with at most this number. Default: no bound. */
        max?: number;
      };

/** How many support rows an epoch gives a task; see `supportSize` of `train`. */
export interface SupportSize {
  /** Fewest support rows; 0 trains for users of whom nothing is known, too. Default: 1. */
  min?: number;
  /**
   * Most support rows, as a share of the task’s rows, rounded down; at least min, and one row is left for the query. Default:
   * 0.5.
   */
  fraction?: number;
}

/** How interactions become tasks. */
export interface TaskOptions {
  /** What a task is: a user, an item, or a value of a column. Default: user. */
  by?: TaskKey;
  /** A task needs at least this many rows, query and support together. Default: 2. */
  min?: number;
  /** Users (or items) with more rows than this are left out. Default: no limit. */
  max?: number;
  /**
   * Query rows per task; rest: all that are not support, which shots or support says (with order time the first rows); a
   * fraction leaves 1 row (or shots) for the support; part: the rows that the column of parts calls query, or test, the support
   * being those that it calls support, or train.
   */
  query: QuerySize;
  /**
   * Exactly this many support rows (k-shot), drawn as those of support are; tasks with too few rows are left out. Default: see
   * support.
   */
  shots?: number;
  /**
   * At most this many support rows: with order time the most recent before the query, else drawn at random. Default: all rows
   * that are not in the query.
   */
  support?: number;
  /**
   * random draws the query rows; time takes the last ones (needs a time column). Default: random; time with leaveOneOut: last.
   */
  order?: 'random' | 'time';
  /** Seed of the draw. Default: 0, or the seed of the split. */
  seed?: number;
  /** Use these interactions only, each at most once. Default: all. */
  rows?: Int32Array;
}

/** Every user belongs to one set: train, validation or test. */
export interface UserSplit {
  protocol: 'users';
  /** Fraction of the users. Default: no validation set. */
  validation?: number;
  /** Fraction of the users. Default: no test set. */
  test?: number;
  /** Seed of the shuffle, and of the tasks unless they have one of their own. Default: 0. */
  seed?: number;
  /** How the rows of a user become support and query. */
  tasks: Omit<TaskOptions, 'rows'>;
}

/** Every task belongs to one set, whatever tasks.by makes a task: known and new users, items or values of a column. */
export interface TaskSplit {
  protocol: 'tasks';
  /** Fraction of the tasks’ keys. Default: no validation set. */
  validation?: number;
  /** Fraction of the tasks’ keys. Default: no test set. */
  test?: number;
  /** Seed of the shuffle, and of the tasks unless they have one of their own. Default: 0. */
  seed?: number;
  /** How the rows of a user become support and query. */
  tasks: Omit<TaskOptions, 'rows'>;
}

/**
 * The past is trained on, the future is predicted: one cut in time for all tasks. A test task’s query are its rows from the cut
 * on, its support the rows before, the last support of them.
 */
export interface TimeSplit {
  protocol: 'time';
  /** Fraction of the interactions, the last ones before the test set. Default: no validation set. */
  validation?: number;
  /** Fraction of the interactions, the last ones; rows of one time stay together. Default: no test set. */
  test?: number;
  /** Seed of the training tasks’ draws, and of the tasks unless they have one of their own. Default: 0. */
  seed?: number;
  /** As in buildTasks; query and order are those of the training tasks. */
  tasks: Omit<TaskOptions, 'rows'>;
}

/**
 * What interactions.part says. Parts train, validation and test are the sets: a task of validation or test asks for its rows
 * there, from its rows in the parts before; where no user has any, its own rows are divided by tasks. Parts support and query
 * divide every task (query: part), and users are drawn for validation and test. Parts such as train-support and test-query say
 * both.
 */
export interface PartSplit {
  protocol: 'parts';
  /** Fraction of the users that are trained on. Default: no more than the parts say. */
  validation?: number;
  /** Fraction of the users, where the parts are support and query alone. Default: no more than the parts say. */
  test?: number;
  /** Seed of the draws, and of the tasks unless they have one of their own. Default: 0. */
  seed?: number;
  /** How the rows of a user become support and query. */
  tasks: Omit<TaskOptions, 'rows'>;
}

/** Users × items, each existing or new: train, userCold, itemCold, bothCold (MeLU’s protocol). */
export interface PartitionSplit {
  protocol: 'partitions';
  /** Users that training does not see. */
  newUsers: Selector;
  /** Items that training does not see. */
  newItems: Selector;
  /** Chosen among the existing users and items; their rows leave the training set. Default: no validation sets. */
  validation?: {
    /** Users held out for validation. */
    users: Selector;
    /** Items held out for validation. */
    items: Selector;
  };
  /**
   * Share of the training tasks whose query rows are held out of training, as the set warm: existing users with existing items.
   * Default: no such set.
   */
  warm?: number;
  /** Seed of the selections, and of the tasks unless they have one of their own. Default: 0. */
  seed?: number;
  /** How the rows of a user become support and query. */
  tasks: Omit<TaskOptions, 'rows'>;
}

/** How the data becomes training, validation and test tasks. */
export type SplitOptions = UserSplit | TaskSplit | TimeSplit | PartSplit | PartitionSplit;

/** Options of `nestedSupport`. */
export interface NestedOptions {
  /**
   * Which support rows come first: drawn at random, the first ones of the support, as a new user gives them, or the last ones,
   * the most recent. First and last go by time in tasks built with order time, else by row. Default: random.
   */
  order?: 'random' | 'first' | 'last';
  /** Seed of the draw. Default: 0. */
  seed?: number;
}

/** Options of `sampleTasks`. */
export interface SampleOptions {
  /** How many tasks; all where there are no more. */
  count: number;
  /** Seed of the draw. Default: 0. */
  seed?: number;
}

/** Options of `writeShards`. */
export interface ShardOptions {
  /** How users become training, validation and test tasks, as in splitTasks. */
  split: UserSplit;
  /** Interactions of a shard; as many more as its last task has. Default: 1048576. */
  rows?: number;
  /** Bytes that DuckDB may hold while it sorts; it writes the rest to temporary. Default: 1073741824. */
  memory?: number;
  /** Folder for what DuckDB writes meanwhile. Default: the folder of the shards. */
  temporary?: string;
  /** Whether shards that the folder has are written over. Default: false. */
  overwrite?: boolean;
  /** Folder that relative paths start from, in `from` and in SQL. Default: the process’s working directory. */
  baseDirectory?: string;
  /** DuckDB’s threads; the shards do not depend on it. Default: all cores. */
  threads?: number;
  /** Ends the writing with ABORTED. */
  signal?: AbortSignal;
  /** Called with the share of the interactions that is written, once they are sorted. */
  onProgress?: (progress: number) => void;
}

/** Options of `openShards`. */
export interface OpenShardsOptions {
  /** Shards whose tasks an epoch shuffles together. Twice as many are held. Default: 8. */
  window?: number;
}
