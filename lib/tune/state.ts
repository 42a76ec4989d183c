/** Keeps the measurements of a search in a file, which is replaced as a whole after every measurement. */
import { createHash } from 'node:crypto';
import { lockFile, readWhole, writeDurable } from '../files/durable.js';
import { InnerloopError } from '../foundation/errors.js';
import { allGatherJson } from '../foundation/process-group.js';
import type { ProcessGroup } from '../foundation/process-group.js';
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

  /** What everyone who shares the search has to know of it. */
  get plan(): { identity: string; trials: Trial[] } {
    return { identity: this.#identity, trials: [...this.#trials.values()] };
  }

  /** Takes what another process has measured. */
  take(trials: readonly Trial[]): void {
    for (const trial of trials) this.#trials.set(nameOf(trial), trial);
  }

  find(wanted: Named): Trial | undefined {
    return this.#trials.get(nameOf(wanted));
  }

  async add(trial: Trial): Promise<void> {
    this.#trials.set(nameOf(trial), trial);
    if (this.#path === undefined) return;
    const path = this.#path;
    this.#writing = this.#writing.then(() => {
      return writeDurable(path, [Buffer.from(`${JSON.stringify(this.plan, undefined, 1)}\n`)]);
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
    this.take(document.trials as Trial[]);
  }
}

type Opening = TuneState['plan'] & { failed?: string };

/**
 * Opens the state of a search: for all processes that share it, that of rank 0, which alone keeps the file.
 *
 * @internal
 * @throws {InnerloopError} as {@link TuneState.open}; RANK where rank 0 cannot, or searches for something else
 */
export async function openState(
  path: string | undefined,
  plan: string,
  group: ProcessGroup | undefined,
): Promise<TuneState> {
  if (group === undefined) return TuneState.open(path, plan);
  const at = 'the beginning of the search';
  const tell = (note: Partial<Opening>) => allGatherJson(group, note, at);
  const leads = group.rank === 0;
  let state: TuneState;
  try {
    state = await TuneState.open(leads ? path : undefined, plan);
  } catch (error) {
    // Whoever shares the search waits to hear of it.
    await tell({ failed: (error as Error).message }).catch(() => undefined);
    throw error;
  }
  try {
    const [{ failed, identity, trials = [] }] = await tell(leads ? state.plan : {});
    const expected = 'the same search by all processes: options, data, version and instruction set';
    const field = `rank ${group.rank}`;
    if (failed !== undefined) throw new InnerloopError('RANK', `rank 0 cannot begin: ${failed}`, { field, expected });
    if (identity !== state.plan.identity)
      throw new InnerloopError('RANK', 'searches for something else than the process of rank 0', { field, expected });
    if (!leads) state.take(trials);
    return state;
  } catch (error) {
    await state.close();
    throw error;
  }
}
