/** Long work of the calling thread, written once: a generator yields wherever it may pause, and is run at once or in turns with the event loop. */
import { setImmediate } from 'node:timers/promises';
import { checkNotAborted } from './abort.js';

/** Work that may pause wherever it yields, which it does after at most a millisecond or so. */
export type Steps<R> = Generator<void, R, void>;

/** Milliseconds between two turns of the event loop. */
const TURN = 5;
/** Rows that are worked on between two pauses. */
const PIECE = 2048;

/** All of the work, now. @internal */
export function atOnce<R>(steps: Steps<R>): R {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in turns with the event loop. @internal @throws {InnerloopError} ABORTED */
export async function inTurns<R>(steps: Steps<R>, signal?: AbortSignal): Promise<R> {
  for (;;) {
    checkNotAborted(signal);
    const end = performance.now() + TURN;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < end);
    await setImmediate();
  }
}

/** Works on `count` rows by pieces. @param cost of a row: that of looking at one short text is 1 @internal */
export function* pieces(count: number, work: (from: number, to: number) => void, cost = 1): Steps<void> {
  const piece = Math.max(1, Math.floor(PIECE / cost));
  for (let from = 0; from < count; from += piece) {
    work(from, Math.min(count, from + piece));
    yield;
  }
}

/** Of a number that is copied or scaled. @internal */
export const NUMBER = 1 / 16;

/** A function over all entries of an array. @internal */
export function* mapped(from: Int32Array, to: (value: number, at: number) => number): Steps<Int32Array> {
  const result = new Int32Array(from.length);
  yield* pieces(
    from.length,
    (first, end) => {
      for (let i = first; i < end; i++) result[i] = to(from[i], i);
    },
    NUMBER,
  );
  return result;
}
