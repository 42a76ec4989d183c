/** The HTTP server: routes of the operations, access, limits and time-outs. */
import { timingSafeEqual, createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { packageVersion } from '../../learner/manifest.js';
import { NAMES, OPERATIONS } from '../api/operations.js';
import type { Operation, OperationName } from '../api/operations.js';
import { openApi } from '../api/openapi.js';
import { LIMITS } from '../api/schemas.js';
import type { ServeOptions } from '../option-types.js';
import { missingPeer } from '../peers.js';
import type { Service } from '../service.js';
import { failureOf } from './errors.js';
import { handlers } from './handlers.js';
import { isLoopback } from './loopback.js';
import { Metrics } from './metrics.js';
import { TimeLimit } from './time-limit.js';
import { addTransfers } from './transfers.js';

export type AppOptions = { token: string | undefined } & Required<
  Pick<ServeOptions, 'maxRequests' | 'timeout' | 'logLevel'>
>;

export interface App {
  readonly fastify: FastifyInstance;
  readonly metrics: Metrics;
  /** Makes `/ready` answer 503 from now on, so that a load balancer sends no more requests. */
  drain(): void;
  close(): Promise<void>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: string;
    /** Whether the route is exempt from the limit of concurrent requests and from the time-out, as routes for operators are. */
    isOpen?: boolean | undefined;
    /** Whether the route is answered without the token. */
    isPublic?: boolean | undefined;
  }
}

export async function createApp(service: Service, options: AppOptions): Promise<App> {
  const { default: Fastify } = await import('fastify').catch((error: unknown) => {
    throw missingPeer('fastify', error);
  });
  const { token, maxRequests, timeout, logLevel } = options;
  const metrics = new Metrics();
  let isDraining = false;
  const fastify = Fastify({
    bodyLimit: LIMITS.body,
    // An id takes up to nine characters of a URL for each of its own.
    routerOptions: { maxParamLength: 9 * LIMITS.id },
    // Requests that no route is looked up for, such as those of broken URLs.
    frameworkErrors: (error, request, reply) => {
      const { status, error: answer } = failureOf(error, String(request.id));
      void (reply as FastifyReply).code(status).send({ error: answer });
    },
    // This limits the time to receive headers and body; the work on a request has its own time-out.
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false } },
    logger:
      logLevel === 'silent'
        ? false
        : {
            level: logLevel,
            serializers: {
              // URLs contain ids of people, so the log has the route only.
              req: (request: FastifyRequest) => ({ method: request.method, route: request.routeOptions?.url }),
            },
          },
  });
  // A form of another site could send text/plain without a CORS preflight request, but not JSON.
  fastify.removeContentTypeParser('text/plain');
  guard(fastify, token);
  limit(fastify, metrics, maxRequests);
  // A connection that stays open after its last answer would delay the end of the service until the client closes it.
  fastify.addHook('onSend', async (_, reply) => {
    if (isDraining) void reply.header('connection', 'close');
  });
  fastify.setErrorHandler((error, request, reply) => {
    const { status, error: answer } = failureOf(error, String(request.id));
    if (status >= 500 && answer.code !== 'ABORTED') request.log.error({ err: error }, 'request failed');
    return reply.code(status).send({ error: answer });
  });
  fastify.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'NOT_FOUND',
        message: `no such address: ${request.method} ${request.url}; GET /openapi.json describes all`,
      },
    }),
  );
  const limited = new TimeLimit(timeout);
  for (const name of NAMES) addRoute(fastify, service, metrics, name, limited, () => isDraining);
  fastify.get('/openapi.json', () => openApi(packageVersion(), service.state !== undefined, token !== undefined));
  fastify.get('/metrics', { config: { isOpen: true } }, (_, reply) =>
    reply.type('text/plain; version=0.0.4').send(metrics.text(service)),
  );
  if (service.state !== undefined) addTransfers(fastify, service, service.state, metrics);
  return {
    fastify,
    metrics,
    drain: () => (isDraining = true),
    close: async () => {
      isDraining = true;
      await fastify.close();
      metrics.close();
    },
  };
}

/** The signal of requests without a time-out. */
const { signal: unlimited } = new AbortController();

function addRoute(
  fastify: FastifyInstance,
  service: Service,
  metrics: Metrics,
  name: OperationName,
  limited: TimeLimit,
  isDraining: () => boolean,
): void {
  const operation: Operation = OPERATIONS[name];
  const { method, path, body, query, needsState, isOpen, isPublic } = operation;
  if (needsState === true && service.state === undefined) return;
  const handle = handlers[name];
  fastify.route({
    method,
    url: path.replace('{id}', ':id'),
    config: { operation: name, isOpen, isPublic },
    schema: {
      ...(body !== undefined && { body }),
      ...(query !== undefined && { querystring: { type: 'object', properties: query, additionalProperties: false } }),
    },
    handler: async (request, reply) => {
      if (name === 'ready' && isDraining()) void reply.code(503);
      const { id = '' } = (request.params ?? {}) as { id?: string };
      const run = (signal: AbortSignal) =>
        handle(service, { id, body: request.body, query: request.query as Record<string, string>, signal, metrics });
      return isOpen === true ? run(unlimited) : limited.run(run);
    },
  });
}

/** Lets in requests with the token; if the service has none, only requests that address this machine as localhost. */
function guard(fastify: FastifyInstance, token: string | undefined): void {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const wanted = token === undefined ? undefined : digest(`Bearer ${token}`);
  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    if (wanted !== undefined) {
      if (request.routeOptions.config.isPublic === true) return;
      // Comparing digests in constant time reveals nothing about the token.
      if (timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) return;
      return reply.code(401).send({
        error: {
          code: 'UNAUTHORIZED',
          message: 'the header authorization must be Bearer and the token of the service',
        },
      });
    }
    // This prevents DNS rebinding: a page of another site could reach the service under a name that resolves to this machine.
    const host = (request.headers.host ?? 'localhost').replace(/:\d+$/, '');
    if (isLoopback(host)) return;
    return reply.code(403).send({
      error: { code: 'FORBIDDEN', message: 'a service without a token answers only under the name localhost' },
    });
  });
}

/** Counts running requests and refuses further ones beyond the limit, because a queue would only make all of them late. */
function limit(fastify: FastifyInstance, metrics: Metrics, maxRequests: number): void {
  const started = new WeakMap<FastifyRequest, number>();
  fastify.addHook('onRequest', async (request, reply) => {
    if (reply.sent || request.routeOptions.config.isOpen === true) return;
    if (metrics.inFlight >= maxRequests) {
      metrics.count('refused_total');
      return reply
        .code(429)
        .header('retry-after', '1')
        .send({ error: { code: 'BUSY', message: `${maxRequests} requests are running: try again later` } });
    }
    metrics.inFlight++;
    started.set(request, performance.now());
  });
  const end = (request: FastifyRequest, status: number) => {
    const since = started.get(request);
    if (since === undefined) return;
    started.delete(request);
    metrics.inFlight--;
    metrics.request(request.routeOptions.config.operation ?? 'other', status, (performance.now() - since) / 1000);
  };
  fastify.addHook('onResponse', async (request, reply) => end(request, reply.statusCode));
  // A client that disconnects before the answer must not occupy a place for ever.
  fastify.addHook('onRequestAbort', async (request) => end(request, 499));
}
