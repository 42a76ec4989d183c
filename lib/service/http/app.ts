/** The operations over HTTP: checks, limits, time-outs, and who may ask. */
import { timingSafeEqual, createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { InnerloopError } from '../../foundation/errors.js';
import type { Resolved } from '../../foundation/options.js';
import { packageVersion } from '../../learner/manifest.js';
import { NAMES, OPERATIONS } from '../api/operations.js';
import type { Operation, OperationName } from '../api/operations.js';
import { openApi } from '../api/openapi.js';
import type { SERVE_OPTIONS } from '../options.js';
import { missingPeer } from '../peers.js';
import type { Service } from '../service.js';
import { failureOf } from './errors.js';
import { handlers } from './handlers.js';
import { isLoopback } from './loopback.js';
import { Metrics } from './metrics.js';
import { addTransfers } from './transfers.js';

export type AppOptions = Pick<Resolved<typeof SERVE_OPTIONS>, 'token' | 'maxRequests' | 'timeout' | 'logLevel'>;

/** Bytes of a body; imports are read as they come and have no limit. */
const BODY = 8 * 2 ** 20;

export interface App {
  readonly fastify: FastifyInstance;
  readonly metrics: Metrics;
  /** From now on `/ready` says that it should be sent no more. */
  drain(): void;
  close(): Promise<void>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: string;
    /** Of the operator: neither limited nor timed. */
    isOpen?: boolean | undefined;
    /** Answered without the token too. */
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
    bodyLimit: BODY,
    // Headers and body of a request; the work on it has a time-out of its own.
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
              // The address names people: the log has the route.
              req: (request: FastifyRequest) => ({ method: request.method, route: request.routeOptions?.url }),
            },
          },
  });
  // A form of another site can send text, but no JSON without asking first.
  fastify.removeContentTypeParser('text/plain');
  guard(fastify, token);
  limit(fastify, metrics, maxRequests);
  fastify.setErrorHandler((error, request, reply) => {
    const { status, error: answer } = failureOf(error, String(request.id));
    if (status >= 500 && answer.code !== 'ABORTED') request.log.error({ err: error }, 'request failed');
    return reply.code(status).send({ error: answer });
  });
  fastify.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: { code: 'NOT_FOUND', message: `no such address: ${request.method} ${request.url}` } }),
  );
  for (const name of NAMES) addRoute(fastify, service, metrics, name, timeout, () => isDraining);
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

function addRoute(
  fastify: FastifyInstance,
  service: Service,
  metrics: Metrics,
  name: OperationName,
  timeout: number,
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
      return within(isOpen === true ? undefined : timeout, (signal) =>
        handle(service, { id, body: request.body, query: request.query as Record<string, string>, signal, metrics }),
      );
    },
  });
}

/** Work that is given up after some time, and answered then even where it cannot be stopped. */
async function within<X>(timeout: number | undefined, work: (signal: AbortSignal) => Promise<X> | X): Promise<X> {
  const controller = new AbortController();
  if (timeout === undefined) return work(controller.signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new InnerloopError('ABORTED', `not done within ${timeout} ms`));
    }, timeout);
  });
  try {
    return await Promise.race([work(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Who may ask: whoever has the token; without one only this machine, by a name of its own. */
function guard(fastify: FastifyInstance, token: string | undefined): void {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const wanted = token === undefined ? undefined : digest(`Bearer ${token}`);
  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    if (wanted !== undefined) {
      if (request.routeOptions.config.isPublic === true) return;
      // Compared by digests, in a time that tells nothing of the token.
      if (timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) return;
      return reply
        .code(401)
        .send({ error: { code: 'UNAUTHORIZED', message: 'authorization: Bearer with the token of the service' } });
    }
    // A page of another site could otherwise reach it under a name that it lets point here.
    const host = (request.headers.host ?? 'localhost').replace(/:\d+$/, '');
    if (isLoopback(host)) return;
    return reply
      .code(403)
      .send({ error: { code: 'FORBIDDEN', message: 'only as localhost, where the service has no token' } });
  });
}

/** Requests at work are counted, and refused beyond a number: a queue would only make all of them late. */
function limit(fastify: FastifyInstance, metrics: Metrics, maxRequests: number): void {
  const started = new WeakMap<FastifyRequest, number>();
  fastify.addHook('onRequest', async (request, reply) => {
    if (reply.sent || request.routeOptions.config.isOpen === true) return;
    if (metrics.inFlight >= maxRequests) {
      metrics.count('refused_total');
      return reply
        .code(429)
        .header('retry-after', '1')
        .send({ error: { code: 'BUSY', message: `${maxRequests} requests are at work: try again` } });
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
  // Whoever goes away before the answer takes no place for ever.
  fastify.addHook('onRequestAbort', async (request) => end(request, 499));
}
