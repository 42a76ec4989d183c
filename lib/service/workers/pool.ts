/**
 * Worker threads that compute answers. A person's requests go to one of them, which holds the personal model; other requests go to
 * the one with the fewest. The database stays with the service: workers ask it for rows and tell it which lists were given. A
 * worker that ends is replaced, and the requests that it had are answered with status 503.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { EventLoopUtilization } from 'node:perf_hooks';
import { InnerloopError } from '../../foundation/errors.js';
import type { AskedOf, Computed, Records } from '../answers.js';
import type { AnswerOf } from '../api/operations.js';
import type { Row, Value } from '../state/database.js';
import type { ItemRecord, State } from '../state/state.js';
import { errorOf, faultOf } from './messages.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';

/** Milliseconds before a worker is replaced that ended without an answer; they double with every such end, up to a limit. */
const PAUSE = { first: 100, most: 30_000 };
/** Milliseconds that requests under way are waited for when the pool is closed. */
const PATIENCE = 2000;

export interface PoolOptions extends Omit<WorkerSettings, 'held' | 'database'> {
  workers: number;
  /** Called with what the operator should know of. */
  warn: (text: string) => void;
}

interface Waiting {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
}

class PoolWorker {
  readonly thread: Worker;
  readonly held = new Float64Array(new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT));
  readonly waiting = new Map<number, Waiting>();
  /** Whether it has loaded the model and runs. */
  isReady = false;
  hasEnded = false;
  /** Whether it answered anything. */
  hasAnswered = false;
  /** The utilization of its event loop when the metrics were last read. */
  measured: EventLoopUtilization | undefined;

  constructor(settings: Omit<WorkerSettings, 'held'>) {
    const { buffer: held } = this.held;
    const data: WorkerSettings = { ...settings, held };
    this.thread = new Worker(new URL('./worker.js', import.meta.url), { workerData: data });
  }

  send(message: ToWorker): void {
    this.thread.postMessage(message);
  }
}

