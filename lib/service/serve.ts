/** Starts state, model and HTTP server in this order, and ends them in the reverse order. */
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { availableMemory } from '../foundation/memory.js';
import { resolveOptions } from '../foundation/options.js';
import { readExperiments } from './experiments/experiments.js';
import { createApp } from './http/app.js';
import type { App } from './http/app.js';
import { isLoopback } from './http/loopback.js';
import { addPage } from './http/page.js';
import type { ServeOptions } from './option-types.js';
import { SERVE_OPTIONS } from './options.js';
import { Service } from './service.js';
import { checkComplete } from './state/dump.js';
import { openState } from './state/state.js';

export type { ServeOptions };

/** A running service. */
export interface Running {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The Fastify application, for routes and hooks of one's own. */
  readonly app: App;
  /** The operations themselves, without HTTP. */
  readonly service: Service;
  /** Accepts no more requests, answers those that have arrived, writes what still waits, and ends the service. */
  close(): Promise<void>;
}

const MB = 2 ** 20;

/**
 * Serves a model over HTTP. It needs the package fastify, and for the state SQLite (`node:sqlite` or better-sqlite3) or pg.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; UNSUPPORTED, which names a missing package; MODEL_FILE, MISSING_FILE, IO
 */
export async function serve(options: ServeOptions): Promise<Running> {
  const settings = resolveOptions(options, 'options', SERVE_OPTIONS);
  const { model, state: location, token, host, port, threads, device, maxPeople, maxHistory, page } = settings;
  const { maxRequests, timeout, logLevel, retention, segmentBy, workers } = settings;
  const { maxMemory = Math.floor(availableMemory() / 4 / MB) } = settings;
  const name = host.includes(':') ? `[${host}]` : host;
  if (token === undefined && !isLoopback(name))
    throw invalid(
      'options.host',
      'an address that other machines can reach needs a token',
      host,
      'a token, or 127.0.0.1',
    );
  if (workers > 0 && device !== undefined && device !== 'cpu')
    throw invalid('options.workers', 'worker threads compute on the processor', workers, `0 with device ${device}`);
  if (workers > maxPeople)
    throw invalid(
      'options.workers',
      'more worker threads than people who may be held',
      workers,
      `at most maxPeople, ${maxPeople}`,
    );
  const experiments = readExperiments(settings.experiments ?? []);
  const state = location === 'none' ? undefined : await openState(location, true);
  if (state === undefined && experiments.length > 0)
    throw invalid('options.experiments', 'experiments need a state to count outcomes in', location, 'a state');
  /** What was to be logged before there was a log. */
  const early: string[] = [];
  let service: Service | undefined;
  let app: App | undefined;
  try {
    if (state !== undefined) await checkComplete(state);
    service = await Service.start(
      {
        model,
        threads,
        device,
        maxPeople,
        maxBytes: maxMemory * MB,
        maxHistory,
        segmentBy,
        experiments,
        retentionDays: retention,
        workers,
        warn: (text) => (app === undefined ? void early.push(text) : app.fastify.log.warn(text)),
      },
      state,
    );
    app = await createApp(service, { token, maxRequests, timeout, logLevel });
    for (const text of early) app.fastify.log.warn(text);
    if (page) await addPage(app.fastify, service);
    await app.fastify.listen({ host, port }).catch((error: unknown) => {
      throw notListening(error, host, port);
    });
  } catch (error) {
    await app?.close();
    await (service === undefined ? state?.close() : service.close());
    throw error;
  }
  const address = app.fastify.server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  let closing: Promise<void> | undefined;
  const [opened, served] = [app, service];
  return {
    url: `http://${name}:${bound}`,
    app,
    service,
    close: () => (closing ??= opened.close().then(() => served.close())),
  };
}

/** The error for an address that cannot be listened on. */
function notListening(cause: unknown, host: string, port: number): InnerloopError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const field = code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' ? 'options.host' : 'options.port';
  const [what, expected] =
    code === 'EADDRINUSE'
      ? ['is used by another process', 'a port that is free, or 0 for any']
      : code === 'EACCES'
        ? ['may not be listened on by this user', 'a port from 1024 on']
        : [message, 'an address of this machine'];
  return new InnerloopError('IO', what, { field, value: field === 'options.host' ? host : port, expected, cause });
}
