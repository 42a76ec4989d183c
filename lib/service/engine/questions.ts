/** Chooses items to ask a person about: well-known items whose answers would change the person's scores most. */
import { lossOf } from '../../model/losses.js';
import { topK } from '../../foundation/top-k.js';
import type { Learner } from '../../learner/learner.js';
import type { Support } from '../../serving/support.js';
import type { Engine } from './engine.js';
import type { ServedPerson } from './person.js';

export interface Question {
  item: string;
  /** The product of popularity and movement, each divided by its largest value. */
  score: number;
  /** Training interactions of the item, divided by those of the most popular candidate. */
  popularity: number;
  /** The mean change of the candidates' scores over the possible answers. */
  movement: number;
}

/** The number of candidates: the most popular items, which may be asked about and whose change of scores is measured. */
const CANDIDATES = 150;

/**
 * For each candidate i and each extreme answer y, the model adapts to the person's known interactions and (i, y). The movement of i
 * is the mean of |s(j) − s₀(j)| over the candidates j and the answers, s₀ being the scores before. All answers have the same
 * weight, because their probabilities are not known.
 *
 * @param asked items that must not be asked about
 */
export async function questionsFor(
  engine: Engine,
  { me, support: known }: Pick<ServedPerson, 'me' | 'support'>,
  asked: ReadonlySet<string>,
  count: number,
  signal: AbortSignal | undefined,
): Promise<Question[]> {
  const { learner } = engine;
  const { items } = learner.servedCatalog();
  const counts = Float64Array.from({ length: items.rows }, (_, row) => {
    const isOpen = row > 0 && !asked.has(items.keys.values[row]);
    return isOpen ? (learner.itemCounts?.[row] ?? 0) : -Infinity;
  });
  const open = counts.reduce((n, each) => n + Number(each >= 0), 0);
  const rows = Array.from(topK(counts, Math.min(CANDIDATES, open)));
  if (rows.length === 0) return [];
  const ids = rows.map((row) => items.keys.values[row]);
  const answers = answersOf(learner);
  const context = known.context;
  const supports: Support[] = ids.flatMap((item) =>
    answers.map((label) => ({
      ...known,
      items: [...known.items, item],
      labels: [...Array.from(known.labels), label],
      ...(known.weights !== undefined && { weights: [...Array.from(known.weights), 1] }),
      ...(Array.isArray(context) && { context: [...(context as object[]), {}] as Support['context'] }),
    })),
  );
  const seen = { signal, ...(context !== undefined && { context: {} }) };
  const before = await me.predict(ids, seen);
  const scores = await engine.predictMany(supports, ids, seen);
  const movement = ids.map((_, i) => {
    let sum = 0;
    for (let a = 0; a < answers.length; a++)
      scores[i * answers.length + a].forEach((score, j) => (sum += Math.abs(score - before[j])));
    return sum / (answers.length * ids.length);
  });
  const popularity = rows.map((row) => counts[row]);
  const share = (values: number[]) => {
    const largest = Math.max(...values);
    return values.map((value) => (largest > 0 ? value / largest : 1));
  };
  const [popularityShare, movementShare] = [share(popularity), share(movement)];
  return ids
    .map((item, i) => ({
      item,
      score: popularityShare[i] * movementShare[i],
      popularity: popularityShare[i],
      movement: movement[i],
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, count);
}

/** The two labels that are furthest apart, as the answers to consider; only 1 for a ranking loss. */
export function answersOf(learner: Learner): number[] {
  const { head } = learner.model.spec;
  const { range } = learner.rowState;
  if (head.loss === 'mse')
    return range === undefined ? [learner.labelOffset - 1, learner.labelOffset + 1] : [range.min, range.max];
  // A ranking loss learns nothing from a dislike alone.
  if (lossOf(head).ranks === true) return [1];
  return head.loss === 'softmax' ? [0, head.classes - 1] : [0, 1];
}
