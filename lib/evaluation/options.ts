import { InnerloopError, nearest, show } from '../errors.js';

/** Refuses a field that does not exist, naming the nearest that does. */
export function rejectUnknown(field: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new InnerloopError('INVALID_OPTION', 'not an object', { field, value: options, expected: 'an options object' });
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw unknown(`${field}.${name}`, name, known, 'option');
  }
}

/** The error for a misspelt name: what it could have been, and all that there is. */
export function unknown(field: string, name: string, known: readonly string[], noun: string): InnerloopError {
  const guess = nearest(name, known);
  return new InnerloopError('UNKNOWN_OPTION', `unknown ${noun}`, {
    field,
    value: name,
    expected: guess === undefined ? `one of ${known.join(', ')}` : `${show(guess)} perhaps`,
  });
}

/** A finite number in [low, high], or the option's default when it was not given. */
export function numberOption(
  field: string,
  value: number | undefined,
  standard: number,
  low = -Infinity,
  high = Infinity,
  integer = false,
): number {
  if (value === undefined) return standard;
  const fits = typeof value === 'number' && Number.isFinite(value) && value >= low && value <= high;
  if (fits && (!integer || Number.isInteger(value))) return value;
  const range = low === -Infinity ? '' : high === Infinity ? ` ≥ ${low}` : ` in [${low}, ${high}]`;
  throw new InnerloopError('INVALID_OPTION', 'out of range', {
    field,
    value,
    expected: `${integer ? 'an integer' : 'a finite number'}${range}`,
  });
}
