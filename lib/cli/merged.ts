/** One configuration on top of another. */

/**
 * `changes` on top of `base`, objects option by option. Lists and single values replace; so does an object of another `name`
 * or `kind`, since an algorithm's options mean nothing to another one; and a `body` replaces `hidden`, and the other way round.
 */
export function merged(base: unknown, changes: unknown): unknown {
  if (!isObject(base) || !isObject(changes)) return changes;
  for (const tag of ['name', 'kind']) if (changes[tag] !== undefined && changes[tag] !== base[tag]) return changes;
  const result = { ...base };
  if (changes['body'] !== undefined) for (const short of ['hidden', 'activation']) delete result[short];
  if (changes['hidden'] !== undefined) delete result['body'];
  for (const [key, value] of Object.entries(changes)) result[key] = key in result ? merged(result[key], value) : value;
  return result;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
