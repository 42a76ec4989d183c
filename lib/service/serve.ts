/** The whole of it: state, model, HTTP; started and ended in order. */
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  invalid,
} from '../foundation/check.js';
import { availableMemory } from '../foundation/memory.js';
import type { DeviceOption } from '../foundation/device.js';
import { readExperiments } from './experiments/experiments.js';
import { APP_DEFAULTS, createApp } from './http/app.js';
import type { App, AppOptions } from './http/app.js';
import { isLoopback } from './http/loopback.js';
import { addPage } from './http/page.js';
import { Service } from './service.js';
import { checkComplete } from './state/dump.js';
import { openState } from './state/state.js';

export interface ServeOptions extends Partial<AppOptions> {
  /** File that `saveLearner` wrote. */
  model: string;
  /** A file for SQLite, `postgres://…`, or `none`: then only requests that bring their interactions are answered. */
  state: string;
  /** Default `127.0.0.1`: others reach it only where a token is given. */
  host?: string;
  /** Default 8080; 0: a free one. */
  port?: number;
  threads?: number;
  device?: DeviceOption;
  /** Personal models held at most. Default 100,000. */
  maxPeople?: number;
  /** Megabytes that they may take. Default: a quarter of the memory that is free at the start. */
  maxMemory?: number;
  /** Latest interactions of a person that are adapted to. Default 200. */
  maxHistory?: number;
  /** Days after which interactions are deleted. Default: never. */
  retention?: number;
  /** Column of people that divides them into groups for popularity. */
  segmentBy?: string;
  /** A list of experiments: { name, variants: [{ name, share, options }], successFrom }. */
  experiments?: unknown;
  /** Also the page on which a visitor rates items and sees the list change, at `/`. Default false. */
  page?: boolean;
}

export interface Running {
  readonly url: string;
  readonly app: App;
  readonly service: Service;
  /** Answers what has come, takes nothing more, writes what waits, and ends. */
  close(): Promise<void>;
}

const SERVE_DEFAULTS = { host: '127.0.0.1', port: 8080, maxPeople: 100_000, maxHistory: 200 } as const;
const NAMES = [
  'model',
  'state',
  'host',
  'port',
  'token',
  'threads',
  'device',
  'maxPeople',
  'maxMemory',
  'maxHistory',
  'maxRequests',
  'timeout',
  'logLevel',
  'retention',
  'segmentBy',
  'experiments',
  'page',
];
const MB = 2 ** 20;

/**
 * Serves a model over HTTP. Needs the package fastify, and for its state SQLite (`node:sqlite` or better-sqlite3) or pg.
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; UNSUPPORTED naming a package that is missing; MODEL_FILE, MISSING_FILE, IO
 */
export async function serve(options: ServeOptions): Promise<Running> {
  checkObject(options, 'options', NAMES);
  const { model, state: location, token } = options as ServeOptions;
  const { host, port, maxPeople, maxHistory } = { ...SERVE_DEFAULTS, ...defined(options) } as typeof SERVE_DEFAULTS;
  const { maxRequests, timeout, logLevel } = { ...APP_DEFAULTS, ...defined(options) } as AppOptions;
  const { maxMemory = Math.floor(availableMemory() / 4 / MB), retention, segmentBy } = options as ServeOptions;
  checkString(model, 'options.model');
  checkString(location, 'options.state');
  checkString(host, 'options.host');
  checkInteger(port, 'options.port', 0, 65535);
  checkInteger(maxPeople, 'options.maxPeople', 1);
  checkNumber(maxMemory, 'options.maxMemory', 1);
  checkInteger(maxHistory, 'options.maxHistory', 1, 10_000);
  checkInteger(maxRequests, 'options.maxRequests', 1);
  checkInteger(timeout, 'options.timeout', 1);
  checkOneOf(logLevel, 'options.logLevel', ['silent', 'error', 'warn', 'info', 'debug']);
  if (retention !== undefined) checkNumber(retention, 'options.retention', 0, undefined, true);
  if (segmentBy !== undefined) checkString(segmentBy, 'options.segmentBy');
  if (token !== undefined) checkString(token, 'options.token');
  const name = host.includes(':') ? `[${host}]` : host;
  if (token === undefined && !isLoopback(name))
    throw invalid('options.host', 'reached from elsewhere needs a token', host, 'a token, or 127.0.0.1');
  const { page = false } = options as ServeOptions;
  checkBoolean(page, 'options.page');
  const experiments = readExperiments(options.experiments ?? []);
  const state = location === 'none' ? undefined : await openState(location);
  if (state === undefined && experiments.length > 0)
    throw invalid('options.experiments', 'need to be counted', location, 'a state');
  let service: Service | undefined;
  let app: App | undefined;
  try {
    if (state !== undefined) await checkComplete(state);
    const { threads, device } = options as ServeOptions;
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
      },
      state,
    );
    app = await createApp(service, { token, maxRequests, timeout, logLevel });
    if (page) await addPage(app.fastify, service);
    await app.fastify.listen({ host, port });
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

function defined<O extends object>(options: O): Partial<O> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<O>;
}
