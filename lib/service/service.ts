/** The operations of the service without HTTP: each takes a checked request body and returns an answer. */
import { InnerloopError } from '../foundation/errors.js';
import { invalid } from '../foundation/check.js';
import type { FeatureValues } from '../batch/given-features.js';
import type { Column } from '../foundation/contract.js';
import type { Explanation } from '../serving/explain.js';
import { itemColumns, valueOf } from '../serving/item-terms.js';
import type { AnswerOf } from './api/operations.js';
import type {
  ExplainBody,
  InteractBody,
  ItemBody,
  PredictBody,
  PredictManyBody,
  QuestionsBody,
  UserBody,
} from './api/schemas.js';
import { Engine } from './engine/engine.js';
import type { EngineOptions } from './engine/engine.js';
import type { Who } from './engine/person.js';
import { answersOf, questionsFor } from './engine/questions.js';
import { conversions, resultsOf } from './experiments/experiments.js';
import type { Experiment } from './experiments/experiments.js';
import { Recorder } from './recorder.js';
import { idOf, readInteraction, readItem, readPerson } from './state/records.js';
import { insertInteraction } from './state/state.js';
import type { State } from './state/state.js';

export interface ServiceOptions extends EngineOptions {
  /** Path of the model file, which `reload` reads again. */
  model: string;
  experiments: readonly Experiment[];
  /** Interactions and recommendations that are older than this many days are deleted; undefined: never. */
  retentionDays: number | undefined;
}

/** Milliseconds of a day. */
const DAY = 24 * 3600 * 1000;
/** Milliseconds between two deletions of records that are too old. */
const SWEEP = 3600 * 1000;

export class Service {
  readonly options: ServiceOptions;
  readonly state: State | undefined;
  readonly recorder: Recorder | undefined;
  #engine: Engine;
  #loaded = new Date();
  #reloading: Promise<AnswerOf<'reload'>> | undefined;
  readonly #sweep: NodeJS.Timeout | undefined;

  private constructor(engine: Engine, state: State | undefined, options: ServiceOptions) {
    this.#engine = engine;
    this.state = state;
    this.options = options;
    this.recorder = state && new Recorder(state);
    const { retentionDays } = options;
    if (state === undefined || retentionDays === undefined) return;
    const sweep = () => {
      void state
        .forgetBefore(Date.now() - retentionDays * DAY)
        .then((n) => n > 0 && this.#engine.people.clear())
        .catch(() => undefined);
    };
    sweep();
    this.#sweep = setInterval(sweep, SWEEP).unref();
  }

  /** Loads the model and starts the service, which closes the state when it is closed itself. */
  static async start(options: ServiceOptions, state: State | undefined): Promise<Service> {
    return new Service(await Engine.load(options.model, state, options), state, options);
  }

  /** The current model. Requests use it through `engine.lease`, so that a reload does not dispose of it meanwhile. */
  get engine(): Engine {
    return this.#engine;
  }

  health(): AnswerOf<'health'> {
    const { name, people } = this.#engine;
    return { ok: true, model: name, loaded: this.#loaded.toISOString(), people: people.held.people };
  }

  /** Reads the model file again and replaces the model. Requests that started before are answered by the old model. */
  reload(): Promise<AnswerOf<'reload'>> {
    return (this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined)));
  }

