/** Turns errors into HTTP statuses and bodies. */
import type { ErrorCode } from '../../foundation/errors.js';
import { InnerloopError } from '../../foundation/errors.js';
import { LIMITS } from '../api/schemas.js';

/** Statuses of errors after which the same request may succeed later. */
const LATER: Partial<Record<ErrorCode, number>> = { ABORTED: 503, BUSY: 429 };
/** Errors that the request caused; they are answered with status 400. */
const THEIRS = new Set<ErrorCode>([
  'INVALID_OPTION',
  'UNKNOWN_OPTION',
  'INVALID_DATA',
  'EMPTY_DATA',
  'UNSUPPORTED',
  'DIVERGED',
]);

const FAILED = 'the service failed; its log has the details under this request id';

/** What to say in place of the framework's messages, which do not tell what to do. */
const FRAMEWORK: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY:
    'body: not JSON; NaN, Infinity and a comma before a bracket are none, and a key __proto__ is refused',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'body: empty; expected a JSON object, such as {}',
  FST_ERR_CTP_BODY_TOO_LARGE: `body: more than ${LIMITS.body / 2 ** 20} MiB; expected a smaller request, or JSON Lines sent to /import, which have no limit`,
  FST_ERR_CTP_INVALID_MEDIA_TYPE:
    'body: of another type; expected the header content-type: application/json, or application/x-ndjson for /import',
  FST_ERR_MAX_PARAM_LENGTH: 'an id of the address is too long',
  FST_ERR_BAD_URL: 'the address is not a valid URL',
};

export interface Failure {
  status: number;
  error: { code: string; message: string; field?: string; expected?: string; requestId?: string };
}

interface FastifyFault extends Error {
  statusCode?: number;
  code?: string;
  validation?: { instancePath: string; message?: string; keyword: string; params: Record<string, unknown> }[];
}

/**
 * The answer to a failed request. It tells nothing about errors inside the service.
 * @param requestId under which the log has the full error
 */
export function failureOf(error: unknown, requestId: string): Failure {
  if (error instanceof InnerloopError) {
    const { code, expected } = error;
    // In a request there are no objects of these names.
    const own = (text: string) => text.replace(/^(options|support)\./, '');
    const [message, field] = [own(error.message), error.field && own(error.field)];
    const status = 'status' in error ? Number(error.status) : (LATER[code] ?? (THEIRS.has(code) ? 400 : 500));
    if (status === 500) return { status, error: { code, message: FAILED, requestId } };
    return { status, error: { code, message, ...(field && { field }), ...(expected && { expected }) } };
  }
  const fault = error as FastifyFault;
  const [wrong] = fault.validation ?? [];
  if (wrong !== undefined) {
    const { additionalProperty, missingProperty } = wrong.params as Record<string, string | undefined>;
    const field = [...wrong.instancePath.split('/').slice(1), additionalProperty ?? missingProperty]
      .filter((part) => part !== undefined)
      .join('.')
      .replace(/\.(\d+)(?=\.|$)/g, '[$1]');
    const code = additionalProperty === undefined ? 'INVALID_OPTION' : 'UNKNOWN_OPTION';
    return { status: 400, error: { code, message: `${field === '' ? 'body' : field}: ${wrong.message}`, field } };
  }
  const known = FRAMEWORK[fault.code ?? ''];
  if (known !== undefined) return { status: fault.statusCode ?? 400, error: { code: 'INVALID_DATA', message: known } };
  if (fault.statusCode !== undefined && fault.statusCode < 500)
    return { status: fault.statusCode, error: { code: fault.code ?? 'HTTP', message: fault.message } };
  return { status: 500, error: { code: 'INTERNAL', message: FAILED, requestId } };
}
