/** Makes a list for a person: by the model if it knows something about the person, else by the first fallback with a result. */
import type { FeatureValues } from '../batch/given-features.js';
import type { Column } from '../foundation/contract.js';
import { itemColumns } from '../serving/item-terms.js';
import type { RecommendBody, RecommendationAnswer, RecommendManyBody } from './api/schemas.js';
import { FALLBACKS } from './api/schemas.js';
import type { Engine } from './engine/engine.js';
import type { ServedPerson } from './engine/person.js';
import { knownTerms } from './engine/terms.js';
import type { Terms } from './engine/terms.js';
import { variantOf } from './experiments/experiments.js';
import { EXPLAINED_AT_ONCE, mapAtOnce, PEOPLE_AT_ONCE } from './at-once.js';
import { newListId } from './list-id.js';
import { givenList } from './recorder.js';
import { finite, given, reasons, valuesOf } from './answer-parts.js';
import type { Answers } from './answers.js';

/** Options of a list, among which may be, as in a whole body, whom it is for. */
type Options = Omit<RecommendBody, 'user' | 'interactions' | 'features'>;
type Source = RecommendationAnswer['source'];
type Item = RecommendationAnswer['items'][number];

export async function recommend(
  answers: Answers,
  body: RecommendBody,
  signal: AbortSignal | undefined,
): Promise<RecommendationAnswer> {
  return answers.engine.lease((engine) => recommendTo(answers, engine, body, body, signal, ''));
}

export async function recommendMany(
  answers: Answers,
  { people, ...options }: RecommendManyBody,
  signal: AbortSignal | undefined,
): Promise<{ recommendations: RecommendationAnswer[] }> {
  return answers.engine.lease(async (engine) => ({
    recommendations: await mapAtOnce(people, PEOPLE_AT_ONCE, (who, i) =>
      recommendTo(answers, engine, who, options, signal, `people[${i}]`),
    ),
  }));
}

async function recommendTo(
  answers: Answers,
  engine: Engine,
  body: Pick<RecommendBody, 'user' | 'interactions' | 'features'>,
  asked: Options,
  signal: AbortSignal | undefined,
  field: string,
): Promise<RecommendationAnswer> {
  const started = performance.now();
  const who = answers.who(engine, body, field);
  const variants: Record<string, string> = {};
  let options = asked;
  if (who.user !== undefined)
    for (const experiment of answers.experiments) {
      const variant = variantOf(experiment, who.user);
      variants[experiment.name] = variant.name;
      // Options of the request override those of the variant.
      options = { ...(variant.options as Options), ...options };
    }
  const person = await engine.person(who, signal);
  const exclude = engine.excluded(who.user, options.excludeSeen === false ? [] : person.seen, options.exclude ?? []);
  const catalog = engine.learner.servedCatalog();
  const terms = knownTerms(catalog, options);
  const wanted = { ...terms, columns: options.columns && itemColumns(catalog, options.columns, 'columns') };
  const source = sourceOf(person, options);
  const list = terms.isEmpty
    ? { source: source[0], items: [] }
    : await firstOf(source, (each) => listBy(each, engine, person, options, wanted, exclude, signal));
  const now = Date.now();
  const id = newListId(now);
  const items = list.items.map(({ item }) => item);
  answers.records?.add(givenList({ id, user: who.user ?? null, time: now, items, source: list.source, variants }));
  return {
    recommendationId: id,
    model: engine.name,
    source: list.source,
    variants,
    items: list.items,
    notes: [...terms.notes, ...notesOnItems(person), ...notesOn(who.user, person)],
    milliseconds: Number((performance.now() - started).toFixed(3)),
  };
}

/** A user id that is misspelt gives the list of somebody new, which looks like any other. */
function notesOn(user: string | undefined, { count, seen, hasFeatures, segment }: ServedPerson): string[] {
  if (user === undefined || count > 0 || seen.size > 0 || hasFeatures || segment !== undefined) return [];
  return [`user: nothing is known of ${JSON.stringify(user)}, so that the list is not a personal one`];
}

