/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `serve`. */
export interface ServeOptions {
  /** File that `saveLearner` wrote. */
  model: string;
  /** A file for SQLite, `postgres://…`, or `none`: then only requests that bring their interactions are answered. */
  state: string;
  /** Address to listen on: one that others reach needs a token. Default: 127.0.0.1. */
  host?: string;
  /** Port to listen on; 0: a free one. Default: 8080. */
  port?: number;
  /** What requests must bring; needed where others than this machine can reach the service. Default: none. */
  token?: string;
  /** Threads that a call may use; results do not depend on it. Default: all hardware threads. */
  threads?: number;
  /** Where the model runs. Default: cpu. */
  device?: 'cpu' | 'cuda' | 'auto';
  /** Personal models held at most. Default: 100000. */
  maxPeople?: number;
  /** Megabytes that personal models may take. Default: a quarter of the memory that is free at the start. */
  maxMemory?: number;
  /** Latest interactions of a person that are adapted to. Default: 200. */
  maxHistory?: number;
  /** Requests at work at a time; more are refused with 429. Default: 256. */
  maxRequests?: number;
  /** Milliseconds after which a request is given up. Default: 10000. */
  timeout?: number;
  /** What is logged: info is every request. Default: info. */
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** Days after which interactions are deleted. Default: never. */
  retention?: number;
  /** Column of people that divides them into groups for popularity. Default: none. */
  segmentBy?: string;
  /** A list of experiments: { name, variants: [{ name, share, options }], successFrom }. */
  experiments?: unknown;
  /** Also the page on which a visitor rates items and sees the list change, at `/`. Default: false. */
  page?: boolean;
}
