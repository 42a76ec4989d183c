/** Keeps the measurements of a search in a file, which is replaced as a whole after every measurement. */
import { createHash } from 'node:crypto';
import { lockFile, readWhole, writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Trial } from './tune.js';

type Named = Pick<Trial, 'index' | 'rung' | 'seed' | 'split'>;
const nameOf = ({ index, rung, seed, split }: Named) => `${index}.${rung}.${seed}.${split}`;

/** @internal */
export class TuneState {
  readonly #path: string | undefined;
  readonly #identity: string;
  readonly #lock: { release(): Promise<void> } | undefined;
  readonly #trials = new Map<string, Trial>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string | undefined, identity: string, lock?: { release(): Promise<void> }) {
    this.#path = path;
    this.#identity = identity;
    this.#lock = lock;
  }

  /**
   * Opens the state in a file, or an empty one in memory without a path.
   * @param plan a text of everything that the measurements depend on
   * @throws {InnerloopError} INVALID_DATA for the state of another search, IO
   */
  static async open(path: string | undefined, plan: string): Promise<TuneState> {
    const identity = createHash('sha256').update(plan).digest('hex');
    if (path === undefined) return new TuneState(undefined, identity);
    const state = new TuneState(path, identity, await lockFile(path));
    try {
      await state.#read(path);
    } catch (error) {
      await state.close();
      throw error;
    }
    return state;
  }

  find(wanted: Named): Trial | undefined {
    return this.#trials.get(nameOf(wanted));
  }

  async add(trial: Trial): Promise<void> {
    this.#trials.set(nameOf(trial), trial);
    if (this.#path === undefined) return;
    const path = this.#path;
    this.#writing = this.#writing.then(() => {
      const document = { identity: this.#identity, trials: [...this.#trials.values()] };
      return writeDurable(path, [Buffer.from(`${JSON.stringify(document, undefined, 1)}\n`)]);
    });
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.#lock?.release();
  }

  async #read(path: string): Promise<void> {
    let bytes: Uint8Array;
    try {
      bytes = await readWhole(path);
    } catch (error) {
      if (error instanceof InnerloopError && error.code === 'MISSING_FILE') return;
      throw error;
    }
    let document: { identity?: unknown; trials?: unknown } = {};
    try {
      document = JSON.parse(Buffer.from(bytes).toString()) as typeof document;
    } catch {
      // A file that is not JSON is refused below.
    }
    if (document.identity !== this.#identity || !Array.isArray(document.trials)) {
      throw new InnerloopError('INVALID_DATA', 'is not the state of this search', {
        field: path,
        expected:
          'the file of a search with the same space, options and identity; another file, or that one deleted, to start anew',
      });
    }
    for (const trial of document.trials as Trial[]) this.#trials.set(nameOf(trial), trial);
  }
}
