/** What serving knows of one adapted user, apart from what the user's model can do. */
import { checkPlain } from '../foundation/check.js';
import { runNative } from '../foundation/addon.js';
import type { NativePacking, NativeRows, NativeSelection } from '../foundation/addon.js';
import type { Dataset } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Learner } from '../learner/learner.js';
import { packRows } from './support.js';
import type { Context, PackedSupport, Support } from './support.js';

/** @internal */
export interface Person {
  readonly learner: Learner;
  readonly catalog: Dataset;
  /** Of the learner, when it adapted. */
  readonly version: number;
  /** As it was given, copied. */
  readonly support: Support;
  readonly known: Omit<PackedSupport, 'packed'>;
  /** The adapted parameters, packed; undefined once disposed of. */
  readonly adapted: Uint8Array | undefined;
  /** With the posterior of the last layer, once that was asked for. */
  certain?: Uint8Array;
}

/** @internal The adapted parameters. @throws {InnerloopError} DISPOSED, after `dispose` or further training */
export function adaptedOf(person: Person): Uint8Array {
  if (person.adapted === undefined)
    throw new InnerloopError('DISPOSED', 'was disposed of', { field: 'personalModel', expected: 'adapt again' });
  person.learner.checkVersion(person.version, 'personalModel');
  return person.adapted;
}

/** @internal How adapted tasks are packed: with the posterior where every prediction needs it. */
export function packing(learner: Learner): NativePacking {
  return { packed: true, factor: learner.isModerated };
}

/** @internal The same with the posterior of the last layer, which is worked out anew the first time: most never need it. */
export async function certainOf(
  person: Person,
  supportRows: () => PackedSupport['packed'],
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const adapted = adaptedOf(person);
  if (person.learner.isModerated) return adapted;
  if (person.certain === undefined) {
    const { model } = person.learner;
    const call = { ...person.learner.call(supportRows()), packed: true, factor: true } as const;
    const [certain] = await runNative(signal, (token) => model.ops.adapt({ ...call, token }));
    // Disposed of or trained further in between.
    adaptedOf(person);
    person.certain = certain;
  }
  return person.certain;
}

/** @internal What packed tasks of a learner are checked against. */
export function selectionOf(learner: Learner): NativeSelection {
  const { fast, graph } = learner.innerLoop();
  return { fast, graph };
}

const ANY_ITEM = Int32Array.of(0);
const ONE_QUERY = Int32Array.of(0, 0, 1);

/** @internal A row of the user for some item, which the core then reads for every item. */
export function rowOf(
  learner: Learner,
  catalog: Dataset,
  known: Pick<PackedSupport, 'user' | 'items' | 'labels' | 'features'>,
  context: Context | undefined,
): NativeRows {
  return packRows(learner, catalog, known, ANY_ITEM, ONE_QUERY, context).rows;
}

/** @internal Of a user of whom nothing is known. */
export const NOBODY = { user: 0, items: new Int32Array(0), labels: new Float64Array(0), features: undefined };

/** @internal A copy that nobody else can change. */
export function copyOfSupport(support: Support): Support {
  const { items, labels, user, unknown, outside, ...rest } = support;
  return {
    items: items.slice(),
    labels: Array.from(labels),
    ...(user !== undefined && { user }),
    ...(unknown !== undefined && { unknown }),
    ...(outside !== undefined && { outside }),
    // What few have: a structured clone takes as long as all else of a user.
    ...(Object.keys(rest).length > 0 && checkPlain(rest, 'support')),
  };
}
