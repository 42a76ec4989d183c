/** Works on many values with few calls of the model at a time, because a learner refuses calls beyond `learner.maxCalls`. */

/** People of a batch that are worked on at a time. */
export const PEOPLE_AT_ONCE = 8;
/** Items of a list that are explained at a time. */
export const EXPLAINED_AT_ONCE = 2;

/** The results of `work` in the order of the values. After the first error no further value is begun. */
export async function mapAtOnce<T, R>(
  values: readonly T[],
  atOnce: number,
  work: (value: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(values.length);
  let next = 0;
  const lane = async () => {
    try {
      while (next < values.length) {
        const index = next++;
        results[index] = await work(values[index], index);
      }
    } catch (error) {
      next = values.length;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, lane));
  return results;
}
