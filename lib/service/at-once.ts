/** Works on many values with few calls of the model at a time, because a learner refuses calls beyond `learner.maxCalls`. */
import { setImmediate } from 'node:timers/promises';

/** People of a batch that are worked on at a time. */
export const PEOPLE_AT_ONCE = 8;
/** Milliseconds of work after which other requests have a turn. */
const TURN = 4;
/** Items of a list that are explained at a time. */
export const EXPLAINED_AT_ONCE = 2;

/**
 * The results of `work` in the order of the values. After the first error no further value is begun. What `work` waits for may be at
 * hand, and a thousand people would be one turn of the event loop, so that it is left now and then.
 */
export async function mapAtOnce<T, R>(
  values: readonly T[],
  atOnce: number,
  work: (value: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(values.length);
  let next = 0;
  let since = performance.now();
  let turn: Promise<void> | undefined;
  const others = async () => {
    await setImmediate();
    [since, turn] = [performance.now(), undefined];
  };
  const lane = async () => {
    try {
      while (next < values.length) {
        const index = next++;
        results[index] = await work(values[index], index);
        if (turn !== undefined || performance.now() - since > TURN) await (turn ??= others());
      }
    } catch (error) {
      next = values.length;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, lane));
  return results;
}
