/** A fair readers-writer lock: requests read the catalog concurrently, and a change of it runs alone. */

export class Gate {
  #readers = 0;
  #isWriting = false;
  readonly #waiting: { isWriter: boolean; go: () => void }[] = [];

  async read<X>(work: () => Promise<X>): Promise<X> {
    // A reader waits behind a waiting writer, so that a stream of readers does not starve the writer.
    if (this.#isWriting || this.#waiting.length > 0) await this.#turn(false);
    else this.#readers++;
    try {
      return await work();
    } finally {
      this.#readers--;
      this.#next();
    }
  }

  async write<X>(work: () => X | Promise<X>): Promise<X> {
    if (this.#isWriting || this.#readers > 0 || this.#waiting.length > 0) await this.#turn(true);
    else this.#isWriting = true;
    try {
      return await work();
    } finally {
      this.#isWriting = false;
      this.#next();
    }
  }

  #turn(isWriter: boolean): Promise<void> {
    return new Promise((go) => this.#waiting.push({ isWriter, go }));
  }

  /** Lets the next waiting ones in; they are counted here, before they run. */
  #next(): void {
    while (this.#waiting.length > 0 && !this.#isWriting) {
      const [{ isWriter, go }] = this.#waiting;
      if (isWriter && this.#readers > 0) return;
      this.#waiting.shift();
      if (isWriter) this.#isWriting = true;
      else this.#readers++;
      go();
    }
  }
}
