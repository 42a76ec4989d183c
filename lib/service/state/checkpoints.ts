/**
 * Checkpoints of SQLite: pages are copied from the write-ahead log to the database file. SQLite makes them in a commit, which then takes
 * tens of milliseconds, and all writes behind it wait. Here another thread copies meanwhile. Only once in a while the writer copies the
 * few pages that were added meanwhile, because the log begins anew only when all of it was copied.
 */
import type { Row, Statement } from './database.js';

/** Milliseconds between two checkpoints while there are writes. */
const EVERY = 1000;
/** Pages of the log from which the writer makes an end of it. */
const LONG = 4000;

/** It waits neither for writers nor for readers, and copies what none of them needs in its place. */
const PASSIVE: Statement = { sql: 'PRAGMA wal_checkpoint(PASSIVE)', params: [] };

interface Sender {
  send(kind: 'all', statements: readonly Statement[]): Promise<Row[][]>;
}

export class Checkpoints {
  readonly #background: Sender;
  readonly #writer: Sender;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isDue = false;
  #isClosed = false;

  constructor(background: Sender, writer: Sender) {
    this.#background = background;
    this.#writer = writer;
  }

  /** To be called after a commit. */
  written(): void {
    this.#isDue = true;
    if (this.#timer !== undefined || this.#running !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#isDue) this.written();
      });
    }, EVERY).unref();
  }

  /** Begins no more checkpoints and waits for the one that runs. Closing the last connection makes a last one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#isDue = false;
    try {
      const [[row]] = await this.#background.send('all', [PASSIVE]);
      if (Number(row['log']) >= LONG) await this.#writer.send('all', [PASSIVE]);
    } catch {
      // The log is whole. A full disk, for example, is told to those who write; the next checkpoint copies all.
      this.#isDue = false;
    }
  }
}
