/**
 * Records what was recommended, after the answer was sent, so that a list does not wait for the disk. A crash may lose the records
 * of the last moment; interactions are always written before they are acknowledged.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Statement } from './state/database.js';
import { putRecommendation } from './state/state.js';
import type { RecommendationRecord, State } from './state/state.js';

/** Milliseconds between two writes. */
const EVERY = 200;
/** The most records that may wait to be written; further ones are dropped and counted. */
const MOST = 20_000;

export class Recorder {
  readonly #state: State;
  #waiting = new Map<string, { record: RecommendationRecord; more: readonly Statement[] }>();
  #writing = new Map<string, { record: RecommendationRecord; more: readonly Statement[] }>();
  /** The people whose records are not all written yet. */
  #people = new Set<string | null>();
  #running: Promise<void> | undefined;
  dropped = 0;

  constructor(state: State) {
    this.#state = state;
  }

  add(record: RecommendationRecord, more: readonly Statement[]): void {
    if (this.#waiting.size >= MOST) {
      this.dropped++;
      return;
    }
    this.#waiting.set(record.id, { record, more });
    this.#people.add(record.user);
    this.#running ??= this.#run();
  }

  /** Writes the waiting records of these people, so that interactions that answer a recommendation find it in the database. */
  async before(people: Iterable<string>): Promise<void> {
    for (const person of people) if (this.#people.has(person)) return this.flush();
  }

  async find(id: string): Promise<RecommendationRecord | undefined> {
    return (this.#waiting.get(id) ?? this.#writing.get(id))?.record ?? (await this.#state.recommendation(id));
  }

  /** Discards a person's records that are not written yet. */
  forget(person: string): void {
    for (const [id, { record }] of this.#waiting) if (record.user === person) this.#waiting.delete(id);
  }

  /** Writes all waiting records. */
  async flush(): Promise<void> {
    while (this.#waiting.size > 0 || this.#writing.size > 0) await this.#write();
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      await wait(EVERY, undefined, { ref: false });
      await this.#write();
    }
    this.#running = undefined;
  }

  #current: Promise<void> | undefined;
  #write(): Promise<void> {
    return (this.#current ??= this.#writeOnce().finally(() => (this.#current = undefined)));
  }

  async #writeOnce(): Promise<void> {
    this.#writing = this.#waiting;
    this.#waiting = new Map();
    try {
      const entries = [...this.#writing.values()];
      if (entries.length > 0)
        await this.#state.writer.write(entries.flatMap(({ record, more }) => [putRecommendation(record), ...more]));
    } catch {
      this.dropped += this.#writing.size;
    }
    this.#writing = new Map();
    this.#people = new Set([...this.#waiting.values()].map(({ record }) => record.user));
  }
}
