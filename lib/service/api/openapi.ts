/** Makes the OpenAPI 3.1 document from the schemas that requests are checked against. */
import { NAMES, OPERATIONS } from './operations.js';
import type { Operation } from './operations.js';
import { KINDS } from '../state/transfer.js';
import { failure, importReport } from './schemas.js';

const json = (schema: object) => ({ 'application/json': { schema } });
/** The description of each status of failure. */
const FAILURES = {
  400: 'The request is wrong; the error names the field.',
  401: 'The request has no token, or a wrong one.',
  403: 'The service has no token and was addressed by another name than localhost.',
  404: 'There is nothing with this id.',
  429: 'Too many requests are running; try again later.',
  503: 'The request was not finished within the time-out, or the service is ending; try again later.',
};
type Failing = keyof typeof FAILURES;

function answers(content: object, failing: readonly Failing[]): object {
  return {
    200: { description: 'Done.', content },
    ...Object.fromEntries(failing.map((status) => [status, { description: FAILURES[status], content: json(failure) }])),
  };
}

/** The statuses with which a route may fail. @param takesAnything whether it has a body or parameters */
function failing(
  { isOpen, isPublic, isFindable }: Pick<Operation, 'isOpen' | 'isPublic' | 'isFindable'>,
  takesAnything: boolean,
  hasToken: boolean,
): Failing[] {
  const all: readonly [Failing, boolean][] = [
    [400, takesAnything],
    [401, hasToken && isPublic !== true],
    [403, !hasToken],
    [404, isFindable === true],
    [429, isOpen !== true],
    [503, isOpen !== true],
  ];
  return all.filter(([, may]) => may).map(([status]) => status);
}

function pathItem(name: string, operation: Operation, hasToken: boolean): object {
  const { path, summary, body, query, answer, tag, isPublic } = operation;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => ({
      name: parameter,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(query ?? {}).map(([parameter, schema]) => ({ name: parameter, in: 'query', schema })),
  ];
  return {
    operationId: name,
    summary,
    tags: [tag],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: true, content: json(body) } }),
    responses: {
      ...answers(json(answer), failing(operation, body !== undefined || parameters.length > 0, hasToken)),
      ...(name === 'ready' && { 503: { description: 'The service is ending.', content: json(answer) } }),
    },
    ...(hasToken && isPublic === true && { security: [] }),
  };
}

/**
 * Makes the OpenAPI document.
 * @param isKept whether the service keeps a state
 * @param hasToken whether requests need a token
 */
export function openApi(version: string, isKept: boolean, hasToken: boolean): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const name of NAMES) {
    const operation: Operation = OPERATIONS[name];
    if (operation.needsState === true && !isKept) continue;
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = pathItem(name, operation, hasToken);
  }
  if (isKept) {
    const kind = {
      name: 'kind',
      in: 'path',
      required: true,
      schema: { type: 'string', enum: KINDS },
    };
    const lines = { 'application/x-ndjson': { schema: { type: 'string' } } };
    paths['/import/{kind}'] = {
      post: {
        operationId: 'import',
        summary:
          'Imports JSON Lines in one transaction. A wrong row stops the import; with errors=skip it is left out.',
        tags: ['data'],
        parameters: [kind, { name: 'errors', in: 'query', schema: { type: 'string', enum: ['stop', 'skip'] } }],
        requestBody: { required: true, content: lines },
        responses: {
          ...answers(json(importReport), failing({}, true, hasToken)),
          422: { description: 'Some rows are wrong, and nothing was loaded.', content: json(importReport) },
        },
      },
    };
    paths['/export/{kind}'] = {
      get: {
        operationId: 'export',
        summary: 'Exports all rows as JSON Lines, which an import can read.',
        tags: ['data'],
        parameters: [kind],
        responses: answers(lines, failing({ isOpen: true }, true, hasToken)),
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'innerloop', version, description: 'Recommendations that adapt to a person inside the request.' },
    paths,
    ...(hasToken && {
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    }),
  };
}
