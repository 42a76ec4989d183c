/** The operations of the service without HTTP: each takes a checked request body and returns an answer. */
import { InnerloopError } from '../foundation/errors.js';
import { checkItem, notFound, valuesOf } from './answer-parts.js';
import { Answers } from './answers.js';
import type { AskedOf, Computed } from './answers.js';
import type { AnswerOf } from './api/operations.js';
import type { InteractBody, ItemBody, UserBody } from './api/schemas.js';
import { Engine } from './engine/engine.js';
import type { EngineOptions } from './engine/engine.js';
import { conversions, resultsOf } from './experiments/experiments.js';
import type { Experiment } from './experiments/experiments.js';
import { Recorder } from './recorder.js';
import { idOf, readInteraction, readItem, readPerson } from './state/records.js';
import { insertInteraction } from './state/state.js';
import type { ItemRecord, State } from './state/state.js';
import { WorkerPool } from './workers/pool.js';

export interface ServiceOptions extends EngineOptions {
  /** Path of the model file, which `reload` reads again. */
  model: string;
  experiments: readonly Experiment[];
  /** Interactions and recommendations that are older than this many days are deleted; undefined: never. */
  retentionDays: number | undefined;
  /** Worker threads that compute answers; 0: this thread does. */
  workers: number;
  /** Called with what the operator should know of. */
  warn: (text: string) => void;
}

/** Milliseconds of a day. */
const DAY = 24 * 3600 * 1000;
/** Milliseconds between two deletions of records that are too old. */
const SWEEP = 3600 * 1000;

/** A loaded model, the answers that this thread computes with it, and the worker threads that have loaded it, too. */
interface Serving {
  engine: Engine;
  answers: Answers;
  pool: WorkerPool | undefined;
}

export class Service {
  readonly options: ServiceOptions;
  readonly state: State | undefined;
  readonly recorder: Recorder | undefined;
  #serving!: Serving;
  /** The pools that must hear of changes: that of the current model, of one that is being loaded, and of one that answers its last requests. */
  readonly #pools = new Set<WorkerPool>();
  #loaded = new Date();
  #reloading: Promise<AnswerOf<'reload'>> | undefined;
  #sweep: NodeJS.Timeout | undefined;

  private constructor(state: State | undefined, options: ServiceOptions) {
    this.state = state;
    this.options = options;
    this.recorder = state && new Recorder(state);
  }

  /** Loads the model and starts the service, which closes the state when it is closed itself. */
  static async start(options: ServiceOptions, state: State | undefined): Promise<Service> {
    const service = new Service(state, options);
    service.#serving = await service.#load();
    service.#sweepFrom(options.retentionDays);
    return service;
  }

  #sweepFrom(days: number | undefined): void {
    const { state } = this;
    if (state === undefined || days === undefined) return;
    const sweep = () => {
      void state
        .forgetBefore(Date.now() - days * DAY)
        .then((n) => n > 0 && this.#forgetAll())
        .catch(() => undefined);
    };
    sweep();
    this.#sweep = setInterval(sweep, SWEEP).unref();
  }

