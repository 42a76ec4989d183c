/**
 * The answers that a model computes: lists, scores, explanations, likeness and questions. They read the state and change nothing, so
 * that they can be computed in any thread that has the model.
 */
import { itemColumns } from '../serving/item-terms.js';
import { mapAtOnce, PEOPLE_AT_ONCE } from './at-once.js';
import { checkItem, finite, given, known, reasons, valuesOf } from './answer-parts.js';
import type { AnswerOf } from './api/operations.js';
import type {
  ExplainBody,
  PredictBody,
  PredictManyBody,
  QuestionsBody,
  RecommendBody,
  RecommendManyBody,
} from './api/schemas.js';
import type { Engine } from './engine/engine.js';
import type { Who } from './engine/person.js';
import { answersOf, questionsFor } from './engine/questions.js';
import type { Experiment } from './experiments/experiments.js';
import { recommend, recommendMany } from './recommend.js';
import { idOf, readInteraction } from './state/records.js';
import type { Recorder } from './recorder.js';

/** Where lists that were given are recorded. */
export type Records = Pick<Recorder, 'add'>;

export class Answers {
  readonly engine: Engine;
  readonly experiments: readonly Experiment[];
  readonly records: Records | undefined;

  constructor(engine: Engine, experiments: readonly Experiment[], records: Records | undefined) {
    this.engine = engine;
    this.experiments = experiments;
    this.records = records;
  }

  recommend(body: RecommendBody, signal: AbortSignal | undefined): Promise<AnswerOf<'recommend'>> {
    return recommend(this, body, signal);
  }

  recommendMany(body: RecommendManyBody, signal: AbortSignal | undefined): Promise<AnswerOf<'recommendMany'>> {
    return recommendMany(this, body, signal);
  }

  /** The person that a request describes, with interactions and features checked. @internal */
  who(engine: Engine, body: Pick<PredictBody, 'user' | 'interactions' | 'features'>, field = ''): Who {
    const { user, interactions, features } = body;
    const at = (name: string) => (field === '' ? name : `${field}.${name}`);
    // With blanks around it, for example, it would be taken for somebody who is unknown.
    if (user !== undefined) idOf(user, at('user'));
    if (features !== undefined) engine.rules.checkPerson(features, at('features'));
    const now = Date.now();
    return {
      user,
      features,
      interactions: interactions?.map((each, i) =>
        readInteraction(each, at(`interactions[${i}]`), engine.rules, now, user ?? '-'),
      ),
    };
  }

  async predict(body: PredictBody, signal: AbortSignal | undefined): Promise<AnswerOf<'predict'>> {
    return this.engine.lease(async (engine) => {
      const { me } = await engine.person(this.who(engine, body), signal);
      const { ids, unknown, place } = known(engine, body.items);
      const context = given(body.context, engine);
      if (body.uncertainty === true) {
        const { mean, variance } = await me.predict(ids, { uncertainty: true, signal, ...context });
        return { model: engine.name, scores: place(finite(mean)), sd: place(variance.map(Math.sqrt)), unknown };
      }
      return { model: engine.name, scores: place(finite(await me.predict(ids, { signal, ...context }))), unknown };
    });
  }

  async predictMany(body: PredictManyBody, signal: AbortSignal | undefined): Promise<AnswerOf<'predictMany'>> {
    return this.engine.lease(async (engine) => {
      const whos = body.people.map((each, i) => this.who(engine, each, `people[${i}]`));
      const people = await mapAtOnce(whos, PEOPLE_AT_ONCE, (who) => engine.person(who, signal));
      const { ids, unknown, place } = known(engine, body.items);
      const context = given(body.context, engine);
      const scores = await engine.predictMany(
        people.map(({ me }) => me),
        ids,
        { signal, ...context },
      );
      return { model: engine.name, scores: scores.map((each) => place(finite(each))), unknown };
    });
  }

  async explain(body: ExplainBody, signal: AbortSignal | undefined): Promise<AnswerOf<'explain'>> {
    return this.engine.lease(async (engine) => {
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

  async similar({ id, count = 10 }: { id: string; count?: number | undefined }): Promise<AnswerOf<'similar'>> {
    return this.engine.lease(async (engine) => {
      checkItem(engine, id);
      const { hidden } = engine;
      const found = await engine.learner.similarItems(id, { count: count + hidden.size });
      return { items: found.filter(({ item }) => !hidden.has(item)).slice(0, count) };
    });
  }

  async questions(body: QuestionsBody, signal: AbortSignal | undefined): Promise<AnswerOf<'questions'>> {
    return this.engine.lease(async (engine) => {
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
}

/** The names of the answers. */
export const COMPUTED = [
  'recommend',
  'recommendMany',
  'predict',
  'predictMany',
  'explain',
  'similar',
  'questions',
] as const;
export type Computed = (typeof COMPUTED)[number];
/** What an answer is computed from. */
export type AskedOf<N extends Computed> = Parameters<Answers[N]>[0];
