/** A cache of personal models, limited by number and by memory; the least recently used are evicted first. */

interface Entry<P> {
  person: Promise<P>;
  bytes: number;
}

/** Bytes counted for each entry besides its model: its places in the tables. */
const OVERHEAD = 512;

export class People<P> {
  readonly #entries = new Map<string, Entry<P>>();
  readonly #maxPeople: number;
  readonly #maxBytes: number;
  readonly #bytesOf: (person: P) => number;
  #bytes = 0;
  #evicted = 0;

  constructor(limits: { maxPeople: number; maxBytes: number }, bytesOf: (person: P) => number) {
    this.#maxPeople = limits.maxPeople;
    this.#maxBytes = limits.maxBytes;
    this.#bytesOf = bytesOf;
  }

  get held(): { people: number; bytes: number; evicted: number } {
    return { people: this.#entries.size, bytes: this.#bytes, evicted: this.#evicted };
  }

  /** The person of an id. If it is not held, `make` is called, once for all requests that wait for it. */
  get(id: string, make: () => Promise<P>): Promise<P> {
    const held = this.#entries.get(id);
    if (held !== undefined) {
      this.#entries.delete(id);
      this.#entries.set(id, held);
      return held.person;
    }
    const entry: Entry<P> = { person: make(), bytes: OVERHEAD };
    this.#entries.set(id, entry);
    this.#bytes += OVERHEAD;
    entry.person.then(
      (person) => {
        // The entry was removed meanwhile because something changed: waiting requests get this person, but it is not held.
        if (this.#entries.get(id) !== entry) return;
        const bytes = OVERHEAD + this.#bytesOf(person);
        this.#bytes += bytes - entry.bytes;
        entry.bytes = bytes;
        this.#evict();
      },
      () => {
        if (this.#entries.get(id) === entry) this.#remove(id, entry);
      },
    );
    this.#evict();
    return entry.person;
  }

  forget(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#remove(id, entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #remove(id: string, entry: Entry<P>): void {
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
  }

  #evict(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxPeople && this.#bytes <= this.#maxBytes) return;
      this.#remove(id, entry);
      this.#evicted++;
    }
  }
}
