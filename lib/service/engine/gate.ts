/** Many readers or one writer: requests read the catalog together, and whoever changes it has it alone. */

export class Gate {
  #readers = 0;
  #isWriting = false;
  readonly #waiting: { isWriter: boolean; go: () => void }[] = [];

  async read<X>(work: () => Promise<X>): Promise<X> {
    // Behind a writer that waits, so that a stream of readers does not keep it out.
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

  /** Lets the next ones in, who are counted before they run. */
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
