import { InnerloopError } from '../foundation/errors.js';

/** Runs a stage; where it names an option in its own way, the error names it as the configuration does. */
export async function named<R>(pattern: RegExp, replacement: string, stage: () => Promise<R>): Promise<R> {
  try {
    return await stage();
  } catch (error) {
    throw withField(error, pattern, replacement);
  }
}

/** Runs a stage that does not wait, with its errors named in the same way. */
export function renamed<R>(pattern: RegExp, replacement: string, stage: () => R): R {
  try {
    return stage();
  } catch (error) {
    throw withField(error, pattern, replacement);
  }
}

/** Gives the error with its field as the configuration names it, and any other error as it is. */
export function withField(error: unknown, pattern: RegExp, replacement: string): unknown {
  if (!(error instanceof InnerloopError) || error.field === undefined || !pattern.test(error.field)) return error;
  const { code, field, value, expected } = error;
  const what = error.message.slice(`${field}: `.length).split('; got ')[0].split('; expected ')[0];
  const details = { field: field.replace(pattern, replacement), expected, cause: error };
  return new InnerloopError(code, what, value === undefined ? details : { ...details, value });
}
