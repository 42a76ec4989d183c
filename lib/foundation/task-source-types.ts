/** Tasks that are read when they are needed. */
import type { Dataset, TaskSet } from './contract.js';

/** How many rows a task has. */
export interface TaskSize {
  /** Support rows. */
  support: number;
  /** Query rows. */
  query: number;
}

/** Tasks that are read when they are needed: those of a task set (`taskSource`), or of shards on disk (`openShards`). */
export interface TaskSource {
  /** Number of tasks. */
  readonly size: number;
  /** Users and items with their ids and features. Interactions come with the tasks that are read. */
  readonly tables: Dataset;
  /** How many rows a task has, known without reading it. */
  sizeOf(task: number): TaskSize;
  /**
   * Reads tasks by their numbers, in the order given: a task set whose dataset has the columns of at least their interactions and
   * the very tables of the source. The rows of a task keep one order, whatever is read with it.
   */
  read(tasks: Int32Array): TaskSet | Promise<TaskSet>;
  /** Called with tasks that are going to be read, while others are at work. */
  readAhead?(tasks: Int32Array): void;
  /** Tasks that are stored together. Without it any order of reading is as good as another. */
  readonly shards?: TaskShards;
  /** What training asks of all rows before it reads any. Default: found out by reading all of them once. */
  readonly statistics?: TaskStatistics;
  /** Bytes that reading takes at most. Default: none beside the tasks that are asked for. */
  readonly readingBytes?: number;
  /** How so many processes read the tasks where each owns some of the shards. Default: each of them reads all. */
  readonly share?: (processes: number) => SharedTasks;
  /** Support and query are as the data says, so that no epoch draws them anew. */
  readonly prescribed?: boolean;
}

/** Tasks in shards that are read by several processes: each reads the shards that it owns and hands their rows to the others. */
export interface SharedTasks {
  /** Bytes that reading takes at most in each of the processes. */
  readonly readingBytes: number;
  /** Reads tasks of one's own shards: their rows as bytes, in the order given. */
  read(tasks: Int32Array): Promise<Uint8Array>;
  /** Called with tasks of one's own shards that are going to be read. */
  readAhead(tasks: Int32Array): void;
  /**
   * The tasks `from … to − 1` of those given, in their order, as `TaskSource.read` returns them.
   *
   * @param owners by task, the process that has read it
   * @param bytes by process, what `read` gave there for its tasks among these
   */
  assemble(tasks: Int32Array, owners: Int32Array, bytes: readonly Uint8Array[], from: number, to: number): TaskSet;
}

/** Which tasks are stored together, and how an epoch goes through them: shards are shuffled, then the tasks within a window of them. */
export interface TaskShards {
  /** Shard s has the tasks `offsets[s] … offsets[s + 1] − 1`. */
  readonly offsets: Int32Array;
  /** Shards whose tasks are shuffled together. */
  readonly window: number;
}

/** What is known of all support and query rows of some tasks. */
export interface TaskStatistics {
  /** Number of tasks. */
  readonly tasks: number;
  /** Number of support and query rows of all tasks. */
  readonly rows: number;
  /** The task with the most rows. */
  readonly largest: TaskSize;
  /** The task with the most support rows. */
  readonly largestSupport: TaskSize;
  /** What the labels of all rows are. */
  readonly labels: {
    readonly sum: number;
    readonly min: number;
    readonly max: number;
    /** One that is not a whole number, if any is. */
    readonly fraction?: number;
    /** Whether all are multiples of 0.05. */
    readonly isScale: boolean;
  };
  /** Whether some row has a weight above 0; undefined where rows have no weights. */
  readonly weighted?: boolean;
  /** Rows of each user row of the tables. */
  readonly userRows: Int32Array;
  /** Rows of each item row of the tables. */
  readonly itemRows: Int32Array;
  /** Sum of the labels of each item row. */
  readonly itemLabels: Float64Array;
  /** A hash of all that is read: ids, labels, times and weights, and which rows are support. */
  readonly digest: string;
}
