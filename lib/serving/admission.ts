/** How many calls of one learner may be at work or wait: those beyond are refused at once, so that a burst takes no more and more memory. */
import { checkInteger } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { Learner } from '../learner/learner.js';

declare module '../learner/learner.js' {
  interface Learner {
    /**
     * How many asynchronous calls for users (`adapt`, `adaptMany`, `me.predict`, `me.recommend` …) may be at work or wait at a time;
     * those beyond are refused with BUSY. Default 4096. A call for many users is one, and packs some hundred of them at a time.
     */
    maxCalls: number;
  }
}

/** Some tenths of a second of the work of two cores. */
const MAX_CALLS = 4096;

const calls = new WeakMap<Learner, { count: number; most: number }>();
function callsOf(learner: Learner) {
  let own = calls.get(learner);
  if (own === undefined) calls.set(learner, (own = { count: 0, most: MAX_CALLS }));
  return own;
}

Object.defineProperty(Learner.prototype, 'maxCalls', {
  get(this: Learner) {
    return callsOf(this).most;
  },
  set(this: Learner, most: unknown) {
    checkInteger(most, 'learner.maxCalls', 1);
    callsOf(this).most = most;
  },
});

/** @internal Runs one asynchronous call of a learner's users. @throws {InnerloopError} BUSY where `learner.maxCalls` are there already */
export async function admitted<R>(learner: Learner, call: () => Promise<R>): Promise<R> {
  const own = callsOf(learner);
  if (own.count >= own.most)
    throw new InnerloopError('BUSY', `${own.count} calls are at work or wait`, {
      field: 'learner.maxCalls',
      value: own.most,
      expected: 'fewer calls at a time: wait for some, put users together (adaptMany …), or a larger learner.maxCalls',
    });
  own.count++;
  try {
    return await call();
  } finally {
    own.count--;
  }
}
