/** What to ask somebody about first: items that many know, and whose answer would move that person's list most. */
import { lossOf } from '../../model/losses.js';
import { topK } from '../../foundation/top-k.js';
import type { Learner } from '../../learner/learner.js';
import type { Support } from '../../serving/support.js';
import type { Engine } from './engine.js';
import type { ServedPerson } from './person.js';

export interface Question {
  item: string;
  /** popularity × movement, each as a share of its largest. */
  score: number;
  popularity: number;
  /** How far the scores of well-known items move, on average over the answers. */
  movement: number;
}

/** Items that may be asked about, the best known ones, and those whose scores are looked at. */
const CANDIDATES = 150;

/**
 * For each candidate i and each extreme answer y the person is adapted to what is known of it and (i, y); the movement is the mean
 * of |s(j) − s₀(j)| over the candidates j and the answers. Every answer counts the same: how likely it is, is not known before.
 *
 * @param asked answered already
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
  const [known_, moved] = [share(popularity), share(movement)];
  return ids
    .map((item, i) => ({ item, score: known_[i] * moved[i], popularity: known_[i], movement: movement[i] }))
    .sort((a, b) => b.score - a.score)
    .slice(0, count);
}

/** The answers that are furthest apart. */
export function answersOf(learner: Learner): number[] {
  const { head } = learner.model.spec;
  const { range } = learner.rowState;
  if (head.loss === 'mse')
    return range === undefined ? [learner.labelOffset - 1, learner.labelOffset + 1] : [range.min, range.max];
  // A loss that only ranks learns nothing from a dislike alone.
  if (lossOf(head).ranks === true) return [1];
  return head.loss === 'softmax' ? [0, head.classes - 1] : [0, 1];
}
