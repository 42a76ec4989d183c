/** `innerloop recommend`: adapts a model to a few ratings and ranks the catalog. */
import type { FeatureValues } from '../batch/given-features.js';
import { invalid } from '../foundation/check.js';
import type { CategoricalColumn, FeatureTable } from '../foundation/contract.js';
import { nearest } from '../foundation/errors.js';
import { membersOf } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { loadPredictor } from '../serving/ensemble-file.js';
import type { Support } from '../serving/support.js';
import { DECIMAL, readContext } from './context.js';
import { seconds } from './output.js';
import type { Console } from './output.js';

export interface Rating {
  item: string;
  value: number;
}

export interface RecommendRun {
  learner: Learner | Ensemble;
  ratings: Rating[];
  count: number;
  /** Only these items. Default: the whole catalog. */
  among?: string[];
  heading?: string;
  titles: Titles;
  /** Features of all interactions, where the model reads any. */
  context?: FeatureValues;
  console: Console;
  signal: AbortSignal;
}

export const DEFAULT_COUNT = 10;
/** Feature that holds an item's title, unless named. */
const TITLE = 'title';

/** Item titles from a categorical feature, both ways. */
export class Titles {
  readonly #items: FeatureTable;
  readonly #column: CategoricalColumn | undefined;
  readonly #counts: Int32Array | undefined;

  /** @param counts interactions by item, to prefer the well-known of several titles */
  constructor(items: FeatureTable, name: string | undefined, counts?: Int32Array) {
    this.#items = items;
    this.#counts = counts;
    const column = items.columns.find((each) => each.name === (name ?? TITLE));
    if (name !== undefined && column?.kind !== 'categorical') {
      const names = items.columns.filter(({ kind }) => kind === 'categorical').map((each) => each.name);
      throw invalid(
        'title',
        'not a categorical feature of the items',
        name,
        names.length === 0 ? 'a model whose items have one' : `one of ${names.join(', ')}`,
      );
    }
    this.#column = column?.kind === 'categorical' ? column : undefined;
  }

  of(item: string): string | undefined {
    if (this.#column === undefined) return undefined;
    const title = this.#column.vocabulary.values[this.#column.data[this.#items.keys.idOf(item)]];
    return title === '' ? undefined : title;
  }

  /**
   * The item that a text means: its id, its title, or a part of its title. Of several titles that hold it the item with the
   * most interactions is meant; where these are not known, a title that begins with it, and of those the shortest.
   */
  find(text: string): string {
    const { keys } = this.#items;
    if (keys.idOf(text) > 0) return text;
    const wanted = text.toLowerCase();
    let best: { item: string; rank: number } | undefined;
    for (let row = 1; this.#column !== undefined && row < this.#items.rows; row++) {
      const title = this.#column.vocabulary.values[this.#column.data[row]].toLowerCase();
      const at = title.indexOf(wanted);
      if (at < 0 || title === '') continue;
      const order = this.#counts === undefined ? (at === 0 ? 0 : 1e6) + title.length : -this.#counts[row];
      const rank = title === wanted ? -Infinity : order;
      if (best === undefined || rank < best.rank) best = { item: keys.values[row], rank };
    }
    if (best !== undefined) return best.item;
    const near = nearest(
      text,
      this.#column === undefined
        ? keys.values
        : this.#column.vocabulary.values.map((title) => title.replace(/ \(\d{4}\)$/, '')),
    );
    const known = this.#column === undefined ? 'an item id of the training data' : 'an item id or a part of a title';
    throw invalid(
      'rating',
      'no such item in the catalog',
      text,
      near === undefined || near === '' ? known : `${known}, ${near} perhaps`,
    );
  }
}

/** Reads `id=value` or `title=value`; what the text before the last `=` means is another question. @throws INVALID_OPTION */
export function readRatings(texts: readonly string[]): Rating[] {
  return texts.map((text): Rating => {
    const at = text.lastIndexOf('=');
    const number = text.slice(at + 1).trim();
    const value = Number(number);
    if (at <= 0 || !DECIMAL.test(number) || !Number.isFinite(value)) {
      throw invalid('rating', 'not a rating', text, 'item=number, such as 1=5 or "Toy Story=5"');
    }
    return { item: text.slice(0, at).trim(), value };
  });
}

/** Gives the ratings with item ids. @throws {InnerloopError} INVALID_OPTION for an item that the catalog lacks, or that comes twice */
export function parseRatings(texts: readonly string[], titles: Titles): Rating[] {
  const ratings = readRatings(texts).map(({ item, value }) => ({ item: titles.find(item), value }));
  const seen = new Set<string>();
  for (const { item } of ratings) {
    if (seen.has(item)) throw invalid('rating', 'rated twice', titles.of(item) ?? item, 'each item once');
    seen.add(item);
  }
  return ratings;
}

export async function recommendFromFile(run: {
  model: string;
  ratings: string[];
  count?: number;
  title?: string;
  /** `name=value`, or `default`. */
  context?: string[];
  console: Console;
  signal: AbortSignal;
}): Promise<void> {
  const { count = DEFAULT_COUNT, console, signal } = run;
  const { learner, titles, ratings } = await openSaved(run.model, run.ratings, run.title);
  const context = readContext(run.context, membersOf(learner)[0]);
  await recommend({ learner, ratings, count, titles, context, console, signal });
}

/** A saved model, and ratings as they were typed, as items of its catalog. */
export async function openSaved(
  model: string,
  texts: readonly string[],
  title: string | undefined,
): Promise<{ learner: Learner | Ensemble; titles: Titles; ratings: Rating[] }> {
  const learner = await loadPredictor(model);
  const [{ catalog }] = membersOf(learner);
  if (catalog === undefined) throw invalid('model', 'has no catalog', model, 'a model that was trained');
  const titles = new Titles(catalog.items, title);
  return { learner, titles, ratings: parseRatings(texts, titles) };
}

/** Ratings as a support set. */
export function supportOf(ratings: readonly Rating[], context: FeatureValues | undefined): Support {
  return {
    items: ratings.map(({ item }) => item),
    labels: ratings.map(({ value }) => value),
    ...(context && { context }),
  };
}

export async function recommend({
  learner,
  ratings,
  count,
  among,
  heading = 'Recommended:',
  titles,
  context,
  console,
  signal,
}: RecommendRun): Promise<void> {
  const named = (item: string) => (titles.of(item) === undefined ? { item } : { item, title: titles.of(item) });
  const label = (item: string) => titles.of(item) ?? item;
  const started = performance.now();
  const me = await learner.adapt(supportOf(ratings, context), { signal });
  const adaptSeconds = seconds(started);
  const recommendations = await me.recommend({ count, among, signal, ...(context && { context }) });
  console.result(`Ratings: ${ratings.map(({ item, value }) => `${label(item)} = ${value}`).join(', ') || 'none'}`);
  console.result(heading);
  for (const { item, score } of recommendations)
    console.result(`  ${score.toFixed(2)}  ${label(item)}${titles.of(item) === undefined ? '' : ` [${item}]`}`);
  console.json({
    event: 'recommendations',
    ratings: ratings.map(({ item, value }) => ({ ...named(item), rating: value })),
    recommendations: recommendations.map(({ item, score }) => ({ ...named(item), score })),
    seconds: { adapt: adaptSeconds, total: seconds(started) },
  });
}
