/** Ends requests that take too long. */
import { setMaxListeners } from 'node:events';
import { InnerloopError } from '../../foundation/errors.js';

/** The part of the time-out within which requests share a signal and a timer. */
const PART = 1 / 64;

/** Requests that began at about the same time. */
class Group {
  readonly controller = new AbortController();
  /** What fails each of those that are not answered yet. */
  readonly fail = new Set<(error: Error) => void>();
}

/**
 * Gives requests a time-out. An AbortController and a timer for each request would be a tenth of what it allocates, and outlive it until
 * the next collection of garbage, so that requests share those of a group.
 */
export class TimeLimit {
  readonly #timeout: number;
  #group: Group | undefined;

  /** @param timeout milliseconds; a request may take a sixty-fourth more */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Runs work. At the time-out the request fails at once, even if the work cannot be stopped. */
  async run<X>(work: (signal: AbortSignal) => Promise<X> | X): Promise<X> {
    const { controller, fail } = (this.#group ??= this.#open());
    let failThis: (error: Error) => void;
    const late = new Promise<never>((_, reject) => fail.add((failThis = reject)));
    try {
      return await Promise.race([work(controller.signal), late]);
    } finally {
      fail.delete(failThis!);
    }
  }

  #open(): Group {
    const group = new Group();
    // Node warns of more than ten; of requests there are no more than the service lets in.
    setMaxListeners(0, group.controller.signal);
    const part = PART * this.#timeout;
    setTimeout(() => (this.#group = undefined), part).unref();
    setTimeout(() => {
      if (group.fail.size === 0) return;
      group.controller.abort();
      for (const fail of group.fail) fail(new InnerloopError('ABORTED', `not finished within ${this.#timeout} ms`));
    }, part + this.#timeout).unref();
    return group;
  }
}