  /** Loads the model in this thread, which checks what arrives by it, and in the workers. */
  async #load(): Promise<Serving> {
    const { model, experiments, workers, warn, maxPeople, maxBytes, ...rest } = this.options;
    const { threads, device, maxHistory, segmentBy } = rest;
    // Each thread holds the people whose requests go to it, so each has a part of the limits.
    const share = Math.max(1, workers);
    const limits = { maxPeople: Math.floor(maxPeople / share), maxBytes: maxBytes / share };
    const options: EngineOptions = { threads, device, maxHistory, segmentBy, ...limits };
    const engine = await Engine.load(model, this.state, options);
    if (engine.unread !== undefined) warn(engine.unread);
    const answers = new Answers(engine, experiments, this.recorder);
    if (workers === 0) return { engine, answers, pool: undefined };
    const pool = new WorkerPool(
      engine.name,
      { workers, model, engine: options, experiments, warn },
      this.state,
      this.recorder,
    );
    this.#pools.add(pool);
    try {
      await pool.start();
    } catch (error) {
      this.#pools.delete(pool);
      await engine.retire();
      throw error;
    }
    return { engine, answers, pool };
  }

  async #retire({ engine, pool }: Serving): Promise<void> {
    await pool?.close();
    if (pool !== undefined) this.#pools.delete(pool);
    await engine.retire();
  }

  /** The current model of this thread. Requests use it through `engine.lease`, so that a reload does not dispose of it meanwhile. */
  get engine(): Engine {
    return this.#serving.engine;
  }

  /** The worker threads that compute answers, if there are any. */
  get pool(): WorkerPool | undefined {
    return this.#serving.pool;
  }

  /** The personal models that are held, in all threads. */
  get held(): { people: number; bytes: number; evicted: number } {
    const { engine, pool } = this.#serving;
    const [own, theirs] = [engine.people.held, pool?.held ?? { people: 0, bytes: 0, evicted: 0 }];
    return {
      people: own.people + theirs.people,
      bytes: own.bytes + theirs.bytes,
      evicted: own.evicted + theirs.evicted,
    };
  }

  health(): AnswerOf<'health'> {
    return { ok: true, model: this.engine.name, loaded: this.#loaded.toISOString(), people: this.held.people };
  }

  /** Reads the model file again and replaces the model. Requests that started before are answered by the old model. */
  reload(): Promise<AnswerOf<'reload'>> {
    return (this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined)));
  }

  async #reload(): Promise<AnswerOf<'reload'>> {
    const old = this.#serving;
    const next = await this.#load();
    this.#serving = next;
    // Items may have been added while the file was read. Its workers were told; this thread's new model was not.
    await next.engine.putStored();
    this.#loaded = new Date();
    void this.#retire(old);
    return { model: next.engine.name, before: old.engine.name };
  }

  /** An answer that the model computes, in a worker thread if there are any. */
  ask<N extends Computed>(name: N, body: AskedOf<N>, signal?: AbortSignal): Promise<AnswerOf<N>> {
    const { pool, answers } = this.#serving;
    const user = 'user' in body ? body.user : undefined;
    return (
      pool?.ask(name, body, user, signal) ??
      (answers[name] as (body: AskedOf<N>, signal?: AbortSignal) => Promise<AnswerOf<N>>).call(answers, body, signal)
    );
  }

  /** Discards the personal model of a person whose data have changed, in all threads. */
  #forgetPerson(user: string): void {
    this.engine.people.forget(user);
    for (const pool of this.#pools) pool.forget(user);
  }

  #forgetAll(): void {
    this.engine.people.clear();
    for (const pool of this.#pools) pool.clear();
  }

  async #putItems(items: readonly ItemRecord[]): Promise<void> {
    await Promise.all([this.engine.putItems(items), ...Array.from(this.#pools, (pool) => pool.putItems(items))]);
  }

  // ------------------------------------------------------------------------------------------------------- data

  async interact(body: InteractBody): Promise<AnswerOf<'interact'>> {
    const { state, recorder } = this.#kept();
    const { rules } = this.engine;
    const now = Date.now();
    const rows = body.interactions.map((each, i) => readInteraction(each, `interactions[${i}]`, rules, now));
    const people = new Set(rows.map(({ user }) => user));
    await recorder.before(people);
    const written = await state.writer.write([
      ...rows.map(insertInteraction),
      ...conversions(this.options.experiments, rows),
    ]);
    for (const person of people) this.#forgetPerson(person);
    const { keys } = this.engine.learner.servedCatalog().items;
    return {
      added: written.slice(0, rows.length).reduce((sum, { length }) => sum + length, 0),
      unknownItems: [...new Set(rows.map(({ item }) => item).filter((item) => keys.idOf(item) === 0))],
    };
  }

  item(id: string): AnswerOf<'item'> {
    const engine = this.engine;
    checkItem(engine, id);
    const { learner } = engine;
    const { items } = learner.servedCatalog();
    const row = items.keys.idOf(id);
    return {
      id,
      hidden: engine.hidden.has(id),
      columns: valuesOf(engine, id, items.columns),
      ...(learner.itemCounts && { interactions: row < engine.trainedRows ? learner.itemCounts[row] : 0 }),
    };
  }

  async putItem(id: string, body: ItemBody): Promise<AnswerOf<'putItem'>> {
    const { state } = this.#kept();
    const [before] = (await state.items([id])) as (Partial<ItemBody> | undefined)[];
    const record = readItem({ ...before, ...body, id }, 'item', this.engine.rules);
    await state.putItems([record]);
    await this.#putItems([record]);
    return { ok: true };
  }

  /** Makes the engine read what an import has changed. */
  async refresh(kind: 'interactions' | 'users' | 'items'): Promise<void> {
    const { state } = this.#kept();
    if (kind === 'items') await this.#putItems(await state.items());
    this.#forgetAll();
  }

  async user(id: string): Promise<AnswerOf<'user'>> {
    const { state } = this.#kept();
    const [person, history] = await Promise.all([state.person(id), state.history(id, 20_000)]);
    return {
      id,
      features: { ...person?.features } as AnswerOf<'user'>['features'],
      hidden: person?.hidden === true,
      interactions: history.map(({ recommendation, context, event, ...each }) => ({
        ...each,
        ...(event !== null && { event }),
        ...(context !== null && { context: { ...context } as NonNullable<UserBody['features']> }),
        ...(recommendation !== null && { recommendationId: recommendation }),
      })),
    };
  }

  async putUser(id: string, body: UserBody): Promise<AnswerOf<'putUser'>> {
    const { state } = this.#kept();
    const before = await state.person(id);
    const all = { features: before?.features, hidden: before?.hidden, ...body, id };
    await state.putPerson(readPerson(all, 'user', this.engine.rules));
    this.#forgetPerson(id);
    return { ok: true };
  }

  async forget(id: string): Promise<AnswerOf<'forget'>> {
    const { state, recorder } = this.#kept();
    // Lists that are not in the database yet are written first, so that the deletion finds them.
    await recorder.flush();
    const interactions = await state.forget(idOf(id, 'id'));
    this.#forgetPerson(id);
    return { interactions };
  }

  async givenRecommendation(id: string): Promise<AnswerOf<'givenRecommendation'>> {
    const { state, recorder } = this.#kept();
    // It may be one of those that wait to be written.
    const found = (await state.recommendation(id)) ?? (await recorder.flush(), await state.recommendation(id));
    if (found === undefined) throw notFound('recommendation', id);
    return { ...found, items: [...found.items], variants: { ...found.variants } };
  }

  async results(): Promise<AnswerOf<'experiments'>> {
    const { state, recorder } = this.#kept();
    await recorder.flush();
    const experiments = await Promise.all(
      this.options.experiments.map(async (experiment) => ({
        name: experiment.name,
        variants: (await resultsOf(state, experiment)).map(({ comparison, ...rest }) => ({
          ...rest,
          ...(comparison && {
            // JSON cannot represent infinity, so an unbounded interval ends in null.
            comparison: { ...comparison, high: Number.isFinite(comparison.high) ? comparison.high : null },
          }),
        })),
      })),
    );
    return { experiments };
  }

  /** The state and the recorder; throws UNSUPPORTED if the service runs without a state. */
  #kept(): { state: State; recorder: Recorder } {
    const { state, recorder } = this;
    if (state === undefined || recorder === undefined)
      throw new InnerloopError('UNSUPPORTED', 'this service keeps no state', {
        field: 'state',
        expected: 'a service that was started with --state',
      });
    return { state, recorder };
  }

  /** Writes what still waits, and closes state and model; to be called after the last request. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    // Workers tell the recorder which lists they gave, and read the state.
    await this.#serving.pool?.close();
    await this.recorder?.flush();
    await this.state?.close();
    await this.#retire(this.#serving);
  }
}