  async #reload(): Promise<AnswerOf<'reload'>> {
    const old = this.#engine;
    const next = await Engine.load(this.options.model, this.state, this.options);
    this.#engine = next;
    // Items may have been added while the file was read.
    if (this.state !== undefined) await next.putItems(await this.state.items());
    this.#loaded = new Date();
    void old.retire();
    return { model: next.name, before: old.name };
  }

  // ------------------------------------------------------------------------------------------------------ lists

  /** The person that a request describes, with interactions and features checked. @internal */
  who(engine: Engine, body: Pick<PredictBody, 'user' | 'interactions' | 'features'>, field = ''): Who {
    const { user, interactions, features } = body;
    const at = (name: string) => (field === '' ? name : `${field}.${name}`);
    if (features !== undefined) engine.rules.checkPerson(features, at('features'));
    const now = Date.now();
    return {
      user,
      features,
      interactions: interactions?.map((each, i) =>
        readInteraction({ ...each, user: user ?? '-' }, at(`interactions[${i}]`), engine.rules, now),
      ),
    };
  }

  async predict(body: PredictBody, signal: AbortSignal | undefined): Promise<AnswerOf<'predict'>> {
    return this.#engine.lease(async (engine) => {
      const { me } = await engine.person(this.who(engine, body), signal);
      const { ids, unknown, place } = known(engine, body.items);
      const context = given(body.context, engine);
      if (body.uncertainty === true) {
        const { mean, variance } = await me.predict(ids, { uncertainty: true, signal, ...context });
        return { model: engine.name, scores: place(mean), sd: place(variance.map(Math.sqrt)), unknown };
      }
      return { model: engine.name, scores: place(await me.predict(ids, { signal, ...context })), unknown };
    });
  }

  async predictMany(body: PredictManyBody, signal: AbortSignal | undefined): Promise<AnswerOf<'predictMany'>> {
    return this.#engine.lease(async (engine) => {
      const whos = body.people.map((each, i) => this.who(engine, each, `people[${i}]`));
      const people = await Promise.all(whos.map((who) => engine.person(who, signal)));
      const { ids, unknown, place } = known(engine, body.items);
      const context = given(body.context, engine);
      const scores = await engine.predictMany(
        people.map(({ me }) => me),
        ids,
        { signal, ...context },
      );
      return { model: engine.name, scores: scores.map(place), unknown };
    });
  }

  async explain(body: ExplainBody, signal: AbortSignal | undefined): Promise<AnswerOf<'explain'>> {
    return this.#engine.lease(async (engine) => {
      const { me } = await engine.person(this.who(engine, body), signal);
      checkItem(engine, body.item);
      const { method, item } = body;
      const context = given(body.context, engine);
      const [[score], why] = await Promise.all([
        me.predict([item], { signal, ...context }),
        me.explain(item, { signal, ...(method !== undefined && { method }), ...context }),
      ]);
      return {
        model: engine.name,
        score,
        why: reasons(why),
      };
    });
  }

  async similar(id: string, count: number): Promise<AnswerOf<'similar'>> {
    return this.#engine.lease(async (engine) => {
      checkItem(engine, id);
      const { hidden } = engine;
      const found = await engine.learner.similarItems(id, { count: count + hidden.size });
      return { items: found.filter(({ item }) => !hidden.has(item)).slice(0, count) };
    });
  }

  async questions(body: QuestionsBody, signal: AbortSignal | undefined): Promise<AnswerOf<'questions'>> {
    return this.#engine.lease(async (engine) => {
      const person = await engine.person(this.who(engine, body), signal);
      const asked = engine.excluded(body.user, person.seen, []);
      const columns = body.columns && itemColumns(engine.learner.servedCatalog(), body.columns, 'columns');
      const found = await questionsFor(engine, person, asked, body.count ?? 5, signal);
      return {
        questions: found.map((each) => ({
          ...each,
          ...(columns && { columns: valuesOf(engine, each.item, columns) }),
        })),
        answers: answersOf(engine.learner),
      };
    });
  }

  // ------------------------------------------------------------------------------------------------------- data

  async interact(body: InteractBody): Promise<AnswerOf<'interact'>> {
    const { state, recorder } = this.#kept();
    const { rules } = this.#engine;
    const now = Date.now();
    const rows = body.interactions.map((each, i) => readInteraction(each, `interactions[${i}]`, rules, now));
    const people = new Set(rows.map(({ user }) => user));
    await recorder.before(people);
    const written = await state.writer.write([
      ...rows.map(insertInteraction),
      ...conversions(this.options.experiments, rows),
    ]);
    for (const person of people) this.#engine.people.forget(person);
    const { keys } = this.#engine.learner.servedCatalog().items;
    return {
      added: written.slice(0, rows.length).reduce((sum, { length }) => sum + length, 0),
      unknownItems: [...new Set(rows.map(({ item }) => item).filter((item) => keys.idOf(item) === 0))],
    };
  }

  item(id: string): AnswerOf<'item'> {
    const engine = this.#engine;
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
    const record = readItem({ ...before, ...body, id }, 'item', this.#engine.rules);
    await state.putItems([record]);
    await this.#engine.putItems([record]);
    return { ok: true };
  }

  /** Makes the engine read what an import has changed. */
  async refresh(kind: 'interactions' | 'users' | 'items'): Promise<void> {
    const { state } = this.#kept();
    if (kind === 'items') await this.#engine.putItems(await state.items());
    this.#engine.people.clear();
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
    await state.putPerson(readPerson(all, 'user', this.#engine.rules));
    this.#engine.people.forget(id);
    return { ok: true };
  }

  async forget(id: string): Promise<AnswerOf<'forget'>> {
    const { state, recorder } = this.#kept();
    recorder.forget(id);
    // Records that are on their way to the database are written first, so that the deletion finds them.
    await recorder.flush();
    const interactions = await state.forget(idOf(id, 'id'));
    this.#engine.people.forget(id);
    return { interactions };
  }

  async givenRecommendation(id: string): Promise<AnswerOf<'givenRecommendation'>> {
    const found = await this.#kept().recorder.find(id);
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
    await this.recorder?.flush();
    await this.state?.close();
    await this.#engine.retire();
  }
}

/** The context option of a call: that of the request, or an empty one if the model reads any. @internal */
export function given(context: FeatureValues | undefined, engine: Engine): { context?: FeatureValues } {
  const features = context ?? engine.emptyContext;
  return features === undefined ? {} : { context: features };
}

/** Explanations in the form of answers. @internal */
export function reasons(why: readonly Explanation[]): AnswerOf<'explain'>['why'] {
  return why.map(({ item, label, influence }) => ({ item, value: label, influence }));
}

/** The error for an id that does not exist, which HTTP answers with status 404. */
function notFound(what: string, id: string): InnerloopError {
  return Object.assign(invalid(what, 'not found', id, `the id of an existing ${what}`), { status: 404 });
}

/** Throws "not found" for an item that the model does not know. @internal */
export function checkItem({ learner }: Engine, id: string): void {
  if (learner.servedCatalog().items.keys.idOf(id) === 0) throw notFound('item', id);
}

/** An item's values in the given columns, by column name. @internal */
export function valuesOf({ learner }: Engine, id: string, columns: readonly Column[]): Record<string, unknown> {
  const row = learner.servedCatalog().items.keys.idOf(id);
  return Object.fromEntries(columns.map((column) => [column.name, valueOf(column, row)]));
}

/** Divides items into known and unknown ones. `place` spreads the scores of the known over all items; unknown ones get null. */
function known({ learner }: Engine, items: readonly string[]) {
  const { keys } = learner.servedCatalog().items;
  const ids = items.filter((id) => keys.idOf(id) > 0);
  const unknown = items.filter((id) => keys.idOf(id) === 0);
  const place = (scores: ArrayLike<number>): (number | null)[] => {
    let next = 0;
    return items.map((id) => (keys.idOf(id) > 0 ? scores[next++] : null));
  };
  return { ids, unknown, place };
}
