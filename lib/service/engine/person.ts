/** Makes the personal model of a request from the state's history, the request's interactions, and features. */
import type { FeatureValues } from '../../batch/given-features.js';
import { lossOf } from '../../model/losses.js';
import { membersOf } from '../../learner/ensemble.js';
import { Learner } from '../../learner/learner.js';
import { PersonalEnsemble } from '../../serving/ensemble.js';
import { PersonalModel } from '../../serving/personal-model.js';
import type { Support } from '../../serving/support.js';
import { readsUsers } from '../../serving/support.js';
import { LIMITS } from '../api/schemas.js';
import type { Interaction } from '../state/state.js';
import type { Engine } from './engine.js';
import { readsContext } from './rules.js';

/** The person that a request describes. */
export interface Who {
  user?: string | undefined;
  /** Interactions that are used for this request only: those of a session without an account, or not in the state yet. */
  interactions?: readonly Pick<Interaction, 'item' | 'value' | 'weight' | 'context'>[] | undefined;
  features?: FeatureValues | undefined;
}

export interface ServedPerson {
  me: PersonalModel | PersonalEnsemble;
  support: Support;
  /** All items that the person interacted with. */
  seen: ReadonlySet<string>;
  /** The person's group for popularity. */
  segment: string | undefined;
  /** The number of interactions that the model adapted to. */
  count: number;
  /** Whether the model reads user features and has some of this person. */
  hasFeatures: boolean;
  /** Items of the request's own interactions that the model has not, each once. */
  unknown: readonly string[];
}

/** The most interactions of a history that are read; older ones are neither learned from nor excluded from lists. */
const LONGEST = 20_000;

/** Up to this many interactions, ridge adapts on the main thread, in a tenth of a millisecond. */
const FEW = 30;

/** @internal Use `engine.person`. */
export async function personOf(engine: Engine, who: Who, signal: AbortSignal | undefined): Promise<ServedPerson> {
  const { learner, predictor, state, options } = engine;
  const { user } = who;
  const [kept, record] =
    user === undefined || state === undefined
      ? [[], undefined]
      : await Promise.all([state.history(user, LONGEST), state.person(user)]);
  // A hidden person is served like an unknown one, except that seen items stay excluded.
  const isHidden = record?.hidden === true;
  const all = [...kept, ...(who.interactions ?? [])];
  const seen = new Set(all.map(({ item }) => item));
  const latest = new Map<string, (typeof all)[number]>();
  for (const each of isHidden ? (who.interactions ?? []) : all) {
    // Only the last interaction with an item counts.
    latest.delete(each.item);
    latest.set(each.item, each);
  }
  const { keys } = learner.servedCatalog().items;
  const lost = new Set<string>();
  const known = [...latest.values()].filter(({ item }) => {
    const has = keys.idOf(item) > 0;
    if (!has) lost.add(item);
    return has;
  });
  const used = known.slice(-options.maxHistory);
  const stored = isHidden ? undefined : record?.features;
  const features =
    stored === undefined && who.features === undefined
      ? undefined
      : readFeatures(engine, { ...stored, ...who.features });
  const support = supportOf(engine, used, isHidden ? undefined : user, features);
  const reads = membersOf(predictor).some(readsUsers);
  // For a few interactions, waking another thread takes longer than solving.
  const isShort = learner.algorithm.solver === 'ridge' && support.items.length <= FEW;
  const me =
    isShort && predictor instanceof Learner && learner.model.device.kind === 'cpu'
      ? learner.adaptSync(support)
      : await predictor.adapt(support, { signal });
  return {
    me,
    support,
    seen,
    segment: segmentOf(engine, who.features) ?? (isHidden ? undefined : (record?.segment ?? undefined)),
    count: support.items.length,
    hasFeatures:
      reads &&
      ((features !== undefined && Object.keys(features).length > 0) ||
        (user !== undefined && !isHidden && learner.servedCatalog().users.keys.idOf(user) > 0)),
    unknown:
      lost.size === 0 ? [] : [...new Set(who.interactions?.map(({ item }) => item))].filter((item) => lost.has(item)),
  };
}

/**
 * The features that the model has columns for. Others are left out: the group for popularity need not be a column, and the model
 * may have been trained with other columns since the features were stored.
 */
function readFeatures({ learner }: Engine, features: FeatureValues): FeatureValues {
  const names = new Set(learner.servedCatalog().users.columns.map(({ name }) => name));
  return Object.fromEntries(Object.entries(features).filter(([name]) => names.has(name)));
}

function segmentOf({ options }: Engine, features: FeatureValues | undefined): string | undefined {
  const value = options.segmentBy === undefined ? undefined : features?.[options.segmentBy];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function supportOf(
  { learner }: Engine,
  used: readonly Pick<Interaction, 'item' | 'value' | 'weight' | 'context'>[],
  user: string | undefined,
  features: FeatureValues | undefined,
): Support {
  // A ranking loss learns nothing from dislikes alone, so the model does not adapt to them; lists still exclude their items.
  const isRanking = lossOf(learner.model.spec.head).ranks === true;
  const rows = isRanking && !used.some(({ value }) => value === 1) ? [] : used;
  const hasWeights = rows.some(({ weight }) => weight !== 1);
  return {
    items: rows.map(({ item }) => item),
    labels: rows.map(({ value }) => value),
    // Values were checked when they arrived, but a model that was trained since may have another label range.
    outside: 'clip',
    // A state of an earlier release may hold larger weights.
    ...(hasWeights && { weights: rows.map(({ weight }) => Math.min(weight, LIMITS.weight)) }),
    ...(user !== undefined && { user }),
    ...(features !== undefined && { features }),
    ...(readsContext(learner) && { context: rows.map(({ context }) => context ?? {}) }),
  };
}

/** Approximate bytes of memory that a person takes. */
export function bytesOfPerson({ me, seen }: ServedPerson): number {
  let bytes = 64 * seen.size;
  for (const each of me instanceof PersonalEnsemble ? me.members : [me]) {
    const { adapted, certain, known: rows } = PersonalModel.personOf(each);
    bytes += (adapted?.byteLength ?? 0) + (certain?.byteLength ?? 0) + 40 * rows.items.length;
  }
  return bytes;
}
