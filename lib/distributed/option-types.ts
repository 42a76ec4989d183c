/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `joinProcesses`. */
export interface JoinOptions {
  /** Seconds after which a process that does not answer is given up, and the others end with it. Default: 60. */
  timeout?: number;
  /** How many processes are meant to take part; another number is refused. Default: however many there are. */
  processes?: number;
}
