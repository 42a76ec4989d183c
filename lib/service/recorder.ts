/**
 * Records what was recommended, after the answer was sent, so that a list does not wait for the disk. A crash may lose the records
 * of the last moment; interactions are always written before they are acknowledged.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { EXPOSURES, textsOfExposures } from './experiments/experiments.js';
import { insertRows, RowTexts } from './state/row-texts.js';
import { RECOMMENDATIONS, textOfRecommendation } from './state/state.js';
import type { RecommendationRecord, State } from './state/state.js';

/** Milliseconds between two writes. */
const EVERY = 100;
/** The most records that may wait to be written; further ones are dropped and counted. */
const MOST = 20_000;

/** A list that was given, as the rows that are written of it. */
export interface GivenList {
  user: string | null;
  row: string;
  exposures: readonly string[];
}
export function givenList(record: RecommendationRecord): GivenList {
  return { user: record.user, row: textOfRecommendation(record), exposures: textsOfExposures(record) };
}

export class Recorder {
  readonly #state: State;
  readonly #lists = new RowTexts();
  readonly #exposures = new RowTexts();
  /** The people whose lists wait, and those whose lists are being written. */
  #people = new Set<string>();
  #written: ReadonlySet<string> = new Set();
  #writing: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  dropped = 0;

  constructor(state: State) {
    this.#state = state;
  }

  add({ user, row, exposures }: GivenList): void {
    if (this.#lists.count >= MOST) {
      this.dropped++;
      return;
    }
    this.#lists.add(row);
    for (const each of exposures) this.#exposures.add(each);
    if (user !== null) this.#people.add(user);
    this.#running ??= this.#run();
  }

  /** Writes what waits if it is of these people, so that interactions that answer a recommendation find it in the database. */
  async before(people: Iterable<string>): Promise<void> {
    for (const person of people) if (this.#people.has(person) || this.#written.has(person)) return this.flush();
  }

  /** Writes all that was added before the call. */
  async flush(): Promise<void> {
    // What is being written was taken before; another write, which somebody else may have begun, has the rest.
    await this.#writing;
    await (this.#lists.count > 0 ? this.#write() : this.#writing);
  }

  async #run(): Promise<void> {
    while (this.#lists.count > 0) {
      await wait(EVERY, undefined, { ref: false });
      await this.flush();
    }
    this.#running = undefined;
  }

  /** Writes all that waits, or waits for the write that runs. */
  #write(): Promise<void> {
    return (this.#writing ??= this.#writeOnce().finally(() => (this.#writing = undefined)));
  }

  async #writeOnce(): Promise<void> {
    const { kind } = this.#state.database;
    const { count } = this.#lists;
    [this.#written, this.#people] = [this.#people, new Set()];
    const statements = [insertRows(kind, RECOMMENDATIONS, this.#lists.take())];
    if (this.#exposures.count > 0) statements.push(insertRows(kind, EXPOSURES, this.#exposures.take()));
    try {
      await this.#state.writer.write(statements);
    } catch {
      this.dropped += count;
    }
    this.#written = new Set();
  }
}
