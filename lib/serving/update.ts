/** A personal model with one interaction more. */
import { runNative } from '../foundation/addon.js';
import { SIDES } from '../batch/features.js';
import { checkGiven, contextNames } from '../batch/given-features.js';
import type { FeatureValues } from '../batch/given-features.js';
import { userBias } from '../batch/row-rules.js';
import { adaptedOf, certainOf, selectionOf } from './person.js';
import type { Person } from './person.js';
import { checkedLabel } from './labels.js';
import { packSupport } from './support.js';
import type { PackedSupport, Support } from './support.js';
import { updatedSupport } from './updated-support.js';

/** What becomes of a person: its support set, and the person itself where that could be worked out without the other rows. @internal */
export interface Updated {
  support: Support;
  person: Person | undefined;
}

/**
 * Ridge regression takes a row by itself where the features of the rows before stay what they were: not where histories are read,
 * which the row becomes a part of. Of an item that was there already the row takes another label, where it was there once, with
 * weight 1 and the same features.
 *
 * @internal
 */
export async function updatedPerson(
  person: Person,
  item: string | number,
  label: number,
  context: FeatureValues | undefined,
  signal: AbortSignal | undefined,
): Promise<Updated> {
  adaptedOf(person);
  const { learner, catalog } = person;
  const bound = learner.bind(catalog);
  checkedLabel(learner, label, person.support.outside ?? 'error', 'label');
  const support = updatedSupport(person.support, item, label, context);
  if (context !== undefined) checkGiven(bound, SIDES.interactions, context, 'options.context');
  const { solver } = learner.algorithm;
  // A device adapts anew: it has no rows one by one. So does a prior mean that is a function of all rows.
  const isWhole = learner.innerLoop().graph !== undefined;
  if (learner.model.device.kind !== 'cpu' || solver !== 'ridge' || isWhole || bound.sequences.length > 0)
    return { support, person: undefined };
  const row = onlyRow(person, support, context);
  const [own] = row.items;
  const places = [...person.known.items.keys()].filter((i) => person.known.items[i] === own);
  const hasOther =
    places.length > 1 ||
    (places.length === 1 && (person.support.weights !== undefined || contextNames(bound).length > 0));
  // An item that training did not have is left out, as adapting would.
  if (row.items.length === 0 || hasOther) return { support, person: undefined };

  const kept = (_: number, i: number) => i !== places[0];
  const known = {
    ...person.known,
    items: withLast(person.known.items, kept, own),
    labels: withLast(person.known.labels, kept, row.labels[0]),
    context: contextWith(person.known, row.context, kept),
    ...valuesWith(person.known, kept),
  };
  const rows = learner.rows(catalog);
  known.bias = userBias(rows, known.items, known.labels);
  const { mean, itemBias } = rows.state;
  const centred = (y: number, bias: number) => y - mean - (itemBias === undefined ? 0 : itemBias[own] + bias);
  const { packed } = row;
  packed.rows.labels![0] = centred(row.labels[0], known.bias);
  const certain = await certainOf(person, () => packSupport(learner, catalog, person.support).packed, signal);
  const updated = await runNative(signal, () =>
    learner.model.ops.updateAdapted({
      ...learner.call(packed),
      adapted: [certain],
      selection: selectionOf(learner),
      shift: known.bias - person.known.bias,
      ...(places.length === 1 && { before: centred(person.known.labels[places[0]], person.known.bias) }),
    }),
  );
  adaptedOf(person); // A step that began meanwhile may have moved the parameters under it.
  return { support, person: { ...person, support, known, ...updated } };
}

function withLast<A extends Int32Array | Float64Array>(
  values: A,
  kept: (_: number, i: number) => boolean,
  last: number,
): A {
  const before = values.filter(kept);
  const all = new (values.constructor as new (n: number) => A)(before.length + 1);
  all.set(before);
  all[before.length] = last;
  return all;
}

/** The new row weighs 1 and has no auxiliary labels. */
function valuesWith(
  { values }: Person['known'],
  kept: (_: number, i: number) => boolean,
): Pick<Person['known'], 'values'> {
  if (values === undefined) return {};
  const extended = (numbers: ArrayLike<number>, last: number) => [...Array.from(numbers).filter(kept), last];
  const { also = {}, weights } = values;
  return {
    values: {
      also: Object.fromEntries(Object.entries(also).map(([name, labels]) => [name, extended(labels, NaN)])),
      ...(weights && { weights: extended(weights, 1) }),
    },
  };
}

function contextWith(
  { context, items }: Person['known'],
  own: PackedSupport['context'],
  kept: (_: number, i: number) => boolean,
): PackedSupport['context'] {
  if (context === undefined || own === undefined) return own;
  const of = context.of === 0 ? new Int32Array(items.length) : context.of;
  return { ...context, rows: [...context.rows, ...own.rows], of: withLast(of, kept, context.rows.length) };
}

/** The interaction as a support set of its own, checked and packed as one of those would be. */
function onlyRow(person: Person, support: Support, context: FeatureValues | undefined): PackedSupport {
  const last = support.items.length - 1;
  const { items, labels, context: given, weights: _, also: __, ...rest } = support;
  const own = context ?? (Array.isArray(given) ? (given as readonly FeatureValues[])[last] : given);
  const one = { ...rest, items: [items[last]], labels: [labels[last]], ...(own !== undefined && { context: own }) };
  return packSupport(person.learner, person.catalog, one);
}
