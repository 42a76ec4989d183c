/** What a call throws that its signal has stopped. */
import { InnerloopError } from './errors.js';

/** @internal */
export const aborted = (signal: AbortSignal, what = 'the operation was aborted', field?: string): InnerloopError =>
  new InnerloopError('ABORTED', what, { field, cause: signal.reason });

/** @internal @throws {InnerloopError} ABORTED if the signal has fired */
export function checkNotAborted(signal: AbortSignal | undefined, what?: string, field?: string): void {
  if (signal?.aborted === true) throw aborted(signal, what, field);
}
