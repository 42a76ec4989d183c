/** What the service does, apart from HTTP: each operation takes a checked body and gives an answer. */
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
  /** File of the model, which `reload` reads again. */
  model: string;
  experiments: readonly Experiment[];
  /** Interactions and recommendations older than so many days are deleted; undefined: never. */
  retentionDays: number | undefined;
}

const DAY = 24 * 3600 * 1000;
/** How often what is too old is looked for. */
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

  /** Takes over the state, which is closed with the service. */
  static async start(options: ServiceOptions, state: State | undefined): Promise<Service> {
    return new Service(await Engine.load(options.model, state, options), state, options);
  }

  /** The model as it is now; requests use `engine.lease`. */
  get engine(): Engine {
    return this.#engine;
  }

  health(): AnswerOf<'health'> {
    const { name, people } = this.#engine;
    return { ok: true, model: name, loaded: this.#loaded.toISOString(), people: people.held.people };
  }

  /** Puts a newly read model in the place of the old one, which answers until then and for those who have asked it. */
  reload(): Promise<AnswerOf<'reload'>> {
    return (this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined)));
  }

  async #reload(): Promise<AnswerOf<'reload'>> {
    const old = this.#engine;
    const next = await Engine.load(this.options.model, this.state, this.options);
    this.#engine = next;
    // Items that came while the file was read.
    if (this.state !== undefined) await next.putItems(await this.state.items());
    this.#loaded = new Date();
    void old.retire();
    return { model: next.name, before: old.name };
  }

  // ------------------------------------------------------------------------------------------------------ lists

  /** What a request says of somebody, checked. @internal */
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

  /** Items that an import has changed are looked up again. */
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
    // What is on its way to the database is there before it is deleted.
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
            // JSON has no infinity.
            comparison: { ...comparison, high: Number.isFinite(comparison.high) ? comparison.high : null },
          }),
        })),
      })),
    );
    return { experiments };
  }

  #kept(): { state: State; recorder: Recorder } {
    const { state, recorder } = this;
    if (state === undefined || recorder === undefined)
      throw new InnerloopError('UNSUPPORTED', 'this service keeps no state', {
        field: 'state',
        expected: 'a service that was started with --state',
      });
    return { state, recorder };
  }

  /** After the last request: what waits is written. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    await this.recorder?.flush();
    await this.state?.close();
    await this.#engine.retire();
  }
}

/** @internal */
export function given(context: FeatureValues | undefined, engine: Engine): { context?: FeatureValues } {
  const told = context ?? engine.emptyContext;
  return told === undefined ? {} : { context: told };
}

/** @internal */
export function reasons(why: readonly Explanation[]): AnswerOf<'explain'>['why'] {
  return why.map(({ item, label, influence }) => ({ item, value: label, influence }));
}

/** A thing that is not there, as HTTP says it with 404. */
function notFound(what: string, id: string): InnerloopError {
  return Object.assign(invalid(what, 'not found', id, `the id of a ${what} that is there`), { status: 404 });
}

/** @internal */
export function checkItem({ learner }: Engine, id: string): void {
  if (learner.servedCatalog().items.keys.idOf(id) === 0) throw notFound('item', id);
}

/** @internal */
export function valuesOf({ learner }: Engine, id: string, columns: readonly Column[]): Record<string, unknown> {
  const row = learner.servedCatalog().items.keys.idOf(id);
  return Object.fromEntries(columns.map((column) => [column.name, valueOf(column, row)]));
}

/** Items that the model knows, and where their scores belong among all that were asked for: the others have none. */
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
