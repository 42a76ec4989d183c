import { InnerloopError, suggesting } from './errors.js';

/** Option checks shared by all stages. Each names the field, the value and what was expected. */

export function invalid(field: string, what: string, value: unknown, expected: string): InnerloopError {
  return new InnerloopError('INVALID_OPTION', what, { field, value, expected });
}

/** Checks that `value` is a plain object whose keys are all in `allowed`. */
export function checkObject<T>(
  value: T,
  field: string,
  allowed: readonly string[],
): asserts value is T & Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw invalid(field, 'not an object', value, `an object with the fields ${allowed.join(', ')}`);
  }
  for (const key of Object.keys(value)) {
    if (allowed.includes(key)) continue;
    throw new InnerloopError('UNKNOWN_OPTION', suggesting('no such option', key, allowed), {
      field: `${field}.${key}`,
      expected: `one of ${allowed.join(', ')}`,
    });
  }
}

/** The error for a name that does not exist: the nearest that does, and all that there are. */
export function unknownName(field: string, what: string, name: string, known: readonly string[]): InnerloopError {
  return new InnerloopError('UNKNOWN_OPTION', suggesting(what, name, known), {
    field,
    value: name,
    expected: known.length === 0 ? 'none: there is nothing of the kind' : `one of ${known.join(', ')}`,
  });
}

export function checkString(value: unknown, field: string): asserts value is string {
  if (typeof value !== 'string' || value === '') {
    throw invalid(field, value === undefined ? 'missing' : 'not a name', value, 'a non-empty string');
  }
}

export function checkOneOf<T extends string>(value: unknown, field: string, allowed: readonly T[]): asserts value is T {
  if (allowed.some((name) => name === value)) return;
  const what = 'not one of the choices';
  throw invalid(
    field,
    typeof value === 'string' ? suggesting(what, value, allowed) : what,
    value,
    `one of ${allowed.join(', ')}`,
  );
}

export function checkInteger(
  value: unknown,
  field: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `an integer ≥ ${min}` : `an integer from ${min} to ${max}`;
    throw invalid(field, 'not a valid integer', value, range);
  }
}

/** Checks for a number strictly between 0 and 1, or from 0 where `zero` is true. */
export function checkFraction(value: unknown, field: string, zero = false): asserts value is number {
  if (typeof value !== 'number' || !(zero ? value >= 0 : value > 0) || value >= 1) {
    throw invalid(field, 'not a valid fraction', value, `a number ${zero ? '≥ 0' : '> 0'} and < 1`);
  }
}

export function checkBoolean(value: unknown, field: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalid(field, 'not a boolean', value, 'true or false');
}

export function checkArray(value: unknown, field: string, of: string): asserts value is unknown[] {
  if (!Array.isArray(value)) throw invalid(field, 'not an array', value, `an array of ${of}`);
}

/**
 * A copy of an object that holds data alone: no functions, no circles, no big integers, and not so deep that reading it
 * runs out of stack.
 */
export function checkPlain<T extends object>(value: T, field: string): T {
  const expected = 'an object of plain values';
  if (typeof value !== 'object' || (value as unknown) === null) throw invalid(field, 'not an object', value, expected);
  try {
    JSON.stringify(value);
    return structuredClone(value);
  } catch {
    throw invalid(field, 'holds what is no data', value, expected);
  }
}

/** Seeds are exact in JSON and in the generator's key. */
export function checkSeed(value: unknown, field: string): asserts value is number {
  checkInteger(value, field, 0);
}

/** Checks for a finite number from `min` (or above it, where `open`) to `max`. */
export function checkNumber(
  value: unknown,
  field: string,
  min = Number.NEGATIVE_INFINITY,
  max = Number.POSITIVE_INFINITY,
  open = false,
): asserts value is number {
  if (typeof value === 'number' && Number.isFinite(value) && (open ? value > min : value >= min) && value <= max)
    return;
  const low = min === Number.NEGATIVE_INFINITY ? '' : ` ${open ? '>' : '≥'} ${min}`;
  const high = max === Number.POSITIVE_INFINITY ? '' : ` ≤ ${max}`;
  throw invalid(field, 'not a valid number', value, `a finite number${low}${high}`);
}

export function checkFunction(value: unknown, field: string): void {
  if (typeof value !== 'function') throw invalid(field, 'not a function', value, 'a function');
}

export function checkSignal(value: unknown, field: string): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal))
    throw invalid(field, 'not a signal', value, 'an AbortSignal');
}
