/** Stable machine-readable codes; a code is never renamed or reused. */
export type ErrorCode =
  | 'INVALID_OPTION' // an option, model or batch field has a wrong type, range, shape or name
  | 'UNKNOWN_OPTION' // a field that does not exist; the message names the nearest one that does
  | 'MISSING_FILE' // a data, config or model file cannot be opened
  | 'MISSING_COLUMN' // a mapped column does not exist in the source
  | 'EMPTY_DATA' // a source, task set or batch holds nothing to work on
  | 'INVALID_DATA' // a value in the data breaks a documented rule (text for a number, NaN, duplicate …)
  | 'UNSUPPORTED' // asked for something this build, model or machine cannot do
  | 'MODEL_FILE' // a saved model or checkpoint is damaged or does not fit
  | 'DIVERGED' // a loss or gradient is not finite
  | 'ABORTED' // the AbortSignal fired
  | 'DISPOSED' // the object was closed
  | 'BUSY' // so many calls of a learner wait or are at work that another one would only wait
  | 'NATIVE' // the native core failed to load or broke an invariant
  | 'RANK' // another process of a run on several is silent, has failed or was started differently
  | 'CUDA_PACKAGE' // device cuda: the package innerloop-cuda is not there, or its library does not load
  | 'CUDA_DRIVER' // there is no driver, or it does not start
  | 'CUDA_DRIVER_VERSION' // the driver is too old; the message has the version found and the one required
  | 'CUDA_DEVICE' // there is no device
  | 'CUDA_ARCHITECTURE' // the device's compute capability is too low
  | 'CUDA_INTERFACE' // the plugin is of another version
  | 'IO'; // the operating system refused a read or write

/** What an error says beside what is wrong. */
export interface ErrorDetails {
  /** Path of the offending field, column or file: `innerLoop.steps`, `ratings.csv:rating`. */
  field?: string;
  /** The offending value, shortened for display. */
  value?: unknown;
  /** What was expected instead. */
  expected?: string;
  /** The error that led to this one. */
  cause?: unknown;
}

/** The only error this package throws on purpose. `message` names the field, the value and what was expected. */
export class InnerloopError extends Error {
  /** What kind of error it is; see the page of error codes. */
  readonly code: ErrorCode;
  /** What is wrong, without field, value and what was expected. */
  readonly what: string;
  /** Path of the option or value that is wrong. */
  readonly field: string | undefined;
  /** What was given. */
  readonly value: unknown;
  /** What would have been right. */
  readonly expected: string | undefined;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    const parts = [details.field === undefined ? what : `${details.field}: ${what}`];
    if ('value' in details) parts.push(`got ${show(details.value)}`);
    if (details.expected !== undefined) parts.push(`expected ${details.expected}`);
    super(parts.join('; '), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = code === 'ABORTED' ? 'AbortError' : 'InnerloopError';
    this.code = code;
    this.what = what;
    this.field = details.field;
    this.value = details.value;
    this.expected = details.expected;
  }
}

/** Runs something whose errors tell their field under another name. */
export function renaming<R>(run: () => R, rename: (field: string | undefined) => string): R {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof InnerloopError)) throw error;
    throw new InnerloopError(error.code, error.what, {
      field: rename(error.field),
      value: error.value,
      ...(error.expected !== undefined && { expected: error.expected }),
      cause: error,
    });
  }
}

/** A short, one-line rendering of any value for an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${'length' in value ? String(value.length) : '?'})`;
  if (Array.isArray(value)) return value.length > 6 ? `array of ${value.length}` : `[${value.map(show).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value);
    return `{${keys.slice(0, 6).join(', ')}${keys.length > 6 ? ', …' : ''}}`;
  }
  return String(value);
}

/** The candidate nearest to `name` by edit distance, if near enough to be a misspelling. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `what`, with the candidate nearest to `name` where there is one near enough: the text of every such message. */
export function suggesting(what: string, name: string, candidates: readonly string[]): string {
  const near = nearest(name, candidates);
  return near === undefined ? what : `${what}; did you mean ${near}?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
