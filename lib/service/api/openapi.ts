/** The OpenAPI 3.1 document, whose schemas are those that requests are checked by. */
import { NAMES, OPERATIONS } from './operations.js';
import type { Operation } from './operations.js';
import { failure, importReport } from './schemas.js';

const json = (schema: object) => ({ 'application/json': { schema } });
const FAILURES = {
  400: 'What is wrong with the request.',
  401: 'Without the token.',
  429: 'Too many requests at a time: later.',
  503: 'Too slow, or about to end.',
};

function answers(schema: object, hasId: boolean): object {
  const all: Record<string, string> = hasId ? { ...FAILURES, 404: 'Not there.' } : FAILURES;
  return {
    200: { description: 'Done.', content: json(schema) },
    ...Object.fromEntries(
      Object.entries(all).map(([status, description]) => [status, { description, content: json(failure) }]),
    ),
  };
}

function pathItem(name: string, { path, summary, body, query, answer, tag }: Operation): object {
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
    responses: answers(answer, path.includes('{id}')),
  };
}

/** @param isKept whether the service keeps state @param hasToken whether requests need one */
export function openApi(version: string, isKept: boolean, hasToken: boolean): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const name of NAMES) {
    const operation: Operation = OPERATIONS[name];
    if (operation.needsState === true && !isKept) continue;
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = pathItem(name, operation);
  }
  if (isKept) {
    const kind = {
      name: 'kind',
      in: 'path',
      required: true,
      schema: { type: 'string', enum: ['interactions', 'users', 'items'] },
    };
    const lines = { 'application/x-ndjson': { schema: { type: 'string' } } };
    paths['/import/{kind}'] = {
      post: {
        operationId: 'import',
        summary: 'Reads JSON Lines: all of them, or with errors=skip those that are right. Nothing is half-loaded.',
        tags: ['data'],
        parameters: [kind, { name: 'errors', in: 'query', schema: { type: 'string', enum: ['stop', 'skip'] } }],
        requestBody: { required: true, content: lines },
        responses: answers(importReport, true),
      },
    };
    paths['/export/{kind}'] = {
      get: {
        operationId: 'export',
        summary: 'All rows as JSON Lines, which an import reads.',
        tags: ['data'],
        parameters: [kind],
        responses: { 200: { description: 'Done.', content: lines } },
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
