/** From who asks to a personal model: history of the state, what the request brings, features. */
import type { FeatureValues } from '../../batch/given-features.js';
import { lossOf } from '../../model/losses.js';
import { membersOf } from '../../learner/ensemble.js';
import { Learner } from '../../learner/learner.js';
import { PersonalEnsemble } from '../../serving/ensemble.js';
import { PersonalModel } from '../../serving/personal-model.js';
import type { Support } from '../../serving/support.js';
import { readsUsers } from '../../serving/support.js';
import type { Interaction } from '../state/state.js';
import type { Engine } from './engine.js';
import { readsContext } from './rules.js';

/** What a request says of somebody. */
export interface Who {
  user?: string | undefined;
  /** Of this request alone: a session without an account, or what is not in the state yet. */
  interactions?: readonly Pick<Interaction, 'item' | 'value' | 'weight' | 'context'>[] | undefined;
  features?: FeatureValues | undefined;
}

export interface ServedPerson {
  me: PersonalModel | PersonalEnsemble;
  support: Support;
  /** All items that the person interacted with. */
  seen: ReadonlySet<string>;
  segment: string | undefined;
  /** Interactions that the model adapted to. */
  count: number;
  /** Whether anything is known that the model reads of people. */
  hasFeatures: boolean;
}

/** Interactions that are read of the longest history; older ones are neither learned from nor excluded. */
const LONGEST = 20_000;

/** Interactions that are adapted to on the thread of the requests: a tenth of a millisecond. */
const FEW = 30;

/** @internal Use `engine.person`. */
export async function personOf(engine: Engine, who: Who, signal: AbortSignal | undefined): Promise<ServedPerson> {
  const { learner, predictor, state, options } = engine;
  const { user } = who;
  const [kept, record] =
    user === undefined || state === undefined
      ? [[], undefined]
      : await Promise.all([state.history(user, LONGEST), state.person(user)]);
  // Somebody who is hidden is served like anybody of whom nothing is known, except that seen items stay away.
  const isHidden = record?.hidden === true;
  const all = [...kept, ...(who.interactions ?? [])];
  const seen = new Set(all.map(({ item }) => item));
  const latest = new Map<string, (typeof all)[number]>();
  for (const each of isHidden ? (who.interactions ?? []) : all) {
    // Of one item the last interaction counts.
    latest.delete(each.item);
    latest.set(each.item, each);
  }
  const { keys } = learner.servedCatalog().items;
  const used = [...latest.values()].filter(({ item }) => keys.idOf(item) > 0).slice(-options.maxHistory);
  const stored = isHidden ? undefined : record?.features;
  const features =
    stored === undefined && who.features === undefined ? undefined : known(engine, { ...stored, ...who.features });
  const support = supportOf(engine, used, isHidden ? undefined : user, features);
  const reads = membersOf(predictor).some(readsUsers);
  // To wake another thread takes longer than to solve for a few interactions.
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
  };
}

/**
 * The features that the model has columns of: a group for popularity need not be one, and a model that was trained since may have
 * others.
 */
function known({ learner }: Engine, features: FeatureValues): FeatureValues {
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
  // A loss that only ranks learns nothing from dislikes alone; they are excluded all the same.
  const isRanking = lossOf(learner.model.spec.head).ranks === true;
  const rows = isRanking && !used.some(({ value }) => value === 1) ? [] : used;
  const hasWeights = rows.some(({ weight }) => weight !== 1);
  return {
    items: rows.map(({ item }) => item),
    labels: rows.map(({ value }) => value),
    // Values were checked when they came; a model that was trained since may have another range.
    outside: 'clip',
    ...(hasWeights && { weights: rows.map(({ weight }) => weight) }),
    ...(user !== undefined && { user }),
    ...(features !== undefined && { features }),
    ...(readsContext(learner) && { context: rows.map(({ context }) => context ?? {}) }),
  };
}

/** About what a person takes. */
export function bytesOfPerson({ me, seen }: ServedPerson): number {
  let bytes = 64 * seen.size;
  for (const each of me instanceof PersonalEnsemble ? me.members : [me]) {
    const { adapted, certain, known: rows } = PersonalModel.personOf(each);
    bytes += (adapted?.byteLength ?? 0) + (certain?.byteLength ?? 0) + 40 * rows.items.length;
  }
  return bytes;
}