export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #state: State | undefined;
  readonly #records: Records | undefined;
  readonly #workers: PoolWorker[] = [];
  /** The name of the model, which all workers must have loaded. */
  readonly #name: string;
  readonly #scans = new Map<string, Promise<Row[]>>();
  #next = 0;
  #pause = PAUSE.first;
  #isClosing = false;
  #replaced = 0;

  /** @param name the name of the model that the service has loaded from the same file */
  constructor(name: string, options: PoolOptions, state: State | undefined, records: Records | undefined) {
    this.#name = name;
    this.#options = options;
    this.#state = state;
    this.#records = records;
  }

  /** Starts the workers. @throws {InnerloopError} if one of them cannot load the model; then none runs */
  async start(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.#options.workers }, (_, w) => this.#start(w)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** @internal The threads, so that a test can end one. */
  get threads(): Worker[] {
    return this.#workers.map(({ thread }) => thread);
  }

  /** How many workers there are, and how many replaced others. */
  get counts(): { ready: number; replaced: number } {
    return { ready: this.#workers.filter(({ isReady }) => isReady).length, replaced: this.#replaced };
  }

  get held(): { people: number; bytes: number; evicted: number } {
    const sum = (k: number) => this.#workers.reduce((total, { held }) => total + held[k], 0);
    return { people: sum(0), bytes: sum(1), evicted: sum(2) };
  }

  /** The share of time since the last call that the event loop of each worker was busy. */
  utilizations(): number[] {
    return this.#workers.map((worker) => {
      if (!worker.isReady) return 0;
      const now = worker.thread.performance.eventLoopUtilization();
      const { utilization } = worker.thread.performance.eventLoopUtilization(now, worker.measured);
      worker.measured = now;
      return utilization;
    });
  }

  /**
   * Has a worker compute an answer.
   * @param user whose requests go to the same worker
   * @returns undefined if no worker is ready, so that the service computes the answer itself
   */
  ask<N extends Computed>(
    name: N,
    body: AskedOf<N>,
    user: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<AnswerOf<N>> | undefined {
    const worker = this.#pick(user);
    if (worker === undefined) return undefined;
    const id = ++this.#next;
    const abort = () => worker.send({ kind: 'abort', id });
    signal?.addEventListener('abort', abort, { once: true });
    const answer = this.#sent(worker, id, { kind: 'ask', id, name, body } as ToWorker);
    if (signal?.aborted === true) abort();
    return answer.finally(() => signal?.removeEventListener('abort', abort)) as Promise<AnswerOf<N>>;
  }

  /** Adds or changes items in all workers; when the promise is fulfilled, they rank them. */
  async putItems(items: readonly ItemRecord[]): Promise<void> {
    // A worker that has ended, or ends meanwhile, is replaced by one that reads the items from the state.
    const all = this.#workers
      .filter(({ hasEnded }) => !hasEnded)
      .map((worker) => {
        const id = ++this.#next;
        return this.#sent(worker, id, { kind: 'items', id, items });
      });
    await Promise.all(all.map((each) => each.catch((error: Error) => this.#options.warn(error.message))));
  }

  /** Discards the personal model of a person. Requests that are sent later do not see it. */
  forget(user: string): void {
    for (const worker of this.#workers) worker.send({ kind: 'forget', user });
  }

  /** Discards all personal models. */
  clear(): void {
    for (const worker of this.#workers) worker.send({ kind: 'clear' });
  }

  /** Ends the threads when the requests that they have are answered. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const until = performance.now() + PATIENCE;
    while (this.#workers.some(({ waiting }) => waiting.size > 0) && performance.now() < until) await wait(5);
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()));
  }

  #pick(user: string | undefined): PoolWorker | undefined {
    const count = this.#workers.length;
    const own = user === undefined ? undefined : this.#workers[hash(user) % count];
    if (own?.isReady === true) return own;
    // Without a person the search starts at another worker each time, so that idle ones take turns.
    let best: PoolWorker | undefined;
    for (let w = 0; w < count; w++) {
      const worker = this.#workers[(this.#next + w) % count];
      if (worker.isReady && (best === undefined || worker.waiting.size < best.waiting.size)) best = worker;
    }
    return best;
  }

  #sent(worker: PoolWorker, id: number, message: ToWorker): Promise<unknown> {
    return new Promise((resolve, reject) => {
      worker.waiting.set(id, { resolve, reject });
      worker.send(message);
    });
  }

  async #start(place: number): Promise<void> {
    const { workers: _, warn, ...settings } = this.#options;
    const worker = new PoolWorker({ ...settings, database: this.#state?.database.kind });
    this.#workers[place] = worker;
    await new Promise<void>((resolve, reject) => {
      let fault: Error | undefined;
      worker.thread.on('message', (message: FromWorker) => {
        if (message.kind === 'failed') reject(errorOf(message.fault));
        else if (message.kind !== 'ready') this.#receive(worker, message);
        else if (message.name !== this.#name) reject(this.#otherModel());
        else {
          worker.isReady = true;
          resolve();
        }
      });
      worker.thread.on('error', (error) => (fault = error));
      worker.thread.on('exit', (code) => {
        const reason = fault?.message ?? `exit code ${code}`;
        reject(fault ?? new InnerloopError('NATIVE', `a worker thread ended while it loaded the model: ${reason}`));
        const wasReady = worker.isReady;
        [worker.isReady, worker.hasEnded] = [false, true];
        for (const { reject: fail } of worker.waiting.values()) fail(ended());
        worker.waiting.clear();
        if (this.#isClosing || !wasReady) return;
        warn(`worker thread ${place} ended and is replaced: ${reason}`);
        if (worker.hasAnswered) this.#pause = PAUSE.first;
        void this.#replace(place);
      });
    }).catch(async (error: unknown) => {
      await worker.thread.terminate();
      throw error;
    });
  }

  /** Starts another worker in a place, again and again until one runs, unless the model file has changed. */
  async #replace(place: number): Promise<void> {
    while (!this.#isClosing) {
      await wait(this.#pause, undefined, { ref: false });
      this.#pause = Math.min(PAUSE.most, 2 * this.#pause);
      if (this.#isClosing) return;
      try {
        await this.#start(place);
        this.#replaced++;
        return;
      } catch (error) {
        this.#options.warn(`worker thread ${place} could not be replaced: ${(error as Error).message}`);
        if (error instanceof InnerloopError && error.code === 'MODEL_FILE' && error.field === this.#options.model)
          return;
      }
    }
  }

  #receive(worker: PoolWorker, message: Exclude<FromWorker, { kind: 'ready' | 'failed' }>): void {
    if (message.kind === 'list') this.#records?.add(message.list);
    else if (message.kind === 'query') this.#answerQuery(worker, message);
    else {
      worker.hasAnswered = true;
      const waiting = worker.waiting.get(message.id);
      worker.waiting.delete(message.id);
      if (message.kind === 'answer') waiting?.resolve(message.answer);
      else waiting?.reject(errorOf(message.fault));
    }
  }

  #answerQuery(worker: PoolWorker, { query, by, sql, params }: Extract<FromWorker, { kind: 'query' }>): void {
    this.#rows(by, sql, params).then(
      (rows) => worker.send({ kind: 'rows', query, rows }),
      (error: unknown) => worker.send({ kind: 'no rows', query, fault: faultOf(error) }),
    );
  }

  /** Workers ask for the same whole tables at about the same time, which are read once for all of them. */
  #rows(by: 'all' | 'scan', sql: string, params: readonly Value[]): Promise<Row[]> {
    const { database } = this.#state!;
    if (by === 'all') return database.all(sql, params);
    const key = JSON.stringify([sql, params]);
    let rows = this.#scans.get(key);
    if (rows === undefined) {
      rows = database.scan(sql, params).finally(() => this.#scans.delete(key));
      this.#scans.set(key, rows);
    }
    return rows;
  }

  #otherModel(): InnerloopError {
    return new InnerloopError(
      'MODEL_FILE',
      'has changed since the service read it, so a worker thread would serve another model',
      {
        field: this.#options.model,
        expected: `model ${this.#name}; POST /model/reload serves the new file in all threads`,
      },
    );
  }
}

/** The error of requests whose worker has ended. They change nothing, so they may be sent again. */
function ended(): InnerloopError {
  return Object.assign(
    new InnerloopError('ABORTED', 'the worker thread that computed the answer has ended, and another takes its place', {
      expected: 'the same request again',
    }),
    { status: 503 },
  );
}

/** FNV-1a of a text. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
