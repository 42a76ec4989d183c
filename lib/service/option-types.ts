/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `serve`. */
export interface ServeOptions {
  /** Path of a file that `saveLearner` wrote. */
  model: string;
  /** Where the state is kept: a file for SQLite, `postgres://…`, or `none`: then requests must bring their interactions. */
  state: string;
  /** Address to listen on; one that other machines can reach needs a token. Default: 127.0.0.1. */
  host?: string;
  /** Port to listen on; 0 takes a free one. Default: 8080. */
  port?: number;
  /** Bearer token that requests must send; needed if other machines can reach the service. Default: none. */
  token?: string;
  /** Threads that a call may use; results do not depend on it. Default: all hardware threads. */
  threads?: number;
  /** Where the model runs. Default: cpu. */
  device?: 'cpu' | 'cuda' | 'auto';
  /** Worker threads that compute answers, each with the model; 0 computes them in the thread of the server. Default: 0. */
  workers?: number;
  /** The most personal models that are held in memory. Default: 100000. */
  maxPeople?: number;
  /** Megabytes of memory that personal models may take. Default: a quarter of the memory that is free at the start. */
  maxMemory?: number;
  /** How many of a person's latest interactions the model adapts to. Default: 200. */
  maxHistory?: number;
  /** Requests that may run at a time; more are refused with status 429. Default: 256. */
  maxRequests?: number;
  /** Milliseconds after which a request is aborted. Default: 10000. */
  timeout?: number;
  /** What is logged; `info` logs every request. Default: info. */
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Days after which interactions and recommendations are deleted. Default: never. */
  retention?: number;
  /** Feature of people whose value is the group in which popularity is counted. Default: none. */
  segmentBy?: string;
  /** A list of experiments: { name, variants: [{ name, share, options }], successFrom }. */
  experiments?: unknown;
  /** Whether to serve, at `/`, a page on which a visitor rates items and sees the list change. Default: false. */
  page?: boolean;
}
