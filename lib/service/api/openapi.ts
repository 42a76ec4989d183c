/** The OpenAPI 3.1 document, whose schemas are those that requests are checked by. */
import { NAMES, OPERATIONS } from './operations.js';
import type { Operation } from './operations.js';
import { KINDS } from '../state/transfer.js';
import { failure, importReport } from './schemas.js';

const json = (schema: object) => ({ 'application/json': { schema } });
const FAILURES = {
  400: 'What is wrong with the request.',
  401: 'Without the token.',
  403: 'By another name than localhost, where the service has no token.',
  404: 'Not there.',
  429: 'Too many requests at a time: later.',
  503: 'Not done within the time-out, or the service ends: later.',
};
type Failing = keyof typeof FAILURES;

function answers(content: object, failing: readonly Failing[]): object {
  return {
    200: { description: 'Done.', content },
    ...Object.fromEntries(failing.map((status) => [status, { description: FAILURES[status], content: json(failure) }])),
  };
}

/** How a route may fail. */
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
      ...(name === 'ready' && { 503: { description: 'The service ends.', content: json(answer) } }),
    },
    ...(hasToken && isPublic === true && { security: [] }),
  };
}

/** @param isKept whether the service keeps state @param hasToken whether requests need one */
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
        summary: 'Reads JSON Lines: all of them, or with errors=skip those that are right. Nothing is half-loaded.',
        tags: ['data'],
        parameters: [kind, { name: 'errors', in: 'query', schema: { type: 'string', enum: ['stop', 'skip'] } }],
        requestBody: { required: true, content: lines },
        responses: {
          ...answers(json(importReport), failing({}, true, hasToken)),
          422: { description: 'A row is wrong, and nothing was loaded.', content: json(importReport) },
        },
      },
    };
    paths['/export/{kind}'] = {
      get: {
        operationId: 'export',
        summary: 'All rows as JSON Lines, which an import reads.',
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