/** Items under the ids of another system, of which the model learns nothing. */
function notesOnItems({ unknown }: ServedPerson): string[] {
  if (unknown.length === 0) return [];
  const others = unknown.length === 1 ? '' : ` and ${unknown.length - 1} more`;
  return [`interactions: the model has no item ${JSON.stringify(unknown[0])}${others}, so it learns nothing of that`];
}

/** The sources to try for the list, in order. */
function sourceOf(
  { count, hasFeatures, segment }: ServedPerson,
  { fallback = [...FALLBACKS], explore }: Options,
): Source[] {
  if (count > 0) return ['history'];
  const chain = fallback.filter(
    (each) => (each !== 'features' || hasFeatures) && (each !== 'group' || segment !== undefined),
  );
  // Exploration draws a different list for each person, so the prior comes before popularity, which is the same for all.
  if (explore !== undefined && explore !== false && !hasFeatures) return ['prior', ...chain];
  return chain.length > 0 ? [...chain] : ['prior'];
}

/** The list of the first source that has any items; if none has, the empty list of the last source. */
async function firstOf(sources: readonly Source[], listOf: (source: Source) => Promise<Item[]>) {
  let last: { source: Source; items: Item[] } = { source: sources[0], items: [] };
  for (const source of sources) {
    last = { source, items: await listOf(source) };
    if (last.items.length > 0) break;
  }
  return last;
}

async function listBy(
  source: Source,
  engine: Engine,
  person: ServedPerson,
  options: Options,
  { filter, boost, columns }: Pick<Terms, 'filter' | 'boost'> & { columns: readonly Column[] | undefined },
  exclude: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<Item[]> {
  const { count = 10 } = options;
  const { keys } = engine.learner.servedCatalog().items;
  // A model cannot rank items that it does not know, so they are left out.
  const among = options.among?.filter((id) => keys.idOf(id) > 0);
  if (source === 'group' || source === 'popular') {
    const segment = source === 'group' ? person.segment : undefined;
    const allowed = among && new Set(among);
    const most = allowed === undefined ? count : keys.values.length;
    const top = await engine.popularity.top(segment, most, exclude, filter);
    return top
      .filter(({ item }) => allowed?.has(item) !== false)
      .slice(0, count)
      .map((each) => ({ ...each, ...(columns && { columns: valuesOf(engine, each.item, columns) }) }));
  }
  const context = given(options.context, engine);
  const list = await person.me.recommend({
    count,
    among,
    exclude: [...exclude],
    // Seen items are in `exclude` already, unless the request set `excludeSeen` to false.
    excludeSupport: false,
    filter,
    boost,
    diversity: options.diversity,
    minSupport: options.minSupport,
    explore: options.explore,
    columns: options.columns,
    signal,
    ...context,
  });
  finite(list.map(({ score }) => score));
  return described(list, person, options, context, signal);
}

/** The items of a list with standard deviations and reasons, if the request asks for them. */
async function described(
  list: { item: string; score: number; columns?: object }[],
  { me, count }: ServedPerson,
  { uncertainty, explain = 0 }: Options,
  context: { context?: FeatureValues },
  signal: AbortSignal | undefined,
): Promise<Item[]> {
  const items = list.map(({ columns, ...rest }): Item => ({ ...rest, ...(columns && { columns: { ...columns } }) }));
  if (uncertainty === true && items.length > 0) {
    const ids = items.map(({ item }) => item);
    const { variance } = await me.predict(ids, { uncertainty: true, signal, ...context });
    items.forEach((item, i) => (item.sd = Math.sqrt(variance[i])));
  }
  if (explain > 0 && count > 0)
    await mapAtOnce(items, EXPLAINED_AT_ONCE, async (item) => {
      const why = await me.explain(item.item, { signal, ...context });
      item.why = reasons(why.slice(0, explain));
    });
  return items;
}
